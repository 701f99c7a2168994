"""A drawn catalogue, to try everything on."""

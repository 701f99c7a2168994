"""Images over http and https."""

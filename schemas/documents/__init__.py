"""JSON documents: what a bundle, a run and an index say of themselves."""

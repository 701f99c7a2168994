"""JSON documents: metadata of a bundle, a run and an index."""

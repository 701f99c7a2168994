"""Tools for streams of items: prefetching, hash order, watched background work, sets of ids on disk."""

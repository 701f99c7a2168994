"""What streams of items need: prefetching, ordering, background work that is watched, sets of ids on disk."""

"""The review page, and the store of its decisions."""

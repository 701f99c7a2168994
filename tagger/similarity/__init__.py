"""Items that look alike: an index of image vectors, its search, and how good a search is."""

"""Items that look alike."""

"""What a confidence is worth, and what is decided by it."""

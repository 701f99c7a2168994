"""From an image file's bytes to the pixels that a model sees, and how good they are."""

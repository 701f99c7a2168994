"""From an image file's bytes to the model's input, and measures of its quality."""

"""The page on which people decide what the model was not sure of, and what they decided."""

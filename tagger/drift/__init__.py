"""Whether a night is like the nights before: what came, and how sure the model is of it."""

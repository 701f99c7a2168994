"""Messages that a command prints at once, since importing its libraries takes seconds."""

STARTUP_MESSAGES = {
    "train": "Loading PyTorch and Ray to train a model",
    "tune": "Loading PyTorch and Ray to search for a recipe",
    "results": "Loading PyTorch and Ray to train recipes side by side",
    "combine": "Loading PyTorch and Ray to combine bundles",
}

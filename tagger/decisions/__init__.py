"""Review decisions, as labels and as final tags."""

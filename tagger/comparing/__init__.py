"""Two models, or two runs, side by side: what changes, which change is right, and changes to accept move by move."""

"""Items that show one picture."""

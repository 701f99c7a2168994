"""Finds near-duplicate images: items that show one picture."""

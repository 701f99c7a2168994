"""Honest figures: what of a recipe's accuracy is real."""

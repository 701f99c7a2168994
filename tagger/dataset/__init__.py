"""Labelled items for training: splits, leaves, decoded images."""

"""Labelled items as a model learns from them: splits, leaves, decoded images."""

"""Bulk tagging: the predictor, the Ray Data graph around it, and the run directory that it fills."""

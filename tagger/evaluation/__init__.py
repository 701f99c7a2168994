"""Evaluation of a model or a run: metrics, plots, and a report."""

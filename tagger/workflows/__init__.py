"""Whole jobs as functions; commands and Python users call them."""

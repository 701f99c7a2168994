"""Whole jobs as functions: what each command calls, and Python users, too."""

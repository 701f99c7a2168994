"""Measurements of the bench command, and the plain scripts that it compares with."""

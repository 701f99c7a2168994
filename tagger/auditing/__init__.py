"""Finds labels of a catalogue that are likely wrong."""

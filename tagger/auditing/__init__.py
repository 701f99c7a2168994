"""Finds what is likely wrong in a catalogue's labels."""

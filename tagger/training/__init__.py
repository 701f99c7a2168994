"""Learning a model from a catalogue's labelled items."""

"""Training a model on a catalogue's labelled items."""

"""Tables of items as files: what kind a file is, and its rows, whatever the kind."""

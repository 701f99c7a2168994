"""Tables of items as files: recognises a file's kind, and reads its rows."""

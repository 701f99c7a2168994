"""A shop's table of items: rows, labels, rejects, and the selection of rows."""

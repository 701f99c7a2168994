"""A shop's table of items: rows, labels, rejects, and which rows are taken."""

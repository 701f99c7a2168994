"""A small drawn catalogue for demonstrations."""

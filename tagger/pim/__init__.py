"""Into a PIM system and back: what an export would change, its files, and their undo."""

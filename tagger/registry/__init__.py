"""Models by name: immutable versions, aliases, and what a promotion rests on."""

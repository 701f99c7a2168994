"""What all commands share: the command line, flags, what is said, and how they end."""

"""What all commands share: the command line, flags, output, and exit codes."""

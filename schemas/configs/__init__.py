"""The config of each command."""

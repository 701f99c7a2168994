"""Tells other programs how a command has ended: metrics and messages."""

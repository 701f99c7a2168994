"""What makes the documentation: the reference from the code, pictures from the demo. Nothing here is installed."""

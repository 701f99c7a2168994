"""What people decided about items, as labels and as final tags."""

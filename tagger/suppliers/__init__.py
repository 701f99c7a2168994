"""What suppliers, brands or seasons deliver: unusable pictures, wrong labels, and the work that they make."""

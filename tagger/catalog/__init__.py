"""What is to be tagged: manifests, image stores, splits, and a drawn catalogue."""

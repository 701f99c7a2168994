"""Models: backbones, the classifier over leaves, title models, and bundles, which hold them on disk."""

"""Models: backbones, the classifier over leaves, bundles, and the engines that run them."""

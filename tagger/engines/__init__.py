"""What runs a model: PyTorch or OpenVINO, and which of them is taken."""

"""Inference engines, PyTorch and OpenVINO, and the choice between them."""

"""Training: an ONNX graph as a PyTorch module, and what is trained on it. PyTorch is an extra."""

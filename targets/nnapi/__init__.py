"""Phones on ONNX Runtime's NNAPI provider."""

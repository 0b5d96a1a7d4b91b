"""Phones and boards on ONNX Runtime's XNNPACK provider."""

"""Snapdragon's Hexagon Tensor Processor (HTP) on ONNX Runtime's QNN provider."""

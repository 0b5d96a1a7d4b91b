"""Exact fusions of what users wrote with primitives into operators that ONNX Runtime has kernels for."""

"""Apple devices that run ONNX Runtime with CoreML."""

"""Pages and apps that run ONNX Runtime as WebAssembly."""

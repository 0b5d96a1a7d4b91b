"""Pages and apps that run ONNX Runtime's WebGPU provider."""

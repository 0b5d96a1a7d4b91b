"""NVIDIA's GPUs: ONNX Runtime's CUDA provider, and TensorRT on Jetson."""

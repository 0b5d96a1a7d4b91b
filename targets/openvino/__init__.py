"""Intel machines that run ONNX Runtime with OpenVINO."""

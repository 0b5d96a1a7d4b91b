"""PyTorch modules as models: captured by `torch.export`, written down in ONNX, compared with the module.

torch is an extra. Nothing here imports it before there is a module to export.
"""

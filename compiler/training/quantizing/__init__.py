"""Quantization-aware training: fake quantization with learned params where a target's rules put Q/DQ."""

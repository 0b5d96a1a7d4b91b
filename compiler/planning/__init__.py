"""The parts of `plan`: MACs, activations alive at once, memory held."""

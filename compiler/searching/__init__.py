"""The parts of `search`: build candidates, score them, find what hurts, choose."""

"""Observe a model larger than memory: a segment of the graph at a time, over all samples."""

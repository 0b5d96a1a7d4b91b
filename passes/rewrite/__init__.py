"""Exact float rewrites before quantizing: the same function, in numbers that quantize better."""

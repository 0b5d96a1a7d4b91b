"""Decoders that users wrote and exported, as decoders that keep what they have read."""

"""Text from a decoder: tokens in, tokens out, one after the other."""

"""The parts of `load`: one question about a model each."""

"""Pre- and postprocessing inside the model: bytes go in, answers come out; the same steps in numpy prove it."""

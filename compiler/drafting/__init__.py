"""What `edgec init` writes: a project file made of a model, with guesses that say that they are guesses."""

"""Distillation: a student in few bits learns to answer as its float teacher does."""

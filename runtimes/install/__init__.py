"""Runtimes that are fetched, not shipped: what each needs, how large it is, where it goes."""

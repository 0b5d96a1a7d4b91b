"""Source code that opens a bundle in an app: one template a language over the same facts of the manifest."""

"""A frozen base of few bits, beside which adapters of low rank are trained."""

"""Model → model: normalize, rewrite, quantize, lower."""

from .deferred import defer_sympy

defer_sympy()

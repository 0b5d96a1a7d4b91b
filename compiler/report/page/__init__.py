"""`proof/report.html`: one self-contained page about a bundle, made for a person."""

__all__ = ["PAGE"]

PAGE = "report.html"

"""Targets by name, by TOML file, or detected."""

from .find import ALIASES, find_target, target_names

__all__ = ["ALIASES", "find_target", "target_names"]

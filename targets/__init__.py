"""Targets by name, by TOML file, or detected."""

from .find import find_target, target_names

__all__ = ["find_target", "target_names"]

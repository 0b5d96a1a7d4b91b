"""Names of a graph as paths of a module: `layer1.0.conv.weight` is the weight of the module `layer1.0.conv`.

Dots part a path. PyTorch takes no empty part, none that a module has a method of, and none that is a tensor and a
module at once; such parts get an underscore.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["escaped", "paths_of"]


def paths_of(
    names: Iterable[tuple[str, bool]], *, first: Iterable[str], within: Iterable[str]
) -> dict[str, tuple[str, str]]:
    """Where each tensor lies.

    Args:
        names: Of tensors, each with whether it must be called `weight`: that of a module which others look for.
        first: What no path can begin with: the whole module has it already.
        within: What no later part can be.

    Returns:
        By name: the path of the module, '' for the whole, and the tensor's name in it. No two are the same, and no
        module is called as a tensor is.
    """
    reserved, modules, tensors = (set(first), set(within)), {""}, set[str]()
    made: dict[str, tuple[str, str]] = {}
    for name, weight in sorted(names, key=lambda each: (not each[1], each[0])):
        parts = [_part(part, reserved[k > 0]) for k, part in enumerate(name.split("."))]
        if weight and parts[-1] != "weight":
            parts.append("weight")
        for k in range(1, len(parts)):
            while ".".join(parts[:k]) in tensors:
                parts[k - 1] += "_"
        while ".".join(parts) in tensors or ".".join(parts) in modules:
            if weight:
                parts.insert(-1, "_")
            else:
                parts[-1] += "_"
        tensors.add(".".join(parts))
        modules.update(".".join(parts[:k]) for k in range(1, len(parts)))
        made[name] = (".".join(parts[:-1]), parts[-1])
    return made


def escaped(name: str, reserved: Iterable[str]) -> str:
    """A name as one part of a path: a dot is %2E, a percent sign %25; none, or a reserved one, begins with %."""
    made = name.replace("%", "%25").replace(".", "%2E")
    return made if made and made not in set(reserved) else f"%{made}"


def _part(part: str, taken: set[str]) -> str:
    part = part or "_"
    return f"{part}_" if part in taken else part

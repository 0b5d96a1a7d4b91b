"""What a wrapper says of a bundle, in no language yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...bundle import Bundle
from ...errors import BundleError

__all__ = ["Port", "Quantized", "Subject", "subject_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantized:
    """The integers next to an end of the model: a code q stands for (q - zero_point) * scale."""

    dtype: str
    scale: float
    zero_point: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """One input or output.

    Attributes:
        name: As the model has it.
        dtype: numpy's name of its type.
        shape: A free dimension is None.
        quantized: The integers next to it, where they have one scale.
        start: For an input that an output is fed back to: the shape of the zeros it starts from.
        feeds: For an output: the input it is fed back to.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    quantized: Quantized | None = None
    start: tuple[int, ...] | None = None
    feeds: str | None = None

    @property
    def carried(self) -> bool:
        """Whether it is fed back, so that an app never sees it."""
        return self.start is not None or self.feeds is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A bundle as a wrapper sees it.

    Attributes:
        name: What it is called: `digits`.
        edgec: The version that wrote the wrapper.
        digest: sha256 of the manifest.
        target, runtime: What the bundle was compiled for, and ships to.
        model: The file to open: the backend's context where there is one.
        data: Files the model's weights lie in, where not in its own.
        binaries: Files a backend's context lies in.
        ort: The file for minimal builds; None where there is none.
        inputs, outputs: In the model's order.
        providers: Execution providers wanted, in order.
        provider_options: Of each, what a session gives it.
        session_options: Session config entries, key → value.
        baked: What pre- and postprocessing the model does itself, as the manifest has it.
    """

    name: str
    edgec: str
    digest: str
    target: str
    runtime: str
    model: str
    data: tuple[str, ...]
    ort: str | None
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    providers: tuple[str, ...]
    provider_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    session_options: Mapping[str, str] = field(default_factory=dict)
    baked: Mapping[str, Any] = field(default_factory=dict)
    binaries: tuple[str, ...] = ()

    @property
    def beside(self) -> tuple[str, ...]:
        """What has to lie beside the model."""
        return (*self.data, *self.binaries)

    @property
    def given(self) -> tuple[Port, ...]:
        """Inputs an app feeds."""
        return tuple(port for port in self.inputs if not port.carried)

    @property
    def answered(self) -> tuple[Port, ...]:
        """Outputs an app reads."""
        return tuple(port for port in self.outputs if not port.carried)

    @property
    def state(self) -> tuple[tuple[Port, Port], ...]:
        """What is fed back: output and input."""
        by_name = {port.name: port for port in self.inputs}
        return tuple((port, by_name[port.feeds]) for port in self.outputs if port.feeds is not None)


def subject_of(bundle: Bundle, name: str) -> Subject:
    """The facts of a bundle.

    Args:
        bundle: Compiled by this edgec or an earlier one.
        name: What the wrapper is called.

    Raises:
        BundleError: Its state does not start from zeros.
    """
    manifest = bundle.manifest
    starts = _starts(bundle)
    feeds = {output: carried for carried, output in manifest["state"].items()}
    model = str(manifest.get("context", {}).get("model", manifest["model"]))
    return Subject(
        name=name,
        edgec=__version__,
        digest=bundle.digest,
        target=manifest["target"]["name"],
        runtime=manifest["target"]["runtime"],
        model=model,
        data=tuple(name for name in (f"{model}.data",) if name in manifest["files"]),
        ort=manifest.get("ort", {}).get("model"),
        inputs=tuple(_port(said, start=starts.get(said["name"])) for said in manifest["inputs"]),
        outputs=tuple(_port(said, feeds=feeds.get(said["name"])) for said in manifest["outputs"]),
        providers=tuple(manifest["target"]["providers"]),
        provider_options=manifest.get("provider_options", {}),
        session_options={key: str(value) for key, value in manifest["session_options"].items()},
        baked=manifest.get("baked", {}),
        binaries=tuple(manifest.get("context", {}).get("binaries", ())),
    )


def _port(said: Mapping[str, Any], start: tuple[int, ...] | None = None, feeds: str | None = None) -> Port:
    return Port(
        name=said["name"],
        dtype=said["dtype"],
        shape=tuple(dim if isinstance(dim, int) else None for dim in said["shape"]),
        quantized=Quantized(**said["quantized"]) if "quantized" in said else None,
        start=start,
        feeds=feeds,
    )


def _starts(bundle: Bundle) -> dict[str, tuple[int, ...]]:
    """Carried input → the shape it starts in, as the golden sample has it."""
    carried = bundle.manifest["state"]
    if not carried:
        return {}
    first = bundle.golden()[0][0]
    for name in carried:
        if np.any(first[name] != 0):
            raise BundleError(
                str(bundle.path / Path("golden") / "inputs.npz"),
                f"starts input {name!r}, which an output is fed back to, from other values than zeros",
                affects="A wrapper keeps the state, and can start it from zeros only",
                remedy="Start it from zeros, or write the loop yourself: manifest.json says what is fed back",
            )
    return {name: tuple(first[name].shape) for name in carried}

"""What older releases of ONNX Runtime make of a bundle."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OlderProof", "OlderRun"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OlderRun:
    """A bundle in one release, on its CPU provider.

    Attributes:
        runtime: Where.
        onnxruntime: Its version.
        refused: Why it did not open or run it; "" when it did.
        exact: Every element equals the golden outputs.
        sqnr_db: Of the worst output against the golden ones; None as in `GoldenProof`.
        agrees: Whether that is close enough to be the same model.
        steps: Golden steps replayed.
    """

    runtime: str
    onnxruntime: str
    refused: str = ""
    exact: bool = False
    sqnr_db: float | None = None
    agrees: bool = False
    steps: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class OlderProof:
    """A bundle in the oldest release that must open it, and in those since that are installed.

    Attributes:
        asked: The oldest: `1.20`.
        obstacles: What in the model keeps that one, or one since, from opening it, by the rules; () where nothing does.
        first: The oldest release that opens it by the rules, and all since; "" where the newest known does not.
        mend: What else would help where it does not: an option of a compile; "" where none is known.
        missing: Why it was not executed in the oldest; "" when it was.
        runs: Each release it was executed in, the oldest first.
    """

    asked: str
    obstacles: tuple[str, ...]
    first: str
    mend: str
    missing: str
    runs: tuple[OlderRun, ...]

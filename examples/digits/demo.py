"""Compile the digits classifier through the library, prove it, and check what came back.

python examples/digits/demo.py
"""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path

import numpy as np

import edgec

HERE = Path(__file__).parent
EVALUATION = HERE / "evaluation.npz"


def main() -> None:
    limits = tomllib.loads((HERE / "edgec.toml").read_text(encoding="utf-8"))["contract"]
    contract = edgec.Contract.from_table(limits, where="edgec.toml: contract")
    with tempfile.TemporaryDirectory() as folder:
        bundle = edgec.compile(
            HERE / "digits.onnx",
            target="host",
            calibration=HERE / "calibration.npz",
            output=Path(folder) / "out",
            prove=False,
        )
        verdict = bundle.prove(evaluation=EVALUATION, contract=contract, float_model=HERE / "digits.onnx")
        for result in verdict.results:
            measured = "" if result.measured is None else f"{result.measured:.4g}"
            print(f"{result.id:14} {result.status:12} {measured:>8}  limit {result.limit or '-'!s:8} {result.reason}")
        print(verdict.word)

        # What was proved is what an application sees: the same images, through the bundle as it lies on disk.
        opened = edgec.Bundle.open(bundle.path)
        opened.verify()
        with np.load(EVALUATION) as samples:
            logits = opened.run({"image": samples["image"]})["logits"]
            accuracy = float((logits.argmax(1) == samples["label"]).mean())
        print(f"{accuracy:.1%} of {len(logits)} images recognised, {opened.size_bytes / 1000:.0f} kB")

    if verdict.word != "proved" or accuracy < 0.97:
        raise SystemExit(f"the verdict is {verdict.word!r}, the accuracy {accuracy:.1%}")


if __name__ == "__main__":
    main()

"""The nodes of tests/targets/nvidia/cuda_cases.txt, and where ONNX Runtime's own partitioner puts them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

__all__ = ["CASES", "Case"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One node, all its operands inputs of the graph."""

    opset: int
    inputs: str
    node: str
    outputs: str
    provider: str

    @property
    def model(self) -> onnx.ModelProto:
        imports = f'"": {self.opset}, "com.microsoft": 1'
        model = onnx.parser.parse_model(
            f"<ir_version: 10, opset_import: [{imports}]>\ng ({self.inputs}) => ({self.outputs}) {{ {self.node} }}"
        )
        model.graph.node[0].name = "n"
        return model

    def __str__(self) -> str:
        return f"{self.opset} {self.inputs} {self.node}"


def _read() -> tuple[Case, ...]:
    text = (Path(__file__).parents[1] / "targets" / "nvidia" / "cuda_cases.txt").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if not line.startswith("#")]
    return tuple(
        Case(opset=int(opset), inputs=inputs, node=node, outputs=outputs, provider=provider)
        for opset, inputs, node, outputs, provider in rows
    )


CASES = _read()

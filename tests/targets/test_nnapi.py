"""The NNAPI target: integers its provider takes, in one partition, checked where no Android is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from rich.console import Console
from support.graphs import weights
from support.numerics import optimized
from support.protos import proto

import edgec
from edgec.compiler.checking import check_file, check_model, checked_json
from edgec.compiler.contract import Contract
from edgec.compiler.load import load_model
from edgec.compiler.report.checked import checked_lines, checked_table
from edgec.errors import ExecutionRequiredError, ModelError, OptionError
from edgec.targets import find_target
from edgec.targets.nnapi.support import SOURCE

RNG = np.random.default_rng(5)
# What exporters write and the provider has no integers for, or refuses.
NET = """g (float[1, 3, 9, 9] x) => (float[1, 5] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w)
    b = Clip(a, l0, l6)
    c = MaxPool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1> (b)
    d = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (c)
    e = Resize <mode = "linear"> (d, , up)
    f = Sigmoid(e)
    h = Mul(e, f)
    m = GlobalAveragePool(h)
    r = Flatten(m)
    k = Gemm <transB = 1> (r, t, z)
    y = Softmax(k)
}"""
CONSTANTS = {
    "w": weights(4, 3, 3, 3),
    "l0": np.float32(0),
    "l6": np.float32(6),
    "up": np.array([1, 1, 2, 2], np.float32),
    "t": weights(5, 4),
    "z": weights(5),
}
SAMPLES = [{"x": RNG.normal(0, 1, (1, 3, 9, 9)).astype(np.float32)} for _ in range(8)]
UNKNOWN = """g (float[2, 8] x) => (float[2, 1] y) {
    a = MatMul(x, m)
    b = Erf(a)
    c = Sigmoid(b)
    y = ReduceSum <keepdims = 1> (c, one)
}"""
RULES = f"{SOURCE}, NNAPI feature level 7"


def compiled(
    output: Path, text: str = NET, constants: dict[str, np.ndarray] = CONSTANTS, **options: Any
) -> edgec.Bundle:
    source = proto(text, ir_version=10, **constants)
    given = {"cache": False, "prove": False, "calibration": SAMPLES, **options}
    return edgec.compile(source, target="pixel-8-nnapi", output=output, **given)


def test_everything_runs_there_in_one_partition_of_integers(tmp_path: Path) -> None:
    bundle = compiled(tmp_path / "out")
    checked = bundle.manifest["checked"]
    assert (checked["partitions"], checked["supported"], checked["off"]) == (1, checked["nodes"], [])
    assert checked["mac_share"] == 1.0
    assert checked["sources"] == [RULES]
    assert bundle.manifest["target"]["support"] == ["nnapi-7"]
    graph = ir.load(bundle.model).graph
    stored = {
        str(graph.initializers[str(node.inputs[2].name)].dtype) for node in graph if node.op_type == "QuantizeLinear"
    }
    assert stored == {"UINT8"}
    assert graph.opset_imports[""] == 22


def test_nothing_changes_when_a_session_opens(tmp_path: Path) -> None:
    """The rules are asked of the file; the provider is asked of what ONNX Runtime makes of it first."""
    shown = optimized(ir.load(compiled(tmp_path / "out").model), basic=True)
    onnx.save(shown, tmp_path / "shown.onnx")
    found = check_file(tmp_path / "shown.onnx", ("nnapi-7",), max_opset=22, where="here")
    assert found is not None
    assert (found.partitions, found.supported) == (1, found.nodes)


def test_without_rewrites_it_would_be_cut() -> None:
    """The test of the test: as exported."""
    loaded = load_model(proto(NET, ir_version=10, **CONSTANTS), opset_floor=1, max_opset=22)
    found = check_model(loaded.model, ("nnapi-7",), where="here")
    assert found is not None
    off = {
        each.unit.node.op_type: each.verdicts["NnapiExecutionProvider"].why
        for each in found.units
        if not each.partition
    }
    assert "ceil_mode is 1, taken is 0" in off.values()


def test_proof_is_checked_not_executed(tmp_path: Path) -> None:
    bundle = compiled(
        tmp_path / "out", prove=True, evaluation=SAMPLES, contract=Contract.from_flags(min_integer_macs="99%")
    )
    verdict = json.loads((bundle.proof / "verdict.json").read_text())
    assert (verdict["word"], verdict["exit_code"]) == ("checked", 0)
    assert {each["id"]: each["status"] for each in verdict["results"]} == dict.fromkeys(
        ("finite", "golden", "integer_macs", "off_provider"), "met"
    )
    proof = json.loads((bundle.proof / "proof.json").read_text())
    table = proof["checked"]["table"]
    assert {row["provider"] for row in table} == {"NnapiExecutionProvider"}
    assert {row["partition"] for row in table} == {0}
    assert sum(1 + len(row["with"]) for row in table) >= proof["checked"]["nodes"]
    assert proof["placement"]["evidence"] == f"checked, not executed: {RULES}"


def test_a_limit_that_is_written_counts_what_the_rules_leave_to_the_cpu(tmp_path: Path) -> None:
    constants = {"m": weights(8, 8), "one": np.array([1], np.int64)}
    bundle = compiled(tmp_path / "out", UNKNOWN, constants, calibration=None, scheme="float")
    assert bundle.prove().exit_code == 0
    verdict = bundle.prove(contract=Contract.from_flags(max_off_provider="0nodes"))
    assert (verdict.exit_code, verdict.results[0].measured) == (21, 1.0)
    assert verdict.results[0].reason == (
        "off NnapiExecutionProvider: Erf b on CPUExecutionProvider (the provider has no builder for Erf)"
    )


def test_execution_may_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ExecutionRequiredError) as caught:
        compiled(tmp_path / "out", prove=True, evaluation=SAMPLES, contract=Contract.from_flags(proof="executed"))
    assert caught.value.exit_code == 3


def cut() -> dict[str, Any]:
    """What the rules say of a graph that is cut."""
    constants = {"m": weights(8, 8), "one": np.array([1], np.int64)}
    loaded = load_model(proto(UNKNOWN, ir_version=10, **constants), opset_floor=1, max_opset=22)
    checked = check_model(loaded.model, ("nnapi-7",), where="here")
    assert checked is not None
    return checked_json(checked)


def test_lines() -> None:
    assert list(checked_lines(cut())) == [
        "NNAPI would take 2 of 4 nodes, 100% of the MACs, in 2 partitions; 256 B in and out of them in one run",
        "off NNAPI: 1 Erf: the provider has no builder for Erf; to mend it: the Tanh form of Gelu",
        "off NNAPI: 1 ReduceSum: the provider has no builder for ReduceSum; to mend it: ReduceMean and a Mul",
        f"by the rules of {RULES}",
    ]


def test_table() -> None:
    console = Console(width=160, no_color=True)
    with console.capture() as shown:
        console.print(checked_table(cut()))
    assert [line.rstrip() for line in shown.get().splitlines()] == [
        "node  operator   on     partition  refused because                            mend",
        "a     MatMul     NNAPI          0",
        "b     Erf        CPU               the provider has no builder for Erf        the Tanh form of Gelu",
        "c     Sigmoid    NNAPI          1",
        "y     ReduceSum  CPU               the provider has no builder for ReduceSum  ReduceMean and a Mul",
    ]


def test_weights_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path / "out", scheme="w8")
    assert str(caught.value) == (
        "--scheme w8: would run on the CPU beside the provider of target pixel-8-nnapi. Give --calibration, or choose "
        "one of a8w8, float."
    )


def test_free_dimensions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        compiled(tmp_path / "out", "g (float[N, 4] x) => (float[N, 4] y) { y = Relu(x) }", {}, calibration=None)
    assert str(caught.value) == (
        "input 'x': has shape (N, 4), and target pixel-8-nnapi runs static shapes only. With a dynamic shape the "
        "device's whole graph runs on its CPU. Fix it, say --shape x=1,4."
    )


def test_float_stays_float(tmp_path: Path) -> None:
    bundle = compiled(tmp_path / "out", scheme="float", calibration=None)
    assert "QuantizeLinear" not in {node.op_type for node in ir.load(bundle.model).graph}
    checked = bundle.manifest["checked"]
    assert (checked["partitions"], checked["supported"]) == (1, checked["nodes"])


def test_its_facts_say_that_nnapi_ends() -> None:
    facts = find_target("pixel-8-nnapi").facts
    assert facts[0].statement.startswith("NNAPI is deprecated since Android 15: ")
    assert "developer.android.com/ndk/guides/neuralnetworks/migration-guide" in facts[0].source

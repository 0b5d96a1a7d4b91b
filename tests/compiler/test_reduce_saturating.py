"""`reduce_range_auto`: 7 bits in the layers that would saturate, 8 in the others, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.planted import Planted, saturating

import edgec
from edgec.bundle import Bundle
from edgec.compiler.diagnosing.avx2_kernels import Avx2Kernels
from edgec.compiler.diagnosing.subject import open_subject
from edgec.errors import OptionError
from edgec.runtimes import runtime
from edgec.targets.policy import Policy


def compiled(planted: Planted, folder: Path, target: str = "x86-64-avx2", **options: Any) -> Bundle:
    return edgec.compile(
        planted.model,
        target=target,
        calibration=planted.calibration,
        output=folder,
        prove=False,
        overwrite=True,
        **{"scheme": "a8w8", **options},
    )


def largest(bundle: Bundle) -> dict[str, int]:
    """Largest code of each layer's weights."""
    graph = open_subject(bundle).model.graph
    return {
        str(node.name): int(np.abs(node.inputs[1].producer().inputs[0].const_value.numpy().astype(int)).max())
        for node in graph
        if node.op_type == "Conv"
    }


def sqnr(bundle: Bundle, planted: Planted) -> float:
    """Of the outputs as AVX2 computes them, against float, in dB."""
    here = runtime("onnxruntime-cpu")
    reference = here.open(ir.serde.serialize_model(planted.model).SerializeToString())
    session = Avx2Kernels(here).open(bundle.model)
    pairs = [(reference.run(feeds), session.run(feeds)) for feeds in planted.evaluation]
    noise = sum(np.square(y[name] - x[name]).sum() for x, y in pairs for name in x)
    return float(10 * np.log10(sum(np.square(x[name]).sum() for x, _ in pairs for name in x) / noise))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("faults", [0, 2])
def test_the_layers_that_saturate_have_seven_bits(seed: int, faults: int, tmp_path: Path) -> None:
    planted, names = saturating(seed, faults=faults)
    auto, everywhere = (
        compiled(planted, tmp_path / name, reduce_range_auto=name == "auto") for name in ("auto", "everywhere")
    )
    assert {name for name, top in largest(auto).items() if top <= 63} == set(names)
    assert max(largest(everywhere).values()) <= 63
    assert sqnr(auto, planted) > sqnr(everywhere, planted) - 0.1
    options = auto.manifest["options"]
    assert set(options["reduce_range_nodes"]) == {f"^{name}$" for name in names}
    assert (options["reduce_range"], options["reduce_range_auto"]) == (False, False)
    note = f"7-bit weights in {faults} layers whose sums saturate on x86_64+avx2 on calibration samples"
    assert note in auto.manifest["notes"]


def test_the_same_bundle_again_and_from_its_lock(tmp_path: Path) -> None:
    planted, _ = saturating(0)
    first, second = (compiled(planted, tmp_path / name, reduce_range_auto=True, cache=False) for name in ("a", "b"))
    assert first.digest == second.digest
    replayed = compiled(planted, tmp_path / "c", recipe=first.path / "recipe.lock")
    assert replayed.model.read_bytes() == first.model.read_bytes()


def test_kernels_that_do_not_saturate_keep_eight_bits(tmp_path: Path) -> None:
    planted, _ = saturating(0)
    asked = compiled(planted, tmp_path / "asked", "x86-64-vnni", reduce_range_auto=True)
    assert asked.model.read_bytes() == compiled(planted, tmp_path / "plain", "x86-64-vnni").model.read_bytes()


def test_it_goes_by_samples(tmp_path: Path) -> None:
    planted, _ = saturating(0)
    with pytest.raises(OptionError) as caught:
        compiled(planted, tmp_path / "out", scheme="w8", reduce_range_auto=True)
    assert str(caught.value) == (
        "--reduce-range-auto: goes by calibration samples, and scheme w8 measures nothing. "
        "Leave it out, or choose a8w8 with --calibration."
    )


@pytest.mark.parametrize("reduce_range", [True, False])
def test_it_is_not_said_twice(reduce_range: bool) -> None:
    with pytest.raises(OptionError) as caught:
        Policy(reduce_range=reduce_range, reduce_range_auto=True)
    assert str(caught.value) == (
        "--reduce-range-auto: chooses the layers with 7-bit weights, and --reduce-range says which. "
        "Leave one of them out."
    )

"""The rules against the provider itself: what it registers, and where its own partitioner puts nodes, without a GPU."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import pytest
from support.cuda_cases import CASES
from support.cuda_registry import kernel_list
from support.cuda_stubs import TOOLS, ask, make_stubs

from edgec.runtimes.install.component import components
from edgec.runtimes.install.home import home
from edgec.targets import find_target
from edgec.targets.nvidia.cuda_support import CUDA, CUDA_PROVIDER
from edgec.targets.nvidia.kernels import KERNELS
from edgec.targets.support import check

pytestmark = pytest.mark.targets

ZOO = Path(os.environ.get("EDGEC_ZOO", ""), "models")
MODELS = ("kws_dscnn", "resnet56_cifar10", "textgenrnn", "cct_cifar10", "stories260k_kv")
Ask = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    build = home() / next(name for name in components() if name.startswith("onnxruntime-gpu-"))
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not build.is_dir() or missing:
        pytest.skip(f"needs {', '.join(missing)}" if missing else "onnxruntime-gpu is not installed")
    stubs = make_stubs(build, tmp_path_factory.mktemp("stubs"))
    return lambda *questions: ask(build, stubs, questions)


def test_the_list_is_what_the_provider_registers(provider: Ask) -> None:
    kernels, schemas = provider(("kernels", CUDA_PROVIDER), ("schemas",))
    text = (files("edgec.targets.nvidia") / KERNELS).read_text(encoding="utf-8")
    assert kernel_list(kernels, schemas) == text


def test_every_case_is_what_its_partitioner_does(provider: Ask, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{index}.onnx") for index in range(len(CASES))]
    for case, path in zip(CASES, paths, strict=True):
        onnx.save(case.model, path)
    found = provider(*(("placed", path) for path in paths))
    assert [str(case) for case, seen in zip(CASES, found, strict=True) if not isinstance(seen, dict)] == []
    # An operator without a kernel anywhere is expanded; what computes is first then, shapes last.
    places = [seen.get("n", next(iter(seen.values()))) for seen in found]
    where = ["cuda" if place == CUDA_PROVIDER else "cpu" for place in places]
    assert [str(case) for case, seen in zip(CASES, where, strict=True) if case.provider != seen] == []


@pytest.mark.parametrize("name", MODELS)
def test_they_agree_on_every_node_of_a_model(provider: Ask, tmp_path: Path, name: str) -> None:
    file = ZOO / name / "model.onnx"
    if not file.is_file():
        pytest.skip("EDGEC_ZOO names no folder of models")
    model = onnx.shape_inference.infer_shapes(onnx.load(file), data_prop=True)
    _number(model.graph, "")
    saved = tmp_path / "model.onnx"
    onnx.save(model, saved)
    (seen,) = provider(("placed", str(saved)))
    assert isinstance(seen, dict), seen
    said = {each.unit.node.name: each.provider for each in check(ir.load(saved), CUDA).units}
    assert {node: (place, said[node]) for node, place in seen.items() if said[node] != place} == {}
    assert len(seen) > 20


def test_it_knows_the_options_of_the_targets(provider: Ask) -> None:
    target = find_target("jetson-orin")
    right = dict(target.provider_options)
    wrong = {**right, "trt_engine_cash_enable": "True"}
    taken, refused = provider(("takes", target.providers[0], right), ("takes", target.providers[0], wrong))
    assert taken == ""
    assert "trt_engine_cash_enable" in refused


def _number(graph: onnx.GraphProto, prefix: str) -> None:
    """Names by which the nodes of both are the same."""
    for index, node in enumerate(graph.node):
        node.name = f"{prefix}{index}"
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                _number(body, f"{node.name}.{attribute.name}.")

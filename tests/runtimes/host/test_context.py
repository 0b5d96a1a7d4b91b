"""What a backend compiles offline travels whole; a host that cannot compile says so."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from support.hosts import model, place

from edgec.errors import HostError, ModelError
from edgec.runtimes.host.source import source_of
from edgec.runtimes.plugin_ep import Plugin


def compiled(folder: Path, **attributes: object) -> Path:
    """A model of one EPContext node."""
    node = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", **attributes)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    onnx.save(helper.make_model(graph), folder / "m_ctx.onnx")
    return folder / "m_ctx.onnx"


def test_the_binary_goes_along_to_a_host_that_sees_no_files(tmp_path: Path) -> None:
    file = compiled(tmp_path, embed_mode=0, ep_cache_context="m_ctx_qnn.bin")
    (tmp_path / "m_ctx_qnn.bin").write_bytes(b"\x01\x02")
    header, arrays = source_of(file, shares_files=False)
    assert header == {"files": ["m_ctx.onnx", "m_ctx_qnn.bin"]}
    assert arrays["file:m_ctx_qnn.bin"].tobytes() == b"\x01\x02"
    assert arrays["file:m_ctx.onnx"].tobytes() == file.read_bytes()


@pytest.mark.parametrize("mode", [{"embed_mode": 1}, {}])  # 1 is what its absence means
def test_a_binary_in_the_model_is_no_file(mode: dict[str, int], tmp_path: Path) -> None:
    file = compiled(tmp_path, ep_cache_context=b"\xff\xfe", **mode)
    assert source_of(file, shares_files=False)[0] == {"files": ["m_ctx.onnx"]}


def test_a_binary_that_is_missing_is_named(tmp_path: Path) -> None:
    file = compiled(tmp_path, embed_mode=0, ep_cache_context="gone.bin")
    with pytest.raises(ModelError) as caught:
        source_of(file, shares_files=False)
    assert str(caught.value) == (
        f"{file}: its file gone.bin cannot be read: No such file or directory. "
        "Keep the model and the files it names together."
    )


def test_a_host_without_a_provider_of_its_own_compiles_nothing(tmp_path: Path) -> None:
    with closing(place()) as host, pytest.raises(HostError) as caught:
        host.compile(tmp_path / "model.onnx", "model_ctx.onnx")
    assert str(caught.value) == ("runtime 'place': has no provider that compiles a model offline. Leave --context out.")
    assert caught.value.exit_code == 3


def test_a_provider_that_compiles_nothing_says_so(tmp_path: Path) -> None:
    """The CPU provider takes every node, and compiles none."""
    (tmp_path / "model.onnx").write_bytes(model())
    plugin = Plugin(provider="CPUExecutionProvider", module="", options={})
    with closing(place([sys.executable], plugin=plugin)) as host, pytest.raises(ModelError) as caught:
        host.compile(tmp_path / "model.onnx", "model_ctx.onnx")
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'model.onnx'}: ONNX Runtime ")
    assert " of runtime 'place' cannot compile it: " in text
    assert text.endswith("Compile it for a target of that runtime, or leave --context out.")

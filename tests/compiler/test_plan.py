"""The plan: what would run, and bytes that agree with what a compile then makes."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model as onnx_model
from support.graphs import weights

import edgec
from edgec.compiler.lockfile import read_lock
from edgec.compiler.planning.liveness import peak_activation_bytes
from edgec.compiler.planning.macs import macs_by_op, unsized, unsized_notes
from edgec.compiler.planning.memory import peak_bytes, resident_bytes
from edgec.compiler.planning.peak import compile_peak
from edgec.targets import find_target


def test_nothing_is_written_and_the_recipe_is_the_one_that_runs(digits: Path, tmp_path: Path) -> None:
    options = {"calibration": digits / "calibration.npz", "exclude_nodes": ("stem",)}
    planned = edgec.plan(digits / "digits.onnx", **options)
    assert list(tmp_path.iterdir()) == []
    assert planned.scheme == "a8w8"
    bundle = edgec.compile(digits / "digits.onnx", output=tmp_path / "out", prove=False, **options)
    locked = edgec.compile(digits / "digits.onnx", output=tmp_path / "two", prove=False, recipe=bundle.path, **options)
    assert bundle.model.read_bytes() == locked.model.read_bytes()
    assert "is excluded by name" in planned.float_nodes.values()


@pytest.mark.parametrize(
    "scheme",
    ["float", "fp16", "bf16", "w8", "w4", "nf4", "fp4", "w3", "w2", "d8w8", "a16w8", "a16w4", "a8w8", "a8w4"],
)
def test_the_file_is_as_large_as_planned(digits: Path, tmp_path: Path, scheme: str) -> None:
    data = digits / "calibration.npz"
    estimate = next(
        each for each in edgec.plan(digits / "digits.onnx", calibration=data).schemes if each.scheme == scheme
    )
    bundle = edgec.compile(
        digits / "digits.onnx",
        calibration=data,
        scheme=scheme,
        output=tmp_path / "out",
        prove=False,
        search=False,  # a plan knows nothing of what turns out too slow or too coarse
    )
    assert estimate.file_bytes == pytest.approx(bundle.size_bytes, rel=0.15)
    assert estimate.load_bytes > estimate.weights_bytes > 0
    assert estimate.peak_bytes >= estimate.load_bytes + estimate.activation_bytes


def test_whether_it_fits_is_known_only_when_the_target_says(digits: Path, tmp_path: Path) -> None:
    board = tmp_path / "tiny.toml"
    board.write_text('base = "arm64"\n[limits]\nmemory_bytes = 1048576\n')
    fits = {
        name: {each.fits for each in edgec.plan(digits / "digits.onnx", target=name).schemes}
        for name in ("arm64", str(board))
    }
    assert fits == {"arm64": {None}, str(board): {False}}


def test_caches_are_the_carried_state(recurrent: Path) -> None:
    state = edgec.compiler.samples.base.State(carried={"state": "state_out"})
    assert {each.cache_bytes for each in edgec.plan(recurrent, state=state).schemes} == {32}


def model(body: str, signature: str = "(float[N, 8] x) => (float[N, 8] y)") -> ir.Model:
    from edgec.compiler.load import load_model

    return load_model(ir.from_onnx_text(f'<ir_version: 8, opset_import: ["" : 17]> g {signature} {{ {body} }}')).model


@pytest.mark.parametrize(
    ("body", "alive"),
    [
        ("y = Tanh(x)", 2),  # x, y
        ("a = Tanh(x) b = Tanh(a) y = Tanh(b)", 2),  # a value dies with its last reader
        ("a = Tanh(x) b = Tanh(a) y = Add(b, x)", 3),  # x outlives a
        ("a = Relu(x) y = Relu(a)", 1),  # in place
        ("a = Tanh(x) b = Tanh(x) c = Tanh(x) d = Sum(a, b, c) y = Tanh(d)", 4),
    ],
)
def test_activations_alive_at_once(body: str, alive: int) -> None:
    assert peak_activation_bytes(model(body), lambda value: 4) == alive * 8 * 4


def test_macs_by_hand() -> None:
    text = """
    c = Conv<pads = [1, 1, 1, 1]>(x, w)
    f = Flatten(c)
    y = Gemm<transB = 1>(f, v)
    """
    proto = ir.from_onnx_text(
        '<ir_version: 8, opset_import: ["" : 17]> '
        "g (float[N, 3, 8, 8] x, float[4, 3, 3, 3] w, float[10, 256] v) => (float[N, 10] y) {" + text + "}"
    )
    from edgec.compiler.load import load_model

    assert macs_by_op(load_model(proto).model) == {"Conv": 4 * 8 * 8 * 27, "Gemm": 2560}


@pytest.fixture
def free_width() -> ir.Model:
    return ir.from_onnx_text(
        '<ir_version: 8, opset_import: ["" : 17]> '
        "g (float[N, 3, 8, W] x, float[4, 3, 1, 1] w) => (float[N, 4, 8, W] y) { y = Conv(x, w) }"
    )


def test_macs_of_free_sizes_say_what_they_count(free_width: ir.Model) -> None:
    planned = edgec.plan(free_width)
    assert (planned.macs, planned.notes[-1]) == (
        {"Conv": 4 * 8 * 3},
        "1 node has MACs of unknown sizes, counted as 1: --shape fixes those of inputs",
    )


def test_no_shape_helps_where_no_input_is_free() -> None:
    body = "f = Reshape(x, s) c = Conv(f, w) d = Conv(c, w) y = Relu(d)"
    signature = "(float[1, 4, 4, 4] x, int64[4] s, float[4, 4, 1, 1] w) => (float[A, B, C, D] y)"
    assert unsized_notes(model(body, signature)) == ("2 nodes have MACs of unknown sizes, counted as 1",)


def test_macs_of_free_sizes_are_those_of_the_samples(free_width: ir.Model) -> None:
    samples = [{"x": np.ones((1, 3, 8, 5), np.float32), "w": np.ones((4, 3, 1, 1), np.float32)}]
    planned = edgec.plan(free_width, calibration=samples)
    assert (planned.macs, [note for note in planned.notes if "MACs" in note]) == ({"Conv": 4 * 8 * 5 * 3}, [])


@pytest.mark.parametrize(
    ("body", "signature", "unknown"),
    [
        ("y = MatMul(x, w)", "(float[N, 8] x, float[8, 8] w) => (float[N, 8] y)", 0),
        ("y = MatMul(x, w)", "(float[N, T, 8] x, float[8, 8] w) => (float[N, T, 8] y)", 1),
        ("y, h = GRU<hidden_size = 2>(x, w, r)", "(float[4, N, 8] x, float[1, 6, 8] w, float[1, 6, 2] r) => "
         "(float[4, 1, N, 2] y, float[1, N, 2] h)", 0),
        ("y, h = GRU<hidden_size = 2>(x, w, r)", "(float[T, 1, 8] x, float[1, 6, 8] w, float[1, 6, 2] r) => "
         "(float[T, 1, 1, 2] y, float[1, 1, 2] h)", 1),
        # A size that only the numbers of an input say is unknown too.
        ("f = Reshape(x, s) y = Conv(f, w)", "(float[N, 3, 4, 4] x, int64[4] s, float[4, 3, 1, 1] w) => "
         "(float[N, 4, H, W] y)", 1),
    ],
)  # fmt: skip
def test_a_free_batch_is_one_sample(body: str, signature: str, unknown: int) -> None:
    assert len(unsized(model(body, signature))) == unknown


def test_memory_of_this_process() -> None:
    assert 10 << 20 < resident_bytes() <= peak_bytes() * 1.01


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library keeps nothing"
)
def test_freed_memory_is_given_back(tmp_path: Path) -> None:
    """Of many blocks too small for a mapping of their own, of which the last still lives.

    In a process of its own: in this one, blocks fill holes that earlier tests left, and are not each other's
    neighbours.
    """
    script = """
import numpy as np
from edgec.compiler.planning.memory import give_back, resident_bytes
blocks = [np.ones(60_000, np.uint8) for _ in range(1500)]
del blocks[:-1]
before = resident_bytes()
give_back()
print(before - resident_bytes())
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40 << 20


def test_the_target_of_a_plan(digits: Path) -> None:
    assert edgec.plan(digits / "digits.onnx", target="x86-64-avx2").target == find_target("x86-64-avx2")


def peak_of(recipe_options: dict[str, object], **options: object) -> int:
    return edgec.plan(**recipe_options, **options).compile_peak_bytes  # type: ignore[arg-type]


def test_a_compile_that_holds_more_is_planned_larger(digits: Path) -> None:
    """By what it holds, not by a share: other processes of this machine and this one's past are the same for both."""
    data = {"model": digits / "digits.onnx", "calibration": digits / "calibration.npz", "prove": False}
    one, two = peak_of(data, threads=1), peak_of(data, threads=2)
    assert one < two
    assert peak_of(data, samples=20, threads=2) < two  # few samples are observed in one session


def test_answers_that_are_kept_for_the_guard_are_counted() -> None:
    """16 samples of 1 MB, of float and of the candidate; observing this model takes less."""
    wide = model("y = MatMul(x, w)", "(float[N, 8] x, float[8, 262144] w) => (float[N, 262144] y)")
    common = {"samples": 16, "sessions": 1, "threads": 1, "macs": 1}
    with_guard = compile_peak(wide, [], **common, guarded=True)
    assert with_guard - compile_peak(wide, [], **common, guarded=False) > 2 * 15 << 20


def test_macs_of_matrices_in_blocks_are_those_of_their_floats() -> None:
    nodes = [
        ir.node("MatMulNBits", [ir.Value(name="x"), ir.Value(name="B", shape=ir.Shape([5, 2, 16])), ir.Value(name="s")],
                {"K": 40, "N": 5, "bits": 4, "block_size": 32}, domain="com.microsoft", name="p"),
        ir.node("MatMulInteger", [ir.Value(name="i"), ir.Value(name="w", shape=ir.Shape([40, 5]))], name="q"),
    ]  # fmt: skip
    for node in nodes:
        node.outputs[0].shape = ir.Shape(["N", 3, 5])
    graph = ir.Graph([], [], nodes=nodes, name="g")
    assert macs_by_op(ir.Model(graph, ir_version=10)) == {"MatMulNBits": 3 * 5 * 40, "MatMulInteger": 3 * 5 * 40}


@pytest.mark.parametrize("settings", [{"smooth": "auto"}, {"balance": True}, {"awq": True, "scheme": "w4"}])
def test_what_goes_by_samples_is_planned_without_them(digits: Path, settings: dict[str, object]) -> None:
    planned = edgec.plan(digits / "digits.onnx", calibration=digits / "calibration.npz", **settings)
    assert planned.macs


def test_what_is_left_out_stands_in_the_recipe(digits: Path, tmp_path: Path) -> None:
    options = {"calibration": digits / "calibration.npz", "prune_channels": "30%", "search": False}
    planned = edgec.plan(digits / "digits.onnx", **options)
    bundle = edgec.compile(digits / "digits.onnx", output=tmp_path / "out", prove=False, **options)
    assert [each.name for each in planned.recipe.passes] == [each.name for each in read_lock(bundle.path).passes]
    assert "PruneChannels" in [each.name for each in planned.recipe.passes]
    assert planned.notes == ("MACs and memory are those of the model before anything is left out of it",)
    plain = {name: value for name, value in options.items() if name != "prune_channels"}
    assert planned.macs == edgec.plan(digits / "digits.onnx", **plain).macs


@pytest.mark.parametrize("options", [{}, {"block_size": 32}, {"zero_points": True}, {"weight_form": "folded"}])
@pytest.mark.parametrize("scheme", ["w8", "w4", "nf4", "w3", "w2"])
def test_matrices_in_blocks_are_as_large_as_planned(tmp_path: Path, scheme: str, options: dict[str, object]) -> None:
    source = onnx_model(
        "g (float[N,1000] x) => (float[N,300] y) { h = MatMul(x, w) \n y = MatMul(h, u) }",
        opset=21,
        w=weights(1000, 300),
        u=weights(300, 300),
    )
    planned = {each.scheme: each for each in edgec.plan(source, target="host", **options).schemes}
    bundle = edgec.compile(
        source, target="host", scheme=scheme, output=tmp_path / "out", prove=False, search=False, **options
    )
    assert planned[scheme].file_bytes == pytest.approx(bundle.model.stat().st_size, rel=0.06)
    loaded, floats = planned[scheme].weights_bytes, 4 * 390_000
    assert loaded == floats if options.get("weight_form") == "folded" else loaded <= floats

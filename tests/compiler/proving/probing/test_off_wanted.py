"""A rule is planted in a provider; the reason found is that rule, in words, and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.picky import PICKY, Picky, Seen

from edgec.bundle import Bundle
from edgec.compiler.proving.probing.off_wanted import OffWanted
from edgec.compiler.proving.probing.probe import off_wanted, wanted_provider
from edgec.runtimes.base import Kernel, Placement

RNG = np.random.default_rng(7)
STEPS: dict[str, Any] = {"sx": np.float32(0.05), "zx": np.uint8(120), "sy": np.float32(0.1), "zy": np.uint8(100)}


def conv(
    *, inside: str = "pads = [1, 1, 1, 1]", bias: bool = True, weights: str = "int8", batch: str = "1", zero: int = 0
) -> tuple[str, dict[str, Any]]:
    """u8 x s8 between codes, weights of one scale per channel."""
    third = ", b" if bias else ""
    text = f"""g (uint8[{batch}, 4, 8, 8] x) => (uint8[{batch}, 8, H, W] y) {{
        d = DequantizeLinear(x, sx, zx)
        w = DequantizeLinear<axis = 0>(wq, sw, zw)
        b = DequantizeLinear<axis = 0>(bq, sb)
        c = Conv<{inside}>(d, w{third})
        y = QuantizeLinear(c, sy, zy)
    }}"""
    low, high = (0, 255) if weights == "uint8" else (-127, 128)
    scales = np.linspace(0.01, 0.02, 8, dtype=np.float32)
    arrays = {
        "wq": RNG.integers(low, high, (8, 4, 3, 3)).astype(weights),
        "sw": scales,
        "zw": np.full(8, zero, weights),
        "bq": RNG.integers(-500, 500, 8).astype(np.int32),
        "sb": scales * STEPS["sx"],
    }
    return text, {**STEPS, **arrays}


def gemm(rows: str = "4") -> tuple[str, dict[str, Any]]:
    text = f"""g (uint8[{rows}, 16] x) => (uint8[{rows}, 8] y) {{
        d = DequantizeLinear(x, sx, zx)
        w = DequantizeLinear(wq, sw, zw)
        c = Gemm(d, w)
        y = QuantizeLinear(c, sy, zy)
    }}"""
    arrays = {"wq": RNG.integers(-127, 128, (16, 8)).astype(np.int8), "sw": np.float32(0.01), "zw": np.int8(0)}
    return text, {**STEPS, **arrays}


def on(place: Picky, bundle: Bundle, feeds: dict[str, np.ndarray], **bounds: Any) -> tuple[OffWanted, ...]:
    """What probing says of the bundle's run there."""
    session = place.open(bundle.model)
    placement = session.placement(feeds)
    session.close()
    place.opened.clear()
    return off_wanted(bundle, placement, wanted=PICKY, feeds=feeds, place=place, **bounds)


def image(*shape: int) -> dict[str, np.ndarray]:
    return {"x": RNG.integers(0, 256, shape or (1, 4, 8, 8)).astype(np.uint8)}


def types(*wanted: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.op == "Conv" and seen.inputs[:2] == wanted


def symmetric(zeros: np.ndarray | None) -> bool:
    return zeros is None or not zeros.any()


CONVS: dict[str, tuple[dict[str, Any], int, Callable[[Seen], bool], str, str]] = {
    "activations": (
        {}, 17, types("int8", "int8"),
        "takes int8 activations with int8 weights, not uint8 with int8", "",
    ),
    "weights": (
        {}, 17, types("uint8", "uint8"),
        "takes uint8 weights with uint8 activations, not int8 weights", "",
    ),
    "granularity": (
        {}, 17, lambda seen: seen.scales[1] is not None and seen.scales[1].size == 1,
        "takes one scale per weight, not one per channel", "--no-per-channel",
    ),
    "symmetric weights": (
        {"zero": 3}, 17, lambda seen: symmetric(seen.zeros[1]),
        "takes weights of zero point 0, not another zero point", "",
    ),
    "symmetric activations": (
        {}, 17, lambda seen: seen.inputs[0] == "uint8" and symmetric(seen.zeros[0]),
        "takes activations of zero point 0, not another zero point", "",
    ),
    "dilations": (
        {"inside": "dilations = [2, 2], pads = [2, 2, 2, 2]"}, 17,
        lambda seen: list(seen.attributes.get("dilations", [1, 1])) == [1, 1],
        "takes dilations = [1, 1], not [2, 2]", "",
    ),
    "auto_pad": (
        {"inside": 'auto_pad = "SAME_UPPER"'}, 17, lambda seen: "auto_pad" not in seen.attributes,
        "takes auto_pad = NOTSET, not SAME_UPPER", "export it with pads in place of auto_pad",
    ),
    "static shapes": (
        {"batch": "N"}, 17, lambda seen: seen.shapes[0] is not None and all(isinstance(d, int) for d in seen.shapes[0]),
        "takes static shapes, not [?, 4, 8, 8]", "--shape x=1,4,8,8",
    ),
    "opset": (
        {}, 20, lambda seen: seen.opset <= 17,
        "takes opset 17, not 20", 'a target file with base = "mine" and max_opset = 17',
    ),
    "with a bias": (
        {"bias": False}, 17, lambda seen: len(seen.inputs) == 3,
        "takes it with a bias, not without", "export it with a bias of zeros",
    ),
    "without a bias": ({}, 17, lambda seen: len(seen.inputs) == 2, "takes it without a bias, not with one", ""),
    "float": (
        {}, 17, lambda seen: set(seen.inputs) == {"float"} and seen.output == "float",
        "takes it in float, not int8 and uint8", "--exclude-nodes '^c$', where float there beats integers here",
    ),
    "scale of the result": (
        {}, 17, lambda seen: seen.output_steps == (float(np.float32(0.05)), 120),
        "takes a result of its operand's scale and zero point, not its own", "",
    ),
    "fixed scale of the result": (
        {}, 17, lambda seen: seen.output_steps == (1 / 256, 0),
        "takes a result of scale 1/256 and the lowest zero point, not its own", "",
    ),
    "nothing": ({}, 17, lambda seen: False, "takes no Conv in any form tried", ""),
    "two things of a result": (
        {}, 17, lambda seen: seen.inputs[0] == "int8" and seen.output_steps == (float(np.float32(0.05)), -8),
        "takes int8 activations with int8 weights, not uint8 with int8; "
        "a result of its operand's scale and zero point, not its own", "",
    ),
    "two things": (
        {"batch": "N"}, 17,
        lambda seen: types("int8", "int8")(seen) and seen.shapes[0] is not None and seen.shapes[0][0] == 1,
        "takes int8 activations with int8 weights, not uint8 with int8; static shapes, not [?, 4, 8, 8]", "",
    ),
    "two things, one an opset": (
        {}, 20, lambda seen: types("uint8", "uint8")(seen) and seen.opset <= 13,
        "takes uint8 weights with uint8 activations, not int8 weights; opset 13, not 20", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONVS)
def test_the_planted_rule_is_the_reason(bundle: Callable[..., Bundle], kind: str) -> None:
    how, opset, takes, reason, mend = CONVS[kind]
    text, arrays = conv(**how)
    made = bundle(text, opset=opset, **arrays)
    found = on(Picky(takes=takes), made, image())
    assert [(each.op, each.nodes, each.provider, each.reason, each.mend) for each in found] == [
        ("QConv", ("c",), "CPUExecutionProvider", reason, mend)
    ]
    assert found[0].forms > 1


def test_what_is_taken_has_no_reason(bundle: Callable[..., Bundle]) -> None:
    text, arrays = conv()
    place = Picky(takes=lambda seen: True)
    assert on(place, bundle(text, **arrays), image()) == ()
    assert place.opened == [], "nothing was tried"


def test_the_cpu_provider_is_not_asked(bundle: Callable[..., Bundle]) -> None:
    text, arrays = conv()
    made, place = bundle(text, **arrays), Picky(takes=lambda seen: False)
    placement = place.open(made.model).placement(image())
    found = off_wanted(made, placement, wanted="CPUExecutionProvider", feeds=image(), place=place)
    assert found == ()


def test_the_provider_wanted() -> None:
    here, there = Picky(takes=bool, providers=("CPUExecutionProvider",)), Picky(takes=bool)
    plain, mine = (
        Bundle(None, {"target": {"providers": [*each, "CPUExecutionProvider"]}})  # type: ignore[arg-type]
        for each in ([], ["MineExecutionProvider"])
    )
    wanted = [wanted_provider(each, place) for each in (plain, mine) for place in (here, there)]
    assert wanted == ["CPUExecutionProvider", PICKY, "MineExecutionProvider", "MineExecutionProvider"]


def test_a_line_as_an_image(bundle: Callable[..., Bundle]) -> None:
    text = """g (uint8[1, 4, 9] x) => (uint8[1, 8, W] y) {
        d = DequantizeLinear(x, sx, zx)
        w = DequantizeLinear(wq, sw, zw)
        c = Conv<pads = [1, 2], strides = [2]>(d, w)
        y = QuantizeLinear(c, sy, zy)
    }"""
    arrays = {"wq": RNG.integers(-9, 9, (8, 4, 3)).astype(np.int8), "sw": np.float32(0.1), "zw": np.int8(0)}
    place = Picky(takes=lambda seen: seen.shapes[0] is not None and len(seen.shapes[0]) == 4)
    found = on(place, bundle(text, **STEPS, **arrays), image(1, 4, 9))
    assert [(each.reason, each.mend) for each in found] == [
        ("takes 2 spatial dimensions, not 1", "export it as a 2-D operator of width 1")
    ]


def test_a_computed_second_operand(bundle: Callable[..., Bundle]) -> None:
    text = """g (uint8[3, 4] x, uint8[4, 5] z) => (uint8[3, 5] y) {
        d = DequantizeLinear(x, sx, zx)
        e = DequantizeLinear(z, sx, zx)
        c = MatMul(d, e)
        y = QuantizeLinear(c, sy, zy)
    }"""
    feeds = {"x": image(3, 4)["x"], "z": image(4, 5)["x"]}
    found = on(Picky(takes=lambda seen: seen.constants[1]), bundle(text, **STEPS), feeds)
    assert [each.reason for each in found] == ["takes a constant second operand, not a computed one"]


def test_a_result_that_stays_float(bundle: Callable[..., Bundle]) -> None:
    text, arrays = conv()
    text = text.replace("(uint8[1, 8, H, W] y)", "(float[1, 8, H, W] c)").replace("y = QuantizeLinear(c, sy, zy)", "")
    found = on(Picky(takes=lambda seen: seen.output == "uint8"), bundle(text, **arrays), image())
    assert [(each.reason, each.mend) for each in found] == [
        ("takes a quantized result, not a float one", "quantize what reads c")
    ]


def test_what_only_its_neighbours_keep_off(bundle: Callable[..., Bundle]) -> None:
    text = """g (uint8[1, 4, 8, 8] x) => (uint8[1, 8, 8, 8] y) {
        d0 = DequantizeLinear(x, sx, zx)
        r = Relu(d0)
        q = QuantizeLinear(r, sx, zx)
        d = DequantizeLinear(q, sx, zx)
        w = DequantizeLinear<axis = 0>(wq, sw, zw)
        c = Conv<pads = [1, 1, 1, 1]>(d, w)
        y = QuantizeLinear(c, sy, zy)
    }"""
    place = Picky(takes=lambda seen: seen.op == "Relu" or seen.before != "Relu")
    found = on(place, bundle(text, **conv()[1]), image())
    assert [(each.nodes, each.reason) for each in found] == [
        (("c_token_1",), "takes this Conv alone, but not beside its neighbours in the model")
    ]


def test_one_node_of_each_kind_is_tried_and_all_are_named(bundle: Callable[..., Bundle]) -> None:
    lines = ["d0 = DequantizeLinear(x, sx, zx)", "w = DequantizeLinear(wq, sw, zw)"]
    for k in range(12):
        lines += [f"c{k} = Conv(d{k}, w)", f"q{k} = QuantizeLinear(c{k}, sx, zx)"]
        lines.append(f"d{k + 1} = DequantizeLinear(q{k}, sx, zx)")
    text = "g (uint8[1, 8, 4, 4] x) => (uint8[1, 8, 4, 4] q11) { " + "\n".join(lines[:-1]) + "}"
    arrays = {"wq": RNG.integers(-9, 9, (8, 8, 1, 1)).astype(np.int8), "sw": np.float32(0.1), "zw": np.int8(0)}
    place = Picky(takes=types("int8", "int8"))
    found = on(place, bundle(text, **STEPS, **arrays), image(1, 8, 4, 4))
    assert [len(each.nodes) for each in found] == [12]
    assert found[0].reason == "takes int8 activations with int8 weights, not uint8 with int8"
    assert len(place.opened) <= 4, "all forms together, then the ones that matter alone"


def test_bounds(bundle: Callable[..., Bundle]) -> None:
    text = """g (float[1, 4] x) => (float[1, 4] y) {
        a = Exp(x)
        b = Abs(a)
        y = Neg(b)
    }"""
    made = bundle(text)
    feeds = {"x": np.ones((1, 4), np.float32)}
    found = on(Picky(takes=lambda seen: False), made, feeds, most_kinds=1)
    assert sorted((each.reason, each.nodes) for each in found) == [
        ("not tried: 3 kinds ran off it", ("b_token_1",)),
        ("not tried: 3 kinds ran off it", ("y",)),
        ("takes no Exp in any form tried", ("a",)),
    ]
    late = on(Picky(takes=lambda seen: False), made, feeds, most_seconds=-1)
    assert {each.reason for each in late} == {"not tried: trying the others took too long"}


def test_forms_that_end_the_process(bundle: Callable[..., Bundle]) -> None:
    """Those that do not are tried all the same."""
    text, arrays = gemm()
    deadly = Picky(takes=types("int8", "int8"), kills=lambda seen: "float" in seen.inputs)
    found = on(deadly, bundle(text, **arrays), image(4, 16))
    assert [each.reason for each in found] == ["takes no Gemm in any form tried, 3 of which end its process"]
    mild = Picky(takes=lambda seen: seen.inputs[:2] == ("int8", "int8"), kills=lambda seen: "float" in seen.inputs)
    found = on(mild, bundle(text, **arrays), image(4, 16))
    assert [each.reason for each in found] == ["takes int8 activations with int8 weights, not uint8 with int8"]


def test_unseen_and_made_by_the_runtime(bundle: Callable[..., Bundle]) -> None:
    text, arrays = conv()
    kernels = [
        Kernel(name=name, op_type=op, provider=provider, inputs=(), outputs=(("float", (1, 2)),), macs=0, integer=False)
        for name, op, provider in (
            ("c", "QConv", "unknown"),
            ("Transpose_token_4", "Transpose", "CPUExecutionProvider"),
            ("sizes", "Shape", "CPUExecutionProvider"),
        )
    ]
    bookkeeping = [("int64", (4,))]
    kernels[2] = Kernel(
        name="sizes", op_type="Shape", provider="CPUExecutionProvider", inputs=(), outputs=tuple(bookkeeping), macs=0,
        integer=False,
    )  # fmt: skip
    place = Picky(takes=lambda seen: True)
    placement = Placement(kernels=tuple(kernels), evidence="none")
    found = off_wanted(bundle(text, **arrays), placement, wanted=PICKY, feeds=image(), place=place)
    assert [(each.nodes, each.provider, each.reason) for each in found] == [
        (("c",), "unknown", "the runtime does not show where it ran"),
        (
            ("Transpose_token_4",),
            "CPUExecutionProvider",
            "made by the runtime itself (layout, type or fusion): no node of the bundle",
        ),
    ]


def test_a_place_without_the_provider(bundle: Callable[..., Bundle]) -> None:
    text, arrays = conv()
    place = Picky(takes=lambda seen: False)
    made = bundle(text, **arrays)
    placement = place.open(made.model).placement(image())
    place.opened.clear()
    found = off_wanted(made, placement, wanted="XnnpackExecutionProvider", feeds=image(), place=place)
    assert found == (
        OffWanted(op="kernels", nodes=("c",), provider="CPUExecutionProvider", reason="picky is not run with it"),
    )
    assert place.opened == []


def test_what_edgec_keeps_off_on_purpose_is_not_tried(bundle: Callable[..., Bundle]) -> None:
    text = "g (float[4, 16] x) => (float[4, 8] y) { y = Gemm<beta = 0.5>(x, w, b) }"
    made = bundle(text, w=np.ones((16, 8), np.float32), b=np.ones(8, np.float32))
    place = Picky(takes=lambda seen: False, providers=("XnnpackExecutionProvider", "CPUExecutionProvider"))
    feeds = {"x": np.ones((4, 16), np.float32)}
    placement = place.open(made.model).placement(feeds)
    place.opened.clear()
    found = off_wanted(made, placement, wanted="XnnpackExecutionProvider", feeds=feeds, place=place)
    assert [each.reason for each in found] == [
        "kept off it by edgec (KeepOffXnnpack): its kernel fails, or computes something else"
    ]
    assert place.opened == []


def test_a_body_is_not_tried(bundle: Callable[..., Bundle]) -> None:
    text = """g (bool c, float[2, 2] x) => (float[2, 2] y) {
        y = If(c) <then_branch = t () => (float[2, 2] p) { p = Relu(x) },
                   else_branch = e () => (float[2, 2] q) { q = Neg(x) }>
    }"""
    kernel = Kernel(
        name="y", op_type="If", provider="CPUExecutionProvider", inputs=(), outputs=(("float", (2, 2)),), macs=0,
        integer=False,
    )  # fmt: skip
    place = Picky(takes=lambda seen: True)
    feeds = {"c": np.array(True), "x": np.ones((2, 2), np.float32)}
    found = off_wanted(
        bundle(text), Placement(kernels=(kernel,), evidence="none"), wanted=PICKY, feeds=feeds, place=place
    )
    assert [each.reason for each in found] == ["it has a body, and is not tried alone"]

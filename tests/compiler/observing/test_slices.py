"""A limit on memory: fewer workers, then slices, the same observations; or the least that would do."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgec.compiler.observe import lay_out, observe
from edgec.compiler.observing import part as part_module
from edgec.compiler.observing import slices as slices_module
from edgec.compiler.observing.layout import Layout
from edgec.compiler.observing.slices import slices
from edgec.compiler.progress import Quiet
from edgec.compiler.samples import open_samples
from edgec.compiler.signature import inputs_of
from edgec.errors import OptionError
from edgec.passes.observe.statistics import Counts, Extremes, Means, Need, Products, Window

MB = 1_000_000
WINDOW = Window(kernel=(3, 3), strides=(1, 1), dilations=(1, 1), pads=(1, 1, 1, 1), group=1)
NAMES = ("a", "r", "b", "y")


@pytest.fixture(autouse=True)
def small_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of 100 MB, whatever these tests run in."""
    monkeypatch.setattr(slices_module, "resident_bytes", lambda: 100 * MB)


def network(size: int = 64, batch: str = "N") -> ir.Model:
    from edgec.compiler.load import load_model

    model = ir.from_onnx_text(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        g (float[{batch}, 8, {size}, {size}] x) => (float[{batch}, 8, {size}, {size}] y) {{
          a = Conv<pads=[1, 1, 1, 1]>(x, w)
          r = Relu(a)
          b = Conv<pads=[1, 1, 1, 1]>(r, v)
          y = Add(b, x)
        }}"""
    )
    rng = np.random.default_rng(0)
    for name in ("w", "v"):
        array = rng.standard_normal((8, 8, 3, 3)).astype(np.float32)
        value = next(each for node in model.graph for each in node.inputs if each is not None and each.name == name)
        value.const_value = ir.tensor(array, name=name)
        value.shape, value.type = ir.Shape(array.shape), ir.TensorType(ir.DataType.FLOAT)
        model.graph.register_initializer(value)
    return load_model(model).model


def needs_of_all() -> list[Need]:
    statistics = (Extremes(), Counts(elements=None), Counts(elements=64), Means(axis=1), Products(window=WINDOW))
    return [Need(value=name, statistic=statistic) for name in NAMES for statistic in statistics]


def test_without_a_limit_there_is_one_pass() -> None:
    model, needs = network(), needs_of_all()
    layout = Layout(batch=2, workers=4, threads=1)
    sliced = slices(model, needs, layout, None)
    assert (sliced.layout, sliced.parts) == (layout, (tuple(needs),))


def test_workers_go_before_slices() -> None:
    model, needs = network(), needs_of_all()
    layout = Layout(batch=1, workers=4, threads=2)
    seen = [slices(model, needs, layout, limit * MB) for limit in range(140, 400, 5)]
    assert {each.layout.batch for each in seen} == {1}
    assert all(each.layout.workers == 1 for each in seen if len(each.parts) > 1)
    assert all(each.layout.workers * each.layout.threads == 8 for each in seen if each.layout.workers != 3)
    passes = [len(each.parts) for each in seen]
    assert passes == sorted(passes, reverse=True)
    assert (passes[0] > 2, passes[-1], seen[-1].layout.workers) == (True, 1, 4)
    assert all([need for part in each.parts for need in part] == needs for each in seen)


def test_less_than_one_statistic_takes_is_refused() -> None:
    model = network()
    needs = [Need(value="a", statistic=Extremes()), Need(value="r", statistic=Counts(elements=None))]
    with pytest.raises(OptionError) as error:
        slices(model, needs, Layout(batch=1, workers=2, threads=1), 110 * MB)
    assert str(error.value) == (
        "--max-memory: 110MB do not hold one statistic of one batch. "
        "This process holds 100MB before anything is observed. Give at least 130MB."
    )
    assert slices(model, needs, Layout(batch=1, workers=2, threads=1), 130 * MB).parts


@pytest.mark.parametrize("more", [0, 3, 12])
def test_observations_are_the_same(more: int) -> None:
    model = network(16)
    x = np.random.default_rng(1).standard_normal((21, 1, 8, 16, 16)).astype(np.float32)
    samples = open_samples([{"x": each} for each in x], inputs_of(model), role="calibration")
    needs = needs_of_all()
    whole = observe(model.clone(), needs, samples, threads=2, progress=Quiet())
    # From one need a pass, whatever the constants of the prediction are.
    layout = lay_out(model, needs, 2)
    least = next(mega for mega in range(100, 400) if _fits(model, needs, layout, mega * MB))
    part = observe(model.clone(), needs, samples, threads=2, progress=Quiet(), max_memory=(least + more) * MB)
    assert list(part) == list(whole) == needs
    for need in needs:
        for name in whole[need].__slots__:
            assert np.array_equal(getattr(whole[need], name), getattr(part[need], name)), (need, name)


def test_elements_are_selected_on_some_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly spread over all of them, with a limit and without."""
    monkeypatch.setattr(part_module, "_COUNTED", 4)
    model = network(16, batch="1")
    x = np.random.default_rng(1).standard_normal((21, 1, 8, 16, 16)).astype(np.float32)
    samples = open_samples([{"x": each} for each in x], inputs_of(model), role="calibration")
    needs = needs_of_all()
    whole = observe(model.clone(), needs, samples, threads=2, progress=Quiet())
    some = open_samples([{"x": each} for each in x[::6]], inputs_of(model), role="calibration")
    monkeypatch.setattr(part_module, "_COUNTED", 100)
    few = observe(model.clone(), needs, some, threads=2, progress=Quiet())
    every = observe(model.clone(), needs, samples, threads=2, progress=Quiet())
    for need in needs:
        is_selection = need.statistic == Counts(elements=64)
        for name in whole[need].__slots__:
            assert np.array_equal(getattr(whole[need], name), getattr((few if is_selection else every)[need], name))
    monkeypatch.setattr(part_module, "_COUNTED", 4)
    layout = lay_out(model, needs, 2)
    least = next(mega for mega in range(100, 400) if _fits(model, needs, layout, mega * MB))
    limited = observe(model.clone(), needs, samples, threads=2, progress=Quiet(), max_memory=least * MB)
    for need in needs:
        for name in whole[need].__slots__:
            assert np.array_equal(getattr(whole[need], name), getattr(limited[need], name)), (need, name)


def _fits(model: ir.Model, needs: list[Need], layout: Layout, limit: int) -> bool:
    try:
        return bool(slices(model, needs, layout, limit).parts)
    except OptionError:
        return False

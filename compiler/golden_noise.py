"""How far a bundle's answers are from float's: what its golden outputs may differ by where kernels round otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from itertools import islice, repeat
from pathlib import Path

import onnx_ir as ir

from ..errors import TargetError
from ..runtimes.base import Session, SessionSettings
from ..runtimes.compare import Comparer
from ..targets.cpu.host import host
from ..targets.spec import TargetSpec
from .materialize import materialize
from .proving.places import IN_PROCESS
from .samples import replay
from .samples.base import Sample, State

__all__ = ["NOISE_SAMPLES", "golden_noise_db", "rounds_otherwise"]

NOISE_SAMPLES = 8
_CLEAN_DB = 100.0


def rounds_otherwise(target: TargetSpec) -> bool:
    """Whether a target's kernels round otherwise than this process: another library's, or another architecture's.

    ONNX Runtime's kernels of one architecture agree to the bit unless they saturate (x86-64-avx2 under emulation: 0.00
    steps on four models), and are held to it. Those for ARM sum LayerNorm and requantize in another order: 37 dB on a
    sentence encoder whose scores did not change.
    """
    try:
        here = host().isa
    except TargetError:  # a processor that no target describes
        return True
    return target.runtime != IN_PROCESS or _architecture(target.isa) != _architecture(here)


def _architecture(isa: str) -> str:
    return isa.partition("+")[0]


def golden_noise_db(
    model: Path, reference: ir.Model, golden: Sample, samples: Iterable[Sample], state: State, *, steps: int
) -> float:
    """Signal to noise of a bundle against float in dB, of the worst output of the noisiest sample, at most 100.

    The golden sample alone may be answered far better than others (a Softmax that is sure: DS-CNN, 38 dB where the
    noisiest of eight has 21), and another library's kernels, as good as these, be off by more than that there (29 dB).

    Args:
        model: The bundle's model.
        reference: The float model.
        golden: The golden sample.
        samples: The first `NOISE_SAMPLES` of them count too; the golden one may be among them.
        state: Outputs fed back as inputs; float is fed with the bundle's.
        steps: At most so many of each sample.
    """
    from ..runtimes.ort import OrtCpu

    settings = SessionSettings(threads=1)
    others = (sample for sample in islice(samples, NOISE_SAMPLES) if sample.id != golden.id)
    with (
        materialize(reference) as opened,
        closing(OrtCpu().open(opened, settings)) as floats,
        closing(OrtCpu().open(model, settings)) as bundle,
    ):
        found = [_noise_of(sample, bundle, floats, state, steps) for sample in (golden, *others)]
    return round(min(found), 1)


def _noise_of(sample: Sample, bundle: Session, floats: Session, state: State, steps: int) -> float:
    comparers = {output.name: Comparer() for output in bundle.outputs}
    short = replace(sample, steps=sample.steps[:steps])
    # A state of another type (an int8 cache) is float's own, and is not compared.
    theirs = {info.name: info.dtype for info in floats.inputs}
    alike = all(theirs.get(info.name, info.dtype) == info.dtype for info in bundle.inputs)
    own = repeat(None) if alike else replay(floats.run, short, floats.inputs, state)
    for (feeds, answer), other in zip(replay(bundle.run, short, bundle.inputs, state), own, strict=False):
        wanted = floats.run(feeds) if other is None else other[1]
        for name, comparer in comparers.items():
            if alike or name not in state.carried.values():
                comparer.add(wanted[name], answer[name])
    found = [comparer.result().sqnr_db for comparer in comparers.values()]
    return min((max(-_CLEAN_DB, db) for db in found if db is not None and db < _CLEAN_DB), default=_CLEAN_DB)

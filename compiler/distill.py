"""Distillation: a model in few bits learns to answer as its float teacher does.

    import edgec

    model = edgec.distill("model.onnx", scheme="w4", block_size=128)      # a language model: no data are needed
    bundle = edgec.compile(model, scheme="w4", block_size=128, output="out/")

The story: load → normalize → prepare(target) → decide, as `edgec.compile` does it; the graph becomes two modules, one
as it is, one with its weights as their blocks will hold them; texts that the teacher wrote itself, or the user's
samples, are what the student learns on. It ends as a float model whose weights lie on the grid of their blocks, which
a compile keeps bit for bit (`passes/weight_only/on_grid.py`).

The student of a scheme that computes in integers is the module of `edgec.qat`, whose params a compile takes over.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from ..errors import ModelError, OptionError, OutputError
from ..passes.base import Pass
from ..passes.recipe import Recipe
from ..passes.weight_only.round_blocks import RoundBlocks
from ..passes.weight_only.round_in_turn import RoundInTurn
from ..runtimes.base import SessionSettings
from ..runtimes.ort import OrtCpu
from ..targets.policy import BLOCK_SCHEMES, STATIC_SCHEMES, Policy
from ..targets.spec import TargetSpec
from .build import measuring
from .clock import Clock
from .compile import load_for, resolve_recipe
from .data import CompileData, open_data, with_cache
from .load import Loaded
from .materialize import EXTERNAL_ABOVE, in_memory, weight_bytes
from .observers import SignatureGuard
from .older import target_of
from .pipeline import run_passes
from .pruned import check_unpruned
from .qat import prepare
from .request import CompileRequest
from .samples.base import DataSource
from .samples.batch import can_batch
from .samples.decoders import Afresh
from .signature import inputs_of, outputs_of
from .training.asked import check_asked
from .training.distilling.language import Language, language_of
from .training.extra import require_torch

if TYPE_CHECKING:
    from .training.distilling.compared import Compared, Loss
    from .training.distilling.integers import IntegerStudent
    from .training.distilling.student import Student

__all__ = ["Taught", "Teaching", "check_file", "distill", "taught", "write_model"]

# What moves weights before they are rounded: a compile of a student would do it again, and move them off their grid.
_MOVES = ("awq", "rotate", "smooth", "equalize", "balance", "fit_bits")
# Steps after which what was learned is kept.
_EVERY = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Teaching:
    """How a student is taught.

    Attributes:
        steps: Steps of the optimizer.
        batch: Texts or samples of a step.
        rate: Learning rate of the weights.
        scale_rate: Of a scale of blocks, in shares of itself.
        texts: How many the teacher writes, each from a token of its own while there are enough.
        length: Tokens of a text.
        activations: Bits of what products read, by token; None is float.
        cache: Bits of keys and values, by token; None is float.
        feature_weight: How much the features count, beside the outputs.
    """

    steps: int = 1000
    batch: int = 16
    rate: float = 3e-4
    scale_rate: float = 1e-2
    texts: int = 512
    length: int = 128
    activations: int | None = None
    cache: int | None = None
    feature_weight: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch", 1), ("texts", 1), ("length", 2)):
            if not isinstance(getattr(self, name), Integral):
                raise OptionError(name, f"{getattr(self, name)!r} is no whole number", remedy=f"Give one from {least}")
            if getattr(self, name) < least:
                raise OptionError(name, f"{getattr(self, name)} is below {least}", remedy=f"Give at least {least}")
        for name in ("rate", "scale_rate", "feature_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise OptionError(name, f"{getattr(self, name)} is no rate", remedy="Give a number from 0")
        for name in ("activations", "cache"):
            bits = getattr(self, name)
            if bits is not None and not 2 <= bits <= 16:
                raise OptionError(name, f"{bits} is no number of bits", remedy="Give one from 2 to 16")


@dataclass(frozen=True, kw_only=True, slots=True)
class Taught:
    """What came of a lesson.

    Attributes:
        model: The float model of the student.
        losses: Of every step.
        texts: How many the teacher wrote; 0 where samples were given.
    """

    model: ir.Model
    losses: tuple[float, ...]
    texts: int


def distill(model: Any, **options: Any) -> ir.Model:
    """Teach a model in few bits to answer as it does in float.

    Args:
        model: What `edgec.compile` takes. It is the teacher.
        **options: Those of `taught`: `scheme`, `samples`, `steps`, `checkpoint`, ...

    Returns:
        The float model of the student: to be compiled under the same scheme and policy.

    Raises:
        EdgecError: The model, the samples or an option cannot be used; see `taught`.
    """
    return taught(model, **options).model


def taught(
    model: Any,
    *,
    target: str | TargetSpec = "host",
    scheme: str = "w4",
    samples: DataSource | None = None,
    features: Sequence[str] = (),
    logits: Sequence[str] | None = None,
    blocks: Sequence[str] = (),
    checkpoint: str | Path | None = None,
    **options: Any,
) -> Taught:
    """Teach a model in few bits, and tell what it took.

    Args:
        model: What `edgec.compile` takes. It is the teacher.
        target: What it is for.
        scheme: How the student computes: weights stored alone, `w8`, `w4`, `w3`, `w2`; or integers, `a8w8`, `a4w4`, ...
        samples: What is learned on, as `calibration` of `edgec.compile`; they are held in memory. None lets a language
            model write its own texts.
        features: Values inside that are matched, too, by name.
        logits: Outputs that are compared as distributions over their last axis; others by their relative square error.
            None is those of a language model.
        blocks: Values that parts of the graph end in, in its order: part after part learns, the steps shared, to make
            what the teacher's makes. Fewer samples are enough. Of weights stored alone.
        checkpoint: A file that what was learned is kept in, and gone on from where it is there; of parts, a file each.
        **options: Fields of `Teaching`; of `Policy`, which the compile must be given, too; and of `CompileRequest` that
            say how samples are read.

    Returns:
        The student, which is to be compiled under the same scheme and policy.

    Raises:
        MissingExtraError: PyTorch is not installed.
        OptionError: The scheme cannot be learned, or an option has no meaning here.
        ModelError: There are no samples and the model is no language model; or it cannot be trained.
        SamplesError: The samples cannot be used.
        OutputError: The checkpoint has no folder.
    """
    require_torch("edgec.distill")
    if checkpoint is not None and not Path(checkpoint).absolute().parent.is_dir():
        raise OutputError(
            str(checkpoint), f"has no folder {Path(checkpoint).parent}", remedy="Make it, or name another file"
        )
    from .training.distilling.compared import Compared
    from .training.distilling.feeds import of_samples, of_texts
    from .training.distilling.in_turn import blocks_of
    from .training.distilling.lesson import Lesson, teach
    from .training.graph.module import GraphModule

    teaching, rest = _sorted(scheme, options)
    given = {"target": target, "scheme": scheme, "calibration": samples, "prove": False, "search": False}
    request = CompileRequest.of(model, {**given, **rest})
    check_unpruned(request.policy)
    spec = target_of(request)
    loaded = load_for(request, spec, request.shapes)
    inputs = inputs_of(loaded.model)
    language = language_of(loaded.model)
    data = open_data(with_cache(request, loaded.model), inputs, loaded.baking, loaded.companions)
    texts: np.ndarray | None = None
    if data.calibration is not None:
        stacked = can_batch(inputs)
        draw = of_samples(Afresh(data.calibration, inputs), batch=teaching.batch, stacked=stacked, seed=request.seed)
    elif language is not None:
        texts = _written(loaded, language, teaching, request)
        draw = of_texts(texts, language, batch=teaching.batch, seed=request.seed)
    else:
        raise ModelError(
            loaded.origin,
            "is no language model that could write its own texts",
            remedy="Give samples to learn from",
        )
    compared = Compared(
        outputs=_outputs(loaded.model, language),
        logits=tuple(logits) if logits is not None else () if language is None else (language.logits,),
        features=tuple(features),
        feature_weight=teaching.feature_weight,
    )
    student: Student | IntegerStudent
    if scheme in STATIC_SCHEMES:
        seen = samples if texts is None or language is None else [language.feeds(row[None]) for row in texts]
        student = _in_integers(model, target, scheme, seen, rest, teaching, blocks)
    else:
        student = _in_blocks(loaded, request, spec, data, teaching)
    teacher = GraphModule(student.module.source, origin=loaded.origin).requires_grad_(False)
    compared.check((student.module, teacher))
    parts: list[tuple[frozenset[str] | None, Loss]] = [(None, compared.loss(student.module, teacher))]
    if blocks:
        compared.check((student.module, teacher), blocks)
        found = blocks_of(student.module, teacher, blocks, compared, seed=request.seed)
        parts = [(block.learns, block.loss) for block in found]
    key, losses = _key(student.module.source, request, teaching, compared), list[float]()
    with request.progress.stage("teach", teaching.steps) as advance:
        for k, (learns, loss) in enumerate(parts):
            steps = (k + 1) * teaching.steps // len(parts) - k * teaching.steps // len(parts)
            lesson = Lesson(draw=draw, loss=loss, steps=steps, every=_EVERY, key=f"{key} {sorted(learns or ())}")
            groups = student.groups(teaching.rate, teaching.scale_rate, learns)
            file = None if checkpoint is None else Path(f"{checkpoint}.{k}" if blocks else checkpoint)
            losses += teach(student.module, groups, lesson, checkpoint=file, advance=advance)
    written = 0 if data.calibration is not None else teaching.texts
    return Taught(model=student.to_model(), losses=tuple(losses), texts=written)


def _in_blocks(
    loaded: Loaded, request: CompileRequest, spec: TargetSpec, data: CompileData, teaching: Teaching
) -> Student:
    """The student of a scheme that stores weights alone."""
    from .training.distilling.student import student_of

    recipe = resolve_recipe(request, spec, request.policy.scheme)
    recipe = recipe if data.calibration is not None else recipe.without_samples()
    graph = loaded.model.clone()
    run_passes(graph, _until_rounding(recipe), measure=measuring(data, request, Clock()), observers=(SignatureGuard(),))
    return student_of(graph, activations=teaching.activations, cache=teaching.cache, origin=loaded.origin)


def _in_integers(
    model: Any,
    target: str | TargetSpec,
    scheme: str,
    seen: DataSource | None,
    options: Mapping[str, Any],
    teaching: Teaching,
    blocks: Sequence[str],
) -> IntegerStudent:
    """The student of a scheme that computes in integers; its ranges start from what is learned on."""
    from .training.distilling.integers import IntegerStudent

    for name, value in (("activations", teaching.activations), ("cache", teaching.cache), ("blocks", blocks or None)):
        if value is not None:
            raise OptionError(
                f"option {name!r}",
                f"is for weights stored alone, and scheme {scheme} says how activations are computed",
                remedy=f"Leave it out, or choose one of {', '.join(BLOCK_SCHEMES)}",
            )
    return IntegerStudent(module=prepare(model, target=target, scheme=scheme, calibration=seen, **options))


def _until_rounding(recipe: Recipe) -> tuple[Pass, ...]:
    """The passes up to what chooses codes."""
    at = next((k for k, each in enumerate(recipe.passes) if isinstance(each, RoundBlocks | RoundInTurn)), None)
    if at is None:
        raise OptionError(
            f"scheme {recipe.scheme!r}",
            "stores no blocks of weights on this target",
            remedy="Choose w4, or another target",
        )
    return recipe.passes[:at]


def _written(loaded: Loaded, language: Language, teaching: Teaching, request: CompileRequest) -> np.ndarray:
    """Texts that the model writes itself, in ONNX Runtime."""
    from .training.distilling.write_text import write_text

    session = OrtCpu().open(in_memory(loaded.model.clone()), SessionSettings(threads=request.threads))
    total = teaching.texts * (teaching.length - 1)
    with request.progress.stage("write texts", total) as advance:
        return write_text(
            lambda texts: language.reader(session, texts).feed,
            vocabulary=language.vocabulary,
            texts=teaching.texts,
            length=teaching.length,
            seed=request.seed,
            advance=advance,
        )


def _outputs(model: ir.Model, language: Language | None) -> tuple[str, ...]:
    """What is compared: logits of a language model, not its cache; all outputs of floats of any other."""
    if language is not None:
        return (language.logits,)
    return tuple(info.name for info in outputs_of(model) if info.dtype.kind == "f")


def _sorted(scheme: str, options: Mapping[str, Any]) -> tuple[Teaching, dict[str, Any]]:
    """Options of the lesson, and the rest."""
    if scheme not in (*BLOCK_SCHEMES, *STATIC_SCHEMES):
        raise OptionError(
            f"scheme {scheme!r}",
            "has nothing that is learned",
            remedy=f"Choose one of {', '.join((*BLOCK_SCHEMES, *STATIC_SCHEMES))}",
        )
    lessons = {each.name for each in fields(Teaching)}
    check_asked(options, lessons, "edgec.distill")
    for name in options:
        if scheme in BLOCK_SCHEMES and name in _MOVES and options[name] not in (None, getattr(Policy(), name)):
            raise OptionError(
                f"option {name!r}",
                "would be done again when the student is compiled, which undoes what it learned",
                remedy="Leave it out; what is learned takes its place",
            )
    given = {name: value for name, value in options.items() if value is not None}
    teaching = Teaching(**{name: value for name, value in given.items() if name in lessons})
    return teaching, {name: value for name, value in given.items() if name not in lessons}


def _key(model: ir.Model, request: CompileRequest, teaching: Teaching, compared: Compared) -> str:
    """What a kept state is of: weights, how they are stored, what is taught."""
    digest = hashlib.sha256(f"{asdict(request.policy)} {request.seed} {teaching} {compared}".encode())
    for name, value in sorted(model.graph.initializers.items()):
        if value.const_value is not None:
            digest.update(f"{name} {value.const_value.shape}".encode())
            digest.update(np.ascontiguousarray(value.const_value.numpy()).tobytes())
    return digest.hexdigest()


def check_file(file: Path, *, overwrite: bool) -> None:
    """Raise before any work is done when a model could not be written at the end.

    Args:
        file: Where to.
        overwrite: Whether one that is there may be replaced.

    Raises:
        OutputError: It is there, or its folder is not.
    """
    if file.exists() and not overwrite:
        raise OutputError(str(file), "exists", remedy="Give --overwrite to replace it, or another -o")
    if not file.absolute().parent.is_dir():
        raise OutputError(str(file), f"has no folder {file.parent}", remedy="Make it, or give another -o")


def write_model(model: ir.Model, file: Path) -> None:
    """Write a float model, large weights beside it; another that was there is replaced when all is written."""
    beside = f"{file.name}.data" if weight_bytes(model) > EXTERNAL_ABOVE else None
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.absolute().parent) as folder:
        ir.save(model, Path(folder) / file.name, external_data=beside)
        for made in sorted(Path(folder).iterdir(), reverse=True):  # the weights first
            made.replace(file.absolute().parent / made.name)

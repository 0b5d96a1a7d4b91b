"""Compile a source of several models, an encoder and a decoder, into one folder: a bundle each, and what joins them.

    out/encoder/  out/decoder/       bundles, each proved by itself
    out/genai_config.json …          what onnxruntime-genai reads of the two; tokenizer, audio processor
    out/components.json              binds all of it by sha256

Samples are of the whole: what the encoder hears, and the tokens that it should make the decoder say. The decoder is
observed, and proved, under what the float encoder knows of the same sample.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ..bundle import COMPONENTS, Bundle
from ..errors import OptionError, SamplesError
from ..runtimes.base import Session, TensorInfo
from ..runtimes.ort import OrtCpu
from .compile import CompileResult, compile_request
from .contract import Contract
from .destination import check_destination, writing
from .load import load_model
from .materialize import materialize
from .request import CompileRequest
from .samples import open_samples
from .samples.base import DataSource, Sample, Samples, State
from .samples.decoders import IDS
from .sources.decoder.genai import GENAI_CONFIG
from .sources.huggingface import files_beside, is_checkpoint, part_of, parts_of

__all__ = ["compile_components", "components_of"]

_ENCODER, _DECODER = "encoder", "decoder"
# Limits on a task, which the encoder alone has none of.
_OF_TASK = ("accuracy_drop", "accuracy")


def components_of(source: str) -> tuple[str, ...]:
    """The models of a source, by name; empty where it is one model.

    Raises:
        ModelError: It is a checkpoint whose configuration cannot be read.
    """
    folder, part = part_of(Path(source).expanduser().absolute())
    return parts_of(folder, source) if part is None and is_checkpoint(folder) else ()


def compile_components(requests: Mapping[str, CompileRequest]) -> dict[str, CompileResult]:
    """Compile every model of a source, and write what joins them.

    Args:
        requests: One by name; alike but for who watches.

    Returns:
        Results by name; their bundles are folders of the output.

    Raises:
        OptionError: No output is named, or an option is of one model only.
        SamplesError: Tokens of a sample are none of the model's, or there is but one.
        EdgecError: As `compile`.
    """
    first = requests[_ENCODER]
    source, output = str(Path(str(first.model))), first.output  # `whisper/` is `whisper`
    if output is None:
        raise OptionError("-o/--output", "is missing", remedy="Name the folder of the bundles, say -o out/")
    _check(first)
    check_destination(output, overwrite=first.overwrite, marker=COMPONENTS)
    files = files_beside(Path(source).expanduser().absolute(), source)  # what is wrong with them is told first
    vocabulary = json.loads(files[GENAI_CONFIG])["model"]["vocab_size"]
    results = {}
    with _heard(first, vocabulary) as heard, writing(output) as folder:
        for name, request in requests.items():
            about = replace(
                request,
                model=f"{source}#{name}",
                output=folder / name,
                metric=request.metric if name == _DECODER else None,
                contract=request.contract if name == _DECODER else _without_metric(request.contract),
                calibration=heard(name, request.calibration, "calibration"),
                evaluation=heard(name, request.evaluation, "evaluation"),
            )
            results[name] = compile_request(about)
        _join(folder, files, {name: result.bundle.digest for name, result in results.items()})
    return {name: replace(result, bundle=Bundle.open(output / name)) for name, result in results.items()}


@dataclass(frozen=True, slots=True)
class _Heard:
    """Samples of the whole, as one model is fed them.

    Attributes:
        samples: Of the whole: what is heard, and tokens.
        encoder: The float encoder, open; None gives what the encoder itself hears.
        features: The encoder's input.
        cached: The decoder's inputs of what the encoder knows → outputs of the encoder.
        vocabulary: How many tokens there are.
    """

    samples: Samples
    encoder: Session | None
    features: str
    cached: Mapping[str, str]
    vocabulary: int

    @property
    def origin(self) -> str:
        return self.samples.origin

    @property
    def state(self) -> State:
        return State()

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        for sample in self.samples:
            features = {self.features: sample.feeds[self.features]}
            if self.encoder is None:
                yield Sample(id=sample.id, steps=(features,))
                continue
            known = self.encoder.run(features)
            ids = self._checked(np.asarray(sample.feeds[IDS]), sample.id)
            across = {name: known[output] for name, output in self.cached.items()}
            yield Sample(id=sample.id, steps=({IDS: ids[:, :-1], **across},), label=ids[0, 1:])

    def _checked(self, ids: np.ndarray, where: str) -> np.ndarray:
        if ids.shape[1] < 2:
            raise SamplesError(
                f"{where}, input {IDS!r}",
                "has one token, behind which none is said",
                remedy="Give the token that starts a text, and those that should be said",
            )
        if ids.min() < 0 or ids.max() >= self.vocabulary:
            raise SamplesError(
                f"{where}, input {IDS!r}",
                f"has tokens from {ids.min()} to {ids.max()}, the model's are 0 to {self.vocabulary - 1}",
                remedy="Make them with the tokenizer of this checkpoint",
            )
        return ids

    def digest(self) -> str:
        return hashlib.sha256(f"{self.samples.digest()} heard".encode()).hexdigest()


class _Ear:
    """Makes samples of the whole into those of one model."""

    def __init__(self, request: CompileRequest, encoder: Session | None, vocabulary: int) -> None:
        self._request, self._encoder, self._vocabulary = request, encoder, vocabulary

    def __call__(
        self, name: str, data: DataSource | None, role: Literal["calibration", "evaluation"]
    ) -> DataSource | None:
        if data is None or self._encoder is None:
            return None
        request, (features,) = self._request, self._encoder.inputs
        ids = TensorInfo(name=IDS, dtype=np.dtype(np.int32), shape=("batch", "tokens"))
        samples = open_samples(data, (features, ids), role=role, preprocess=request.preprocess, seed=request.seed)
        known = [info.name for info in self._encoder.outputs if "_cross_" in info.name]
        return _Heard(
            samples,
            self._encoder if name == _DECODER else None,
            features.name,
            {each.replace("present_", "past_"): each for each in known},
            self._vocabulary,
        )


@contextmanager
def _heard(request: CompileRequest, vocabulary: int) -> Iterator[_Ear]:
    """What makes samples, the float encoder open as long as they are read."""
    if request.calibration is None and request.evaluation is None:
        yield _Ear(request, None, vocabulary)
        return
    loaded = load_model(f"{request.model}#{_ENCODER}")
    with materialize(loaded.model) as opened:
        yield _Ear(request, OrtCpu().open(opened), vocabulary)


def _check(request: CompileRequest) -> None:
    """Refuse options that name values of one of the models."""
    for option, given in (
        ("--recipe", request.recipe),
        ("--shape", request.shapes),
        ("--state", request.state.carried),
        ("--input", request.inputs),
        ("--postprocess", request.outputs),
        ("--adapter", request.adapters),
        ("--merge-adapter", request.merge_adapter),
    ):
        if given:
            raise OptionError(
                option,
                f"is for one model, and {request.model} has two",
                remedy=f"Compile {request.model}#{_ENCODER} and {request.model}#{_DECODER}, each with its own",
            )


def _without_metric(contract: Contract) -> Contract:
    """The limits that a model without a task of its own can keep."""
    return replace(contract, clauses=tuple(each for each in contract.clauses if each.id not in _OF_TASK))


def _join(folder: Path, files: Mapping[str, bytes], digests: Mapping[str, str]) -> None:
    """Write what reads the models together, and what binds all of it."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    bound = {
        "components": {name: {"digest": digest} for name, digest in digests.items()},
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }
    (folder / COMPONENTS).write_text(json.dumps(bound, indent=2) + "\n", encoding="utf-8", newline="\n")

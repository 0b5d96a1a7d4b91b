"""Every model of the zoo in the table: what it is asked to do, and what its row has to show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from encoder import encoder_path, missing
from tasks.audio import DetectVoice, Enhance, TrackPitch
from tasks.base import Task, zoo_folder
from tasks.classify import Arrays, Classify, Photos
from tasks.detect import FindFaces, FindObjects
from tasks.photos import IMAGENET, standardized
from tasks.pixels import Segment, SuperResolve
from tasks.plates import ReadPlates
from tasks.text import NextToken, NextTokenCached, Polyphone, SentencePairs

__all__ = ["ENCODER", "FLOORS", "MODELS", "ZooModel"]

Kind = Literal["convolutional", "attention", "recurrent"]
CIFAR = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
ENCODER = "sentence_encoder"
FLOORS: dict[Kind, float | None] = {"convolutional": 0.8, "attention": 0.6, "recurrent": None}
NO_CACHE = np.zeros((5, 1, 0, 4, 8), np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class ZooModel:
    """A trained model with its task.

    Attributes:
        name: Folder under `models/`; the sentence encoder is built from its package.
        kind: Which floor its row is held to.
        task: Samples and metric.
        integer_floor: Share of the MACs that has to run in integer kernels; None for recurrent models, whose
            file has to shrink instead.
        classic: One of the seven classifiers whose compile time, latency and SQNR are compared too.
    """

    name: str
    kind: Kind
    task: Task
    integer_floor: float | None
    classic: bool = False

    @property
    def path(self) -> Path:
        """The float model."""
        return encoder_path() if self.name == ENCODER else zoo_folder() / "models" / self.name / "model.onnx"

    @property
    def absent(self) -> str:
        """Why the model is not here; empty where it is."""
        return missing() if self.name == ENCODER else ""


def _classic(name: str, floor: float, kind: Kind = "convolutional", **task: object) -> ZooModel:
    return ZooModel(name=name, kind=kind, task=Classify(**task), integer_floor=floor, classic=True)  # type: ignore[arg-type]


def _model(name: str, kind: Kind, task: Task) -> ZooModel:
    return ZooModel(name=name, kind=kind, task=task, integer_floor=FLOORS[kind])


def _cifar(mean: tuple[float, ...], std: tuple[float, ...]) -> dict[str, object]:
    return {"input": "input", "data": Arrays(file="cifar10"), "preprocess": lambda x: standardized(x, mean, std)}


def _signed_unit(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray((x.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2))


def _caffe(x: np.ndarray) -> np.ndarray:
    centred = x[..., ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
    return np.ascontiguousarray(centred.transpose(0, 3, 1, 2))


def _unit(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) / 255


def _as_int32(x: np.ndarray) -> np.ndarray:
    return x.astype(np.int32)


def _as_int64(x: np.ndarray) -> np.ndarray:
    return x.astype(np.int64)


_IMAGENET = {"preprocess": _signed_unit, "first_class": 1, "mirrored": True}
_ALL = (
    _classic("mobilenetv2_100", 0.9, input="input", data=Photos(resize=256, crop=224), **_IMAGENET),
    _classic("mobilenetv1_050", 0.9, input="input", data=Photos(resize=183, crop=160), **_IMAGENET),
    _classic("squeezenet11", 0.9, input="data", data=Photos(resize=256, crop=227), preprocess=_caffe, mirrored=True),
    _classic("resnet56_cifar10", 0.9, **_cifar(*IMAGENET)),
    _classic("kws_dscnn", 0.9, input="input_1", data=Arrays(file="kws_mlperf"), preprocess=np.ascontiguousarray),
    _classic("vww_mobilenet96", 0.9, input="input_1", data=Arrays(file="vww96"), preprocess=_unit),
    _classic("cct_cifar10", 0.6, "attention", **_cifar(*CIFAR)),
    _model("nanodet_m", "convolutional", FindObjects()),
    _model("ultraface_rfb320", "convolutional", FindFaces(model="ultraface_rfb320")),
    _model("espnetv2_05_voc", "convolutional", Segment()),
    _model("lprnet", "convolutional", ReadPlates()),
    _model("imdn_rtc_x2", "convolutional", SuperResolve()),
    _model("crepe_tiny", "convolutional", TrackPitch()),
    _model("magika", "attention", Classify(input="bytes", data=Arrays(file="magika"), preprocess=_as_int32)),
    _model("stories260k", "attention", NextToken()),
    _model(
        "stories260k_kv",
        "attention",
        NextTokenCached(
            carried={"past_k": "present_k", "past_v": "present_v"}, start={"past_k": NO_CACHE, "past_v": NO_CACHE}
        ),
    ),
    _model(ENCODER, "attention", SentencePairs()),
    _model("g2pm_bilstm", "recurrent", Polyphone()),
    _model("textgenrnn", "recurrent", Classify(input="char_ids", data=Arrays(file="textgenrnn"), preprocess=_as_int64)),
    _model("silero_vad", "recurrent", DetectVoice(carried={"state": "stateN"})),
    _model(
        "gtcrn_stream",
        "recurrent",
        Enhance(carried={f"{name}_cache": f"{name}_cache_out" for name in ("conv", "tra", "inter")}),
    ),
)

MODELS = {model.name: model for model in _ALL}

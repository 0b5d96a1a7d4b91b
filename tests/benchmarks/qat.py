"""What quantization-aware training buys, and whether the bundle is what was trained.

    python tests/benchmarks/qat.py                       # exit 1 when a line is red
    python tests/benchmarks/qat.py --models digits --epochs 2

Two classifiers learn to answer as their float model does, from their calibration images alone, no label seen: at
`a4w4` beside post-training quantization at the same bits, of the same form, and at `a8w8` beside float. The digits are
prepared from their ONNX file, resnet56_cifar10 from a definition in PyTorch (`resnet56.py`) with the weights of its
file. Needs torch; the real model and its images are those of EDGEC_ZOO.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from line import Line, status
from table import lines_table
from tasks.base import zoo_folder
from tasks.photos import IMAGENET

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
# Samples on which bundle and module are compared; those that params start from; logits are softened by this.
COMPARED, OBSERVED, SOFT = 500, 100, 2.0
# Points that a8w8 may lose, and steps that the bundle may be off.
POINTS, STEPS = 0.3, 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A classifier and its images.

    Attributes:
        path: The float model.
        module: The same as a PyTorch module, where that is what trains.
        name: Of its input.
        train, x, y: Images to learn from; to judge by, with their classes.
        mirrored: Images are what they are left for right, too.
        epochs: By scheme.
    """

    path: Path
    module: Callable[[], Any] | None = None
    name: str
    train: np.ndarray
    x: np.ndarray
    y: np.ndarray
    mirrored: bool
    epochs: dict[str, int]

    @property
    def source(self) -> Any:
        """What is prepared and compiled."""
        return self.path if self.module is None else self.module()


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What one scheme came to.

    Attributes:
        exact, before, after: Shares that are right: of float, of post-training quantization, of training.
        steps: Largest difference of bundle and module, in steps.
        seconds: What training took.
    """

    exact: float
    before: float
    after: float
    steps: float
    seconds: float


def digits() -> Subject:
    """The shipped example."""
    learn, judge = np.load(DIGITS / "calibration.npz"), np.load(DIGITS / "evaluation.npz")
    epochs = {"a4w4": 8, "a8w8": 1}
    path, images = DIGITS / "digits.onnx", judge["image"]
    return Subject(
        path=path, name="image", train=learn["image"], x=images, y=judge["label"], mirrored=False, epochs=epochs
    )


def resnet56() -> Subject:
    """The residual net of the zoo, 55 convolutions deep."""
    from resnet56 import load

    data, path = (
        np.load(zoo_folder() / "data" / "cifar10.npz"),
        zoo_folder() / "models" / "resnet56_cifar10" / "model.onnx",
    )
    mean, deviation = (np.asarray(each, np.float32) for each in IMAGENET)

    def standardized(images: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(((images / np.float32(255) - mean) / deviation).transpose(0, 3, 1, 2), np.float32)

    return Subject(
        path=path,
        module=partial(load, path),
        name="x",
        train=standardized(data["calib_x"]),
        x=standardized(data["eval_x"]),
        y=data["eval_y"],
        mirrored=True,
        epochs={"a4w4": 16, "a8w8": 1},
    )


SUBJECTS: dict[str, Callable[[], Subject]] = {"digits": digits, "resnet56_cifar10": resnet56}


def answers(path: Path, x: np.ndarray) -> np.ndarray:
    """Logits of a model file."""
    import onnxruntime as ort

    session = ort.InferenceSession(path)
    taken = session.get_inputs()[0].name
    parts = np.array_split(x, max(1, len(x) // 100))
    return np.concatenate([session.run(None, {taken: part})[0] for part in parts])


def trained(subject: Subject, scheme: str, epochs: int, threads: int) -> tuple[Any, float]:
    """A module that learned to answer as float does, and how long it took."""
    import torch
    from torch.nn import functional

    import edgec

    torch.set_num_threads(threads)
    samples = [{subject.name: each[None]} for each in subject.train[:OBSERVED]]
    module = edgec.qat.prepare(subject.source, scheme=scheme, calibration=samples)
    images = np.concatenate([subject.train, subject.train[..., ::-1]]) if subject.mirrored else subject.train
    x = torch.from_numpy(np.ascontiguousarray(images))
    wanted = functional.softmax(torch.from_numpy(answers(subject.path, images)) / SOFT, dim=1)
    batch = 20 if len(x) < 500 else 50
    groups = edgec.qat.parameter_groups(module, lr=1e-3 if scheme == "a4w4" else 1e-6)
    optimizer = torch.optim.Adam(groups)
    rounds = epochs * -(-len(subject.train) // batch)
    # Few bits do not survive full steps from the first one on.
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rates, total_steps=rounds, pct_start=0.15)
    generator = torch.Generator().manual_seed(0)
    start = time.perf_counter()
    module.train()
    for _ in range(rounds):
        chosen = torch.randint(len(x), (batch,), generator=generator)
        made = functional.log_softmax(module(x[chosen]) / SOFT, dim=1)
        loss = functional.kl_div(made, wanted[chosen], reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return module.eval(), time.perf_counter() - start


def steps_between(module: Any, path: Path, x: np.ndarray) -> float:
    """The largest difference of a module and its bundle on images that neither has seen, in steps of an output."""
    import torch

    from edgec.compiler.proving.steps import output_steps

    x = x[:COMPARED]
    shipped = answers(path, x)
    with torch.no_grad():
        made = torch.cat([module(part) for part in torch.from_numpy(x).split(50)]).numpy()
    step = next(iter(output_steps(path).values()), float(shipped.max() - shipped.min()) / 255)
    return float(np.abs(shipped - made).max()) / step


def measured(subject: Subject, scheme: str, epochs: int | None, threads: int, folder: Path) -> Found:
    """Post-training quantization, training, and what each gets right."""
    import edgec

    common: dict[str, Any] = {"prove": False, "overwrite": True}
    samples = [{subject.name: each[None]} for each in subject.train[:OBSERVED]]
    plain = edgec.compile(
        subject.source, scheme=scheme, calibration=samples, search=False, output=folder / "plain", **common
    )
    module, seconds = trained(subject, scheme, subject.epochs[scheme] if epochs is None else epochs, threads)
    bundle = edgec.compile(module, output=folder / "trained", **common)
    exact, before, after = (
        float(np.mean(answers(path, subject.x).argmax(1) == subject.y))
        for path in (subject.path, plain.model, bundle.model)
    )
    return Found(
        exact=exact,
        before=before,
        after=after,
        steps=steps_between(module, bundle.model, subject.x),
        seconds=seconds,
    )


def judge(model: str, scheme: str, found: Found) -> Iterator[Line]:
    """The lines of acceptance for one scheme."""
    told = f"float {found.exact:.4f}, post-training {found.before:.4f}, trained {found.after:.4f}"
    if scheme == "a8w8":
        near = found.exact - found.after <= POINTS / 100 + 1e-9
        yield Line(model=model, name=f"{scheme} near float", status=status(near), text=told)
    else:
        yield Line(model=model, name=f"{scheme} gains", status=status(found.after > found.before), text=told)
    same = f"{found.steps:.2g} steps at most, {COMPARED} samples; trained in {found.seconds:.0f} s"
    yield Line(model=model, name=f"{scheme} as trained", status=status(found.steps <= STEPS), text=same)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--schemes", nargs="*", choices=("a4w4", "a8w8"), default=["a4w4", "a8w8"])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.models:
            subject = SUBJECTS[name]()
            for scheme in given.schemes:
                found = measured(subject, scheme, given.epochs, given.threads, Path(folder))
                lines += judge(name, scheme, found)
    sys.stdout.write(f"{lines_table(lines)}\n")
    return 1 if any(line.status == "red" for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())

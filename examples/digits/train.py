"""Train the digits classifier and write what the example needs.

Writes beside itself `digits.onnx`, the same at half and at a quarter of its width, `calibration.npz` and
`evaluation.npz`. They are committed: run this only to make
them anew. Needs two packages that edgec does not bring (made with torch 2.13.0 and scikit-learn 1.9.1)::

    python -m pip install torch scikit-learn
    python examples/digits/train.py

The images are scikit-learn's bundled digits, 8x8, each pixel repeated to 24x24. Training, calibration and evaluation
images are disjoint. Everything is seeded and runs on one thread; the last bits of the weights still depend on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from torch import nn

HERE = Path(__file__).parent
SEED = 2
REPEAT = 3  # of every pixel, each way: 8x8 is 24x24
EPOCHS, BATCH, RATE = 30, 64, 4e-3
CALIBRATION, EVALUATION = 200, 500
# File → share of the channels, and what it must recognise of the evaluation images.
WIDTHS = {"digits.onnx": (1.0, 0.97), "digits-half.onnx": (0.5, 0.96), "digits-quarter.onnx": (0.25, 0.9)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Images float32 [n, 1, 24, 24] in 0..1 and their digits int64 [n]."""

    image: np.ndarray
    label: np.ndarray


class Net(nn.Module):
    """Stem, 3x3 convolution, depthwise-separable block with a residual, dilated convolution, head."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        few, many = int(32 * width), int(64 * width)
        self.stem, self.stem_bn = nn.Conv2d(1, few, 3, padding=1, bias=False), nn.BatchNorm2d(few)
        self.widen, self.widen_bn = nn.Conv2d(few, many, 3, padding=1, bias=False), nn.BatchNorm2d(many)
        self.depth, self.depth_bn = nn.Conv2d(many, many, 3, padding=1, groups=many, bias=False), nn.BatchNorm2d(many)
        self.point, self.point_bn = nn.Conv2d(many, many, 1, bias=False), nn.BatchNorm2d(many)
        self.mix, self.mix_bn = nn.Conv2d(many, many, 3, padding=3, dilation=3, bias=False), nn.BatchNorm2d(many)
        self.head = nn.Linear(many, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem_bn(self.stem(image)).relu()
        x = self.widen_bn(self.widen(x)).relu()
        branch = self.depth_bn(self.depth(x)).relu()
        branch = self.point_bn(self.point(branch))
        x = (x + branch).relu()
        x = self.mix_bn(self.mix(x)).relu()
        return self.head(x.mean((2, 3)))


def load() -> tuple[Part, Part, Part]:
    """Training, calibration and evaluation images: a seeded shuffle, cut in three."""
    digits = load_digits()
    small = digits.images.astype(np.float32) / 16
    image = np.kron(small, np.ones((1, REPEAT, REPEAT), np.float32))[:, None]
    order = np.random.default_rng(SEED).permutation(len(image))
    cuts = np.split(order, [CALIBRATION, CALIBRATION + EVALUATION])
    calibration, evaluation, train = (Part(image=image[cut], label=digits.target[cut].astype(np.int64)) for cut in cuts)
    return train, calibration, evaluation


def train(part: Part, width: float) -> Net:
    """Fit the net with AdamW and a one-cycle rate; each batch is shifted by up to a digit's pixel."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    net = Net(width)
    image, label = torch.from_numpy(part.image), torch.from_numpy(part.label)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    steps = len(image) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps)
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(len(image))[: steps * BATCH].split(BATCH):
            dy, dx = torch.randint(-REPEAT, REPEAT + 1, (2,)).tolist()
            logits = net(image[batch].roll((dy, dx), (2, 3)))
            loss = nn.functional.cross_entropy(logits, label[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1:2}/{EPOCHS}  loss {total / steps:.4f}")
    return net.eval()


def to_onnx(net: Net) -> onnx.ModelProto:
    """The trained net as ONNX, opset 17, dynamic batch; BatchNormalization and Relu left for the compiler to fold."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def weight(name: str, tensor: torch.Tensor) -> str:
        weights.append(numpy_helper.from_array(tensor.detach().numpy(), name))
        return name

    def node(op: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, inputs, [output], name=output.replace(".", "/"), **attributes))
        return output

    def conv_bn(x: str, name: str, *, relu: bool = True) -> str:
        conv, bn = getattr(net, name), getattr(net, f"{name}_bn")
        kernel, pad = list(conv.kernel_size), list(conv.padding) * 2
        x = node("Conv", [x, weight(f"{name}.weight", conv.weight)], f"{name}.conv",
                 kernel_shape=kernel, pads=pad, dilations=list(conv.dilation), group=conv.groups)  # fmt: skip
        statistics = {"scale": bn.weight, "bias": bn.bias, "mean": bn.running_mean, "var": bn.running_var}
        names = [weight(f"{name}_bn.{key}", tensor) for key, tensor in statistics.items()]
        x = node("BatchNormalization", [x, *names], f"{name}.bn", epsilon=bn.eps)
        return node("Relu", [x], f"{name}.relu") if relu else x

    x = conv_bn(conv_bn("image", "stem"), "widen")
    branch = conv_bn(conv_bn(x, "depth"), "point", relu=False)
    x = node("Relu", [node("Add", [x, branch], "block.add")], "block.relu")
    x = node("GlobalAveragePool", [conv_bn(x, "mix")], "pool")
    x = node("Flatten", [x], "flat", axis=1)
    head = [weight("head.weight", net.head.weight), weight("head.bias", net.head.bias)]
    node("Gemm", [x, *head], "logits", transB=1)

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8 * REPEAT, 8 * REPEAT])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])
    graph = helper.make_graph(nodes, "digits", [image], [logits], weights)
    # IR 8 is the one of opset 17: every ONNX Runtime since 1.12 reads it.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    part, calibration, evaluation = load()
    np.savez_compressed(HERE / "calibration.npz", image=calibration.image)
    np.savez_compressed(HERE / "evaluation.npz", image=evaluation.image, label=evaluation.label)
    for name, (width, least) in WIDTHS.items():
        make(HERE / name, width, least, part, evaluation)


def make(file: Path, width: float, least: float, part: Part, evaluation: Part) -> None:
    """Train one width, write it, and check that it answers as the net does and well enough."""
    net = train(part, width)
    onnx.save(to_onnx(net), file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": evaluation.image})
    with torch.no_grad():
        expected = net(torch.from_numpy(evaluation.image)).numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-3)
    accuracy = float((logits.argmax(1) == evaluation.label).mean())
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB, {accuracy:.1%} of {EVALUATION} evaluation images")
    if accuracy < least:
        raise SystemExit(f"{file.name}: accuracy is below {least:.0%}")


if __name__ == "__main__":
    main()

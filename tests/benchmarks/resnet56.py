"""ResNet-56 for images of 32 x 32, defined anew.

K. He et al., "Deep Residual Learning" (2015, arXiv 1512.03385), section 4.2, with shortcuts of option A. The zoo's
file has its BatchNormalization in the convolutions, which have biases here.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ResNet56", "load"]

_BLOCKS = 9


class Block(nn.Module):
    """Two convolutions beside a shortcut; where there are fewer images' points, there are more channels, of zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.stride, self.more = stride, (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        made = self.conv2(functional.relu(self.conv1(x)))
        if self.stride > 1:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more, self.more))
        return functional.relu(made + x)


class ResNet56(nn.Module):
    """Images (batch, 3, 32, 32) to ten logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.layer1 = _layer(16, 16, 1)
        self.layer2 = _layer(16, 32, 2)
        self.layer3 = _layer(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv1(x))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    first = Block(inputs, outputs, stride)
    return nn.Sequential(first, *(Block(outputs, outputs, 1) for _ in range(_BLOCKS - 1)))


def load(file: Path) -> ResNet56:
    """The definition with the weights of an ONNX file, by their names."""
    stored = {each.name: torch.tensor(numpy_helper.to_array(each)) for each in onnx.load(file).graph.initializer}
    module = ResNet56()
    state = {}
    for name in module.state_dict():
        folded = f"{name.removesuffix('.bias')}.weight_bias"
        state[name] = stored[name] if name in stored else stored[folded]
    module.load_state_dict(state)
    return module.eval()

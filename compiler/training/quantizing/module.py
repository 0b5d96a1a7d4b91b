"""The module that `edgec.qat.prepare` gives: the prepared graph with fake quantization on its edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from ....errors import ModelError
from ....passes.quantize.learned_params import Learned, write_learned
from ..graph.frame import Frame
from ..graph.module import GraphModule
from ..graph.steps import Step
from ..zeros import kept_of
from .fake import FakeBias, FakeQuantize, SameParams
from .kernels import brought_back, mean_of, sum_of
from .sites import Kernel, Sites, find_sites

__all__ = ["QatModule"]


class QatModule(GraphModule):
    """A graph that computes what its integers will, and can be trained. Made by `edgec.qat.prepare`.

    Where no gradient is asked for, under `torch.no_grad`, it rounds as ONNX Runtime's kernels do, to the last bit of
    those it knows (`kernels.py`).

    Attributes:
        target: Name of what it is trained for.
        options: The policy it is trained under, as plain values.
    """

    def __init__(self, model: ir.Model, *, target: str, options: Mapping[str, Any], origin: str) -> None:
        """Put fake quantization where it was decided.

        Args:
            model: A graph with decisions and params on it, after `ComputeParams`.
            target: Name of the target that decided.
            options: Fields of its policy.
            origin: Where the model comes from, for messages.
        """
        super().__init__(model, origin=origin)
        self.target, self.options = target, dict(options)
        # Module state is the edges': these only find it.
        self.__dict__["_activations"] = dict[str, FakeQuantize]()
        self.__dict__["_weights"] = dict[tuple[str, int], FakeQuantize]()
        sites = find_sites(model.graph)
        self._kernels: dict[str, Kernel] = {each.node: each for each in sites.kernels}
        self._put_all(sites)

    @property
    def activations(self) -> Mapping[str, FakeQuantize]:
        """What rounds activations, by the value its params go by."""
        found: dict[str, FakeQuantize] = self.__dict__["_activations"]
        return found

    @property
    def weights(self) -> Mapping[tuple[str, int], FakeQuantize]:
        """What rounds constant operands, by node and index of the input."""
        found: dict[tuple[str, int], FakeQuantize] = self.__dict__["_weights"]
        return found

    def to_learned(self) -> ir.Model:
        """The float graph with the present weights, and the learned params written on it for `edgec.compile`.

        Raises:
            ModelError: Training left a weight or a scale that is no finite number.
        """
        self._check_finite()
        model = self.to_model(self._pruned())
        learned = Learned(
            target=self.target,
            options=self.options,
            activations={name: each.params() for name, each in self.activations.items()},
            weights={reader: each.params() for reader, each in self.weights.items()},
        )
        write_learned(model, learned)
        return model

    def _run(self, step: Step, frame: Frame) -> tuple[torch.Tensor, ...]:
        made = super()._run(step, frame)
        kernel = None if torch.is_grad_enabled() else self._kernels.get(step.call.name)
        return made if kernel is None else (self._as_kernel(kernel, made[0], step, frame),)

    def _as_kernel(self, kernel: Kernel, y: torch.Tensor, step: Step, frame: Frame) -> torch.Tensor:
        """A result as an integer kernel writes it, real numbers of codes."""
        params = [self._of(each).learned() for each in kernel.operands]
        scale, zero = self._of(kernel.output).learned()
        match kernel.kind:
            case "product":
                (x, _), (w, _) = params
                if w.ndim:
                    w = w.reshape([-1 if k == kernel.axis % y.ndim else 1 for k in range(y.ndim)])
                return brought_back(y, x, w, scale)
            case "sum":
                read = [frame.operand(name, step.call.name, k) for k, name in enumerate(step.inputs)]
                first, second = ((each, *param) for each, param in zip(read, params, strict=True) if each is not None)
                return sum_of(first, second, (scale, zero))
            case "mean":
                operand = frame.operand(step.inputs[0], step.call.name, 0)
                assert operand is not None
                return mean_of(y, operand.numel() // max(1, y.numel()), params[0][0], scale)

    def _check_finite(self) -> None:
        for name, parameter in self.parameters_in().items():
            if not torch.isfinite(parameter).all():
                raise ModelError(
                    f"initializer {name!r}",
                    "cannot be quantized as it was trained: it holds numbers that are not finite",
                    remedy="Train with a smaller learning rate, or resume from an earlier checkpoint",
                )

    def _pruned(self) -> dict[str, np.ndarray]:
        """Weights whose zeros stay, with them."""
        return {
            each.value: (self.present(each.value) * each.kept).detach().cpu().numpy()
            for each in self.weights.values()
            if each.kept is not None
        }

    def _of(self, operand: str | tuple[str, int]) -> FakeQuantize:
        return self.activations[operand] if isinstance(operand, str) else self.weights[operand]

    def _put_all(self, sites: Sites) -> None:
        for each in sites.activations:
            owner = FakeQuantize(each.name, each.params, learned=each.learned, offset=each.offset, largest=each.largest)
            (value, reader), *others = each.places
            self.put(value, owner, reader)
            for value, reader in others:
                self.put(value, SameParams(owner), reader)
            self.__dict__["_activations"][each.name] = owner
        for weight in sites.weights:
            kept = kept_of(self.present(weight.name).detach().cpu().numpy())
            owner = FakeQuantize(weight.name, weight.params, batched=False, kept=kept)
            first, *rest = weight.readers
            self.put(weight.name, owner, None if weight.whole else first)
            if not weight.whole:
                for other in rest:
                    self.put(weight.name, SameParams(owner), other)
            self.__dict__["_weights"].update(dict.fromkeys(weight.readers, owner))
        for bias in sites.biases:
            fake = FakeBias(self.activations[bias.activation], self.weights[bias.weight])
            self.put(bias.name, fake, None if bias.whole else bias.reader)

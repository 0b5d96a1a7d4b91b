"""Says which exclusions of the user meet nothing in the model: a typing error would else pass in silence."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import onnx_ir as ir

from ...passes.base import Pass
from ...passes.quantize.quantize_cache import QuantizeCache
from ..pipeline import PassReport
from ..request import CompileRequest

__all__ = ["Unmatched"]


@dataclass(kw_only=True, slots=True)
class Unmatched:
    """Observer of the pipeline: compares options with the model as it was loaded.

    Attributes:
        request: Whose `exclude_nodes`, `reduce_range_nodes`, `exclude_ops`, `only_ops` and `kv_cache` are looked up.
        found: One sentence per option that meets nothing.
    """

    request: CompileRequest
    found: list[str] = field(default_factory=list)
    _looked: bool = False

    def before(self, each: Pass, model: ir.Model) -> None:
        del each
        if self._looked:
            return
        self._looked = True
        nodes = list(model.graph.all_nodes())
        names, ops = [node.name or "" for node in nodes], {node.op_type for node in nodes}
        policy = self.request.policy
        for option, patterns in (
            ("--exclude-nodes", policy.exclude_nodes),
            ("--reduce-range-node", policy.reduce_range_nodes),
        ):
            for pattern in patterns:
                if not any(re.search(pattern, name) for name in names):
                    self.found.append(f"{option} {pattern}: no node's name matches")
        for option, wanted in (
            ("--op-types-to-exclude", self.request.policy.exclude_ops),
            ("--op-types-to-quantize", self.request.policy.only_ops),
        ):
            self.found += [f"{option} {op}: the model has no such node" for op in wanted if op not in ops]
        if policy.kv_cache != "float" and not QuantizeCache().needs(model):
            self.found.append(f"--kv-cache {policy.kv_cache}: the model has no attention with a cache to keep in it")

    def after(self, each: Pass, model: ir.Model, report: PassReport) -> None:
        del each, model, report

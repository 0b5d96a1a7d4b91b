"""Says which options meet nothing in the model: a typing error would else pass in silence."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import onnx_ir as ir

from ...passes.base import Pass
from ...passes.codebook.product_tables import ProductTables
from ...passes.quantize.quantize_cache import QuantizeCache
from ...passes.rewrite.activation_aware import ActivationAware
from ...passes.rewrite.rotate import RotateHidden
from ...passes.weight_only.decide_storage import DecideStorage, read_keep
from ...passes.weight_only.long_inputs import LongInputs
from ...passes.weight_only.roles import role_of
from ..pipeline import PassReport
from ..request import CompileRequest

__all__ = ["Unmatched"]

# Passes that run because they were asked for, and what is to be said where they found nothing to do.
_ASKED: dict[type[Pass], str] = {
    ActivationAware: "--awq: no inputs of matrices could be scaled",
    LongInputs: "--long-inputs: nothing is multiplied by constants in blocks and by a number of rows that may change",
    ProductTables: "--product-tables: the model has no table to store so",
    RotateHidden: "--rotate: the model has no hidden state and no heads that can be rotated",
}


@dataclass(kw_only=True, slots=True)
class Unmatched:
    """Observer of the pipeline: compares options with the model as it was loaded.

    Attributes:
        request: Whose `exclude_nodes`, `reduce_range_nodes`, `exclude_ops`, `only_ops`, `keep` and `kv_cache` are
            looked up.
        found: One sentence per option that meets nothing.
    """

    request: CompileRequest
    found: list[str] = field(default_factory=list)
    _looked: bool = False
    _worked: set[str] = field(default_factory=set)

    def before(self, each: Pass, model: ir.Model) -> None:
        if isinstance(each, DecideStorage) and each.keep:
            self._look_for_roles(each, model)
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
        del model
        what = _ASKED.get(type(each))
        if what is None:
            return
        if report.modified:
            self._worked.add(what)
        if what in self.found and what in self._worked:
            self.found.remove(what)  # a search runs it again, on other forms
        elif what not in self.found and what not in self._worked:
            self.found.append(what)

    def _look_for_roles(self, each: DecideStorage, model: ir.Model) -> None:
        graphs = (model.graph, *model.graph.subgraphs())
        roles = {role_of(value) for graph in graphs for value in graph.initializers.values()}
        for role in read_keep(each.keep):
            what = f"--keep {role}: the model has no weight of that role"
            if role not in roles and what not in self.found:
                self.found.append(what)

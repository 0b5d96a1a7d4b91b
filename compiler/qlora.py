"""QLoRA: adapters are trained beside the base that ships, its weights in the bundle's own few bits.

    import edgec, peft

    module = edgec.qlora.prepare("model.onnx", scheme="w4")
    model = peft.get_peft_model(module, peft.LoraConfig(r=8, target_modules=["q_proj", "v_proj"]))
    ...                                         # train it: only the adapter learns
    model.save_pretrained("law")
    edgec.compile("model.onnx", scheme="w4", adapters={"law": "law"}, output="out/")

The story: load → normalize → prepare(target) → decide → round, as `edgec.compile` does it under the same options; the
graph becomes a module whose products read those codes. What is trained beside them sees what it will ship with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from ..errors import ModelError, OptionError
from ..passes.base import Pass
from ..passes.codebook.notes import levelled_of
from ..passes.codebook.pack_bnb4 import PackBnb4
from ..passes.edit import constant_array
from ..passes.recipe import Recipe
from ..passes.weight_only.compact_weights import CompactWeights
from ..passes.weight_only.dequantize_blocks import DequantizeBlocks
from ..passes.weight_only.expand_blocks import ExpandBlocks
from ..passes.weight_only.gather_blocks import GatherBlocks
from ..passes.weight_only.pack_products import PackProducts
from ..passes.weight_only.storage import blocks_of, from_matrix, keep, stored_values
from ..targets.policy import BLOCK_SCHEMES
from ..targets.spec import TargetSpec
from .build import measuring
from .clock import Clock
from .compile import load_for, resolve_recipe
from .data import open_data, with_cache
from .observers import SignatureGuard
from .older import target_of
from .pipeline import run_passes
from .pruned import check_unpruned
from .request import CompileRequest
from .samples.base import DataSource
from .signature import inputs_of
from .training.asked import check_asked
from .training.extra import require_torch

if TYPE_CHECKING:
    from .training.graph.module import GraphModule

__all__ = ["SCHEMES", "prepare"]

SCHEMES = (*BLOCK_SCHEMES, "nf4", "fp4")
# What writes blocks into the graph: until then a weight is a matrix with a name.
_WRITERS = (PackProducts, PackBnb4, GatherBlocks, DequantizeBlocks, ExpandBlocks)


def prepare(
    model: Any,
    *,
    target: str | TargetSpec = "host",
    scheme: str = "w4",
    calibration: DataSource | None = None,
    **options: Any,
) -> GraphModule:
    """Make a module with a frozen base of few bits, for adapters to be trained beside.

    Args:
        model: What `edgec.compile` takes.
        target: What it is for.
        scheme: How the base is stored: `w4`, `nf4`, `w8`, ...
        calibration: Samples, for a rounding that goes by them.
        **options: Fields of `Policy` (`rounding`, `block_size`, `zero_points`, ...), which the compile must be given,
            too; and of `CompileRequest` that say how samples are read.

    Returns:
        A `torch.nn.Module`; no parameter of it wants a gradient, and a cache may be left out. Products are
        `torch.nn.Linear` at the paths that the source has them at, which is where `peft` looks.

    Raises:
        MissingExtraError: PyTorch is not installed.
        OptionError: The scheme stores no weights alone, or an option has no meaning here.
        ModelError: No weight is stored in few bits, or a node cannot be trained.
        SamplesError: The samples cannot be used.
    """
    require_torch("edgec.qlora.prepare")
    import torch

    from .training.graph.linear import Linear
    from .training.graph.module import GraphModule
    from .training.low_rank.frozen_linear import FrozenLinear

    _check(scheme, options)
    given = {"target": target, "scheme": scheme, "calibration": calibration, "prove": False, "search": False}
    request = CompileRequest.of(model, {**given, **options})
    check_unpruned(request.policy)
    spec = target_of(request)
    loaded = load_for(request, spec, request.shapes)
    request = with_cache(request, loaded.model)
    recipe = resolve_recipe(request, spec, scheme)
    data = open_data(request, inputs_of(loaded.model), loaded.baking, loaded.companions)
    graph, rounded, rest = loaded.model.clone(), *_apart(recipe)
    measure = measuring(data, request, Clock())
    run_passes(graph, rounded, measure=measure, observers=(SignatureGuard(),))
    stored = {str(weight.name): (weight, blocks_of(weight), levelled_of(weight)) for weight, _ in stored_values(graph)}
    _write_real(graph)
    run_passes(graph, rest, measure=measure, observers=(SignatureGuard(),))
    module = GraphModule(graph, origin=loaded.origin)
    frozen = 0
    for name, (_, blocks, levelled) in stored.items():
        base = module.linear_of(name) if blocks is not None and module.has(name) else None
        if isinstance(base, Linear) and blocks is not None:
            module.swap(name, FrozenLinear(base, blocks, levelled))
            frozen += 1
    if not frozen:
        raise ModelError(
            loaded.origin,
            f"has no product whose weights {scheme} stores in few bits",
            remedy="Train a larger model, or choose another scheme",
        )
    for name, start in request.state.start.items():
        module.starts[name] = torch.from_numpy(np.asarray(start))
    module.requires_grad_(False)
    return module


def _check(scheme: str, options: dict[str, Any]) -> None:
    if scheme not in SCHEMES:
        raise OptionError(f"scheme {scheme!r}", "stores no weights alone", remedy=f"Choose one of {', '.join(SCHEMES)}")
    check_asked(options, ("samples", "state"), "edgec.qlora.prepare")


def _apart(recipe: Recipe) -> tuple[tuple[Pass, ...], tuple[Pass, ...]]:
    """The passes that end in rounded weights, and what stores the others."""
    at = next((k for k, each in enumerate(recipe.passes) if isinstance(each, _WRITERS)), None)
    if at is None:
        raise OptionError(
            f"scheme {recipe.scheme!r}",
            "stores no blocks of weights on this target",
            remedy="Choose w4, or another target",
        )
    return recipe.passes[:at], tuple(each for each in recipe.passes[at:] if isinstance(each, CompactWeights))


def _write_real(graph: ir.Model) -> None:
    """Let weights with blocks be what these stand for, and nothing else be made of them."""
    for weight, storage in stored_values(graph):
        blocks, array = blocks_of(weight), constant_array(weight)
        if blocks is None or array is None:
            continue
        real = from_matrix(blocks.real, array.shape, storage.summed)
        weight.const_value = ir.tensor(real.astype(array.dtype), name=weight.name)
        keep(weight)

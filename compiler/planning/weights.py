"""What weights take that a recipe stores in blocks: decided as the recipe decides them, and not rounded."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ...passes.edit import is_op
from ...passes.recipe import Recipe
from ...passes.weight_only.decide_storage import DecideStorage
from ...passes.weight_only.nbits import kernel_form
from ...passes.weight_only.pack_products import PackProducts, pays
from ...passes.weight_only.round_blocks import matrix_shape
from ...passes.weight_only.storage import Storage, stored_values
from .unmeasured import run_unmeasured

__all__ = ["InBlocks", "weights_in_blocks"]


@dataclass(frozen=True, kw_only=True, slots=True)
class InBlocks:
    """One weight.

    Attributes:
        stored: Bytes in the file: codes, scales, zero points.
        loaded: Bytes while the model runs: as stored, or floats where it is expanded when the model is loaded.
        packed: Products multiply it as it is stored.
        bits: Of a code in the file.
    """

    stored: int
    loaded: int
    packed: bool
    bits: int


def weights_in_blocks(model: ir.Model, recipe: Recipe) -> dict[str, InBlocks]:
    """The weights that a recipe stores in blocks, by name; none where it decides no blocks.

    Args:
        model: The loaded model; the recipe runs on it up to what it decides.
        recipe: Of a scheme that stores weights alone.
    """
    passes = recipe.passes
    first = next((k for k, each in enumerate(passes) if isinstance(each, DecideStorage)), None)
    if first is None:
        return {}
    run_unmeasured(model, passes[: first + 1])
    packing = next((each for each in passes if isinstance(each, PackProducts)), None)
    decided = tuple(stored_values(model))
    fits = {id(weight) for weight, storage in decided if packing is not None and _is_packed(weight, storage, packing)}
    if packing is not None and _elements(decided, fits) < packing.share * _elements(decided):
        fits = set()
    return {str(weight.name): _bytes(weight, storage, packed=id(weight) in fits) for weight, storage in decided}


def _is_packed(weight: ir.Value, storage: Storage, packing: PackProducts) -> bool:
    """Whether products multiply a weight as it is stored, as far as its shape says."""
    columns, readers = matrix_shape(weight, storage)[1], tuple(weight.uses())
    products = [node for node, index in readers if index == 1 and is_op(node, "MatMul", "Gemm")]
    if not products or len(products) < len(readers) or kernel_form(storage.form, columns) is None:
        return False
    assert weight.const_value is not None
    return packing.always or pays(int(weight.const_value.size), storage, products)


def _bytes(weight: ir.Value, storage: Storage, *, packed: bool) -> InBlocks:
    rows, columns = matrix_shape(weight, storage)
    form = storage.form
    kernel = kernel_form(form, columns) if packed else None
    form = form if kernel is None else kernel
    # Blocks are whole, but that of a row which is shorter than one, where no kernel reads it.
    size = form.size if kernel is not None else min(form.size or columns, columns)
    length = form.blocks_of(columns) * size
    zeros = 0 if form.symmetric else rows * -(-form.blocks_of(columns) * form.bits // 8)
    scales = 4 * rows * form.blocks_of(columns) + zeros
    held = rows * -(-length * form.bits // 8) + scales
    # Planes of 3 bits become the kernel's codes when the model is loaded.
    bits = 3 if storage.form.bits == 3 else form.bits
    stored = rows * -(-length * bits // 8) + scales
    return InBlocks(stored=stored, loaded=held if packed else 4 * rows * columns, packed=packed, bits=bits)


def _elements(decided: tuple[tuple[ir.Value, Storage], ...], among: set[int] | None = None) -> int:
    chosen = (weight.const_value for weight, _ in decided if among is None or id(weight) in among)
    return sum(int(each.size) for each in chosen if each is not None)

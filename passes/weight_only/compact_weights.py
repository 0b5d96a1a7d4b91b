"""W -> Mul(Cast(codes), scale): weights are a quarter or an eighth of the size in the file, float once loaded.

ONNX Runtime folds the chain at load (constant folding, 1.31.1, also in the bodies of If, Loop and Scan), so the float
kernels run as before: no slower, no smaller in memory. A DequantizeLinear would not be folded and would run at every
inference.

1. int8, one scale per output channel (embeddings: per row): error at most half a step, s = max|w| / 127.
2. int4, one scale per block of `block_size` elements that are summed up; a Reshape follows the Mul. Where no block
   fits (transposed convolutions, rows shorter than 16), int8.
3. E4M3, scales as of int8: finer for small numbers, coarser for large ones. For readers that want the type.
4. int4 matrices of 2^18 elements or more that only MatMuls of few rows read (as far as shapes say): DequantizeLinear
   in blocks, which ONNX Runtime fuses to MatMulNBits. Float against that, ms, one thread, 1.31.1: 1 x 512 x 512 .015,
   .007; 8 x 512 x 512 .029, .023; 64 x 512 x 512 .150, .159; 1 x 1024 x 4096 .192, .051; smaller matrices lose:
   8 x 256 x 256 .009, .010. It rounds activations to 8 bits in blocks (45 dB).

Scope: the main graph and bodies. Tied weights are stored once, along the axes of their first reader.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..codebook.chain import Chain
from ..codebook.float8 import pack_float8
from ..edit import add_initializer, constant_array, fresh_name, insert_after, is_op, is_overridable, rewire, skip
from ..scope import out_of_scope
from .packing import Packed, pack, pack_blocks
from .sites import known_rows, weight_sites
from .storage import is_kept
from .stored import every_name

__all__ = ["CompactWeights"]

# Two nodes, two initializers and eight times the weight's name.
_OVERHEAD, _NAMES = 130, 8
_FUSED_FROM, _MOST_ROWS = 1 << 18, 16


@dataclass(frozen=True, kw_only=True)
class CompactWeights(Pass):
    """Store the weights of float kernels as integers, expanded when the model is loaded.

    Attributes:
        dtype: `int8`, `int4`, which needs operator set 21, or `float8e4m3fn`, which needs 19.
        block_size: Elements that share a scale of int4 codes.
        per_channel: int8 weights have a scale per output channel.
        minimum: Fewest bytes a weight must save, what it costs in nodes and names counted.
    """

    dtype: str = "int8"
    block_size: int = 32
    per_channel: bool = True
    minimum: int = 64
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()
    float_nodes: tuple[str, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        nodes = tuple(ir.traversal.RecursiveGraphIterator(model.graph))
        taken = every_name(model)
        summed: dict[ir.Value, tuple[int, ...]] = {}
        excluded: set[ir.Value] = set()
        for node in nodes:
            sites = weight_sites(node)
            reason = out_of_scope(
                node, exclude_nodes=self.exclude_nodes, exclude_ops=self.exclude_ops, only_ops=self.only_ops
            )
            if node.name in self.float_nodes:
                reason = "was measured to be better off in float, weights included"
            if sites and reason:
                skip(node, reason)
                excluded.update(site.value for site in sites)
                continue
            for site in sites:
                summed.setdefault(site.value, site.summed)
        wanted = ((weight, axes) for weight, axes in summed.items() if weight not in excluded)
        done = [weight for weight, axes in wanted if self._try_compact(weight, axes, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_compact(self, weight: ir.Value, summed: tuple[int, ...], taken: set[str]) -> bool:
        graph = weight.graph
        if graph is None or not weight.is_initializer() or weight.is_graph_output() or is_overridable(weight):
            return False
        if is_kept(weight) or weight.dtype != ir.DataType.FLOAT or weight.const_value is None:
            return False
        # Not even without scales: most constants are left here, before their bytes are read.
        if 3 * weight.const_value.size < self.minimum:
            return False
        x = constant_array(weight)
        assert x is not None
        packed = pack_blocks(x, summed, self.block_size) if self.dtype == "int4" else None
        if self.dtype == "float8e4m3fn":
            packed = pack_float8(x, summed, per_channel=self.per_channel)
        packed = packed or pack(x, summed, "int8", per_channel=self.per_channel)
        if x.nbytes - packed.nbytes - _OVERHEAD - _NAMES * len(weight.name or "") < self.minimum:
            return False
        if self.dtype == "int4" and _fuses(weight, packed):
            _dequantize(graph, weight, packed, taken)
        else:
            _expand(graph, weight, packed, x.shape, taken)
        del graph.initializers[str(weight.name)]
        return True


def _fuses(weight: ir.Value, packed: Packed) -> bool:
    """Whether MatMulNBits takes this weight, and is no slower than the float kernel."""
    if packed.codes.ndim != 4 or packed.codes.size < _FUSED_FROM or weight.shape is None or len(weight.shape) != 2:
        return False
    block = packed.codes.shape[2]
    return block & (block - 1) == 0 and all(
        is_op(node, "MatMul") and index == 1 and known_rows(node.inputs[0]) <= _MOST_ROWS
        for node, index in weight.uses()
    )


def _dequantize(graph: ir.Graph, weight: ir.Value, packed: Packed, taken: set[str]) -> None:
    """Let every reader of a (K, N) weight read DequantizeLinear(codes, scales), in blocks along K."""
    _, blocks, size, columns = packed.codes.shape
    uses = tuple(weight.uses())
    codes = add_initializer(
        graph, fresh_name(f"{weight.name}_quantized", taken), packed.codes.reshape(blocks * size, columns)
    )
    scale = add_initializer(graph, fresh_name(f"{weight.name}_scale", taken), packed.scale.reshape(blocks, columns))
    name = fresh_name(f"{weight.name}_DequantizeLinear", taken)
    dq = ir.node("DequantizeLinear", [codes, scale], {"axis": 0, "block_size": size}, name=name)
    value = dq.outputs[0]
    value.name = fresh_name(f"{weight.name}_DequantizeLinear_Output", taken)
    value.type, value.shape = ir.TensorType(ir.DataType.FLOAT), codes.shape
    insert_after(graph, codes, [dq])
    rewire(uses, value)


def _expand(graph: ir.Graph, weight: ir.Value, packed: Packed, shape: tuple[int, ...], taken: set[str]) -> None:
    """Let every reader of a weight read Mul(Cast(codes), scale), reshaped where the codes lie in blocks."""
    uses, chain = tuple(weight.uses()), Chain(graph, str(weight.name), taken)
    codes, scale = chain.constant("quantized", packed.codes), chain.constant("scale", packed.scale)
    value = chain.cast(codes, "codes", ir.DataType.FLOAT)
    in_blocks = packed.codes.shape != shape
    suffix = "blocks" if in_blocks else "expanded"
    value = chain.add("Mul", [value, scale], suffix, packed.codes.shape, ir.DataType.FLOAT)
    rewire(uses, chain.reshape(value, "expanded", shape) if in_blocks else value)

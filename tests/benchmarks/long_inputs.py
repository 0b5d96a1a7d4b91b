"""From how many rows on int8 beats 4 bits in blocks: the int8 branch of `LongInputs` over `MatMulNBits`, by time.

python tests/benchmarks/long_inputs.py
"""

from __future__ import annotations

import sys

import numpy as np
import onnx_ir as ir

from edgec.passes.weight_only.blocks import BlockForm, Blocks
from edgec.passes.weight_only.long_inputs import LongInputs
from edgec.passes.weight_only.nbits import DOMAIN, add_operands, matmul_nbits
from edgec.runtimes.base import SessionSettings
from edgec.runtimes.ort import OrtCpu
from edgec.runtimes.timing import run_seconds

# Columns, rows, elements of a block.
MATRICES = ((256, 256, 32), (768, 768, 128), (768, 2048, 128), (2048, 2048, 128))
ROWS = (1, 4, 8, 16, 32, 64, 256)
WORK = 2e9  # products timed, in all runs of one cell


def product(columns: int, rows: int, size: int) -> ir.Model:
    """x Wᵀ in 4 bits."""
    rng = np.random.default_rng(0)
    form = BlockForm(bits=4, size=size)
    codes = rng.integers(0, 16, (rows, columns), dtype=np.uint8)
    scale = np.full((rows, form.blocks_of(columns)), 0.01, np.float32)
    x = ir.Value(name="x", shape=ir.Shape(["T", columns]), type=ir.TensorType(ir.DataType.FLOAT))
    graph = ir.Graph([x], [], nodes=[], opset_imports={"": 21, DOMAIN: 1}, name="product")
    node = matmul_nbits(x, add_operands(graph, "w", Blocks(form=form, codes=codes, scale=scale), set()))
    node.outputs[0].name = "y"
    graph.append(node)
    graph.outputs.append(node.outputs[0])
    return ir.Model(graph, ir_version=10)


def main() -> int:
    """Print the table."""
    one = SessionSettings(threads=1)
    sys.stdout.write("rows        " + "".join(f"{rows:8}" for rows in ROWS) + "\n")
    for columns, rows, size in MATRICES:
        blocks = product(columns, rows, size)
        both = blocks.clone()
        LongInputs(rows=1)(both)  # int8 whatever the rows
        sessions = [OrtCpu().open(ir.to_proto(model).SerializeToString(), one) for model in (blocks, both)]
        cells = []
        for count in ROWS:
            x = {"x": np.random.default_rng(1).standard_normal((count, columns)).astype(np.float32)}
            runs = max(10, int(WORK / (count * columns * rows)))
            stored, int8 = (float(np.median(each)) for each in run_seconds(sessions, x, runs))
            cells.append(int8 / stored)
        sys.stdout.write(f"{columns:5} x{rows:5}" + "".join(f"{cell:8.2f}" for cell in cells) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

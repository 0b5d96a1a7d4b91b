"""What PyTorch's exporter writes of decoders fuses: both layouts, keys repeated or grouped, with caches or without."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.numerics import assert_same, run

from edgec.compiler.load import load_model
from edgec.compiler.sources.exported.adopt import adopt
from edgec.passes.fuse.attention import FuseAttention
from edgec.passes.fuse.rotary import FuseRotary
from edgec.passes.normalize.drop_identity import DropIdentity
from edgec.passes.normalize.fold_constants import FoldConstants

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytest.importorskip("onnxscript", reason="needs edgec[torch]")

HEADS, SHARED, SIZE, VOCABULARY, CONTEXT = 4, 2, 16, 32, 64


class Decoder(torch.nn.Module):
    """One layer of attention, written as people write it."""

    def __init__(self, *, pairs: bool, grouped: bool) -> None:
        super().__init__()
        wide = HEADS * SIZE
        self.pairs, self.grouped = pairs, grouped
        self.table = torch.nn.Embedding(VOCABULARY, wide)
        self.q, self.k, self.v = (torch.nn.Linear(wide, n * SIZE, bias=False) for n in (HEADS, SHARED, SHARED))
        self.o, self.head = torch.nn.Linear(wide, wide, bias=False), torch.nn.Linear(wide, VOCABULARY, bias=False)
        angles = torch.outer(torch.arange(CONTEXT).float(), 100.0 ** -(torch.arange(0, SIZE, 2).float() / SIZE))
        angles = angles if pairs else torch.cat((angles, angles), -1)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def turn(self, x, at):  # noqa: ANN001, ANN201 - torch's own types
        cos, sin = self.cos[at], self.sin[at]
        if self.pairs:
            a, b = x[..., ::2], x[..., 1::2]
            return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat((-b, a), -1) * sin

    def forward(self, tokens, key=None, value=None):  # noqa: ANN001, ANN201
        batch, new = tokens.shape
        before = 0 if key is None else key.shape[2]
        at = torch.arange(before, before + new)
        x = self.table(tokens)
        q, k, v = (each(x).view(batch, new, -1, SIZE).transpose(1, 2) for each in (self.q, self.k, self.v))
        q, k = self.turn(q, at), self.turn(k, at)
        k, v = (k, v) if key is None else (torch.cat((key, k), 2), torch.cat((value, v), 2))
        if self.grouped:
            mask = torch.arange(before + new)[None] <= at[:, None]
            y = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
        else:
            group, total = HEADS // SHARED, before + new
            many = [each[:, :, None].expand(batch, SHARED, group, total, SIZE).reshape(batch, HEADS, total, SIZE)
                    for each in (k, v)]  # fmt: skip
            hidden = torch.triu(torch.full((new, total), float("-inf")), before + 1)
            y = torch.softmax(q @ many[0].transpose(2, 3) * SIZE**-0.5 + hidden, -1) @ many[1]
        y = self.head(x + self.o(y.transpose(1, 2).reshape(batch, new, -1)))
        return y if key is None else (y, k, v)


def export(folder: Path, *, pairs: bool, grouped: bool, cached: bool, opset: int) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Decoder(pairs=pairs, grouped=grouped).eval()
        given = (torch.randint(0, VOCABULARY, (2, 5)), torch.randn(2, SHARED, 3, SIZE), torch.randn(2, SHARED, 3, SIZE))
    free = torch.export.Dim.DYNAMIC
    sizes = ({0: free, 1: free}, {0: free, 2: free}, {0: free, 2: free})
    count = 3 if cached else 1
    torch.onnx.export(
        made, given[:count], folder / "model.onnx", dynamo=True, opset_version=opset, dynamic_shapes=sizes[:count],
        input_names=["tokens", "key", "value"][:count], external_data=False, verbose=False,
    )  # fmt: skip
    return folder / "model.onnx"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("pairs", "grouped", "cached", "opset"),
    [(False, False, False, 20), (True, True, False, 23), (True, False, True, 18), (False, True, True, 24)],
)
def test_an_export_fuses(tmp_path: Path, *, pairs: bool, grouped: bool, cached: bool, opset: int) -> None:
    path = export(tmp_path, pairs=pairs, grouped=grouped, cached=cached, opset=opset)
    before, model = load_model(path).model, load_model(path).model

    for each in (DropIdentity(), FoldConstants(), FuseRotary(), FuseAttention(steps=True)):
        each(model)

    counts = Counter(node.op_type for node in model.graph)
    assert (counts["RotaryEmbedding"], counts["GroupQueryAttention"]) == (2, 1)
    assert (counts["Softmax"], counts["Attention"]) == (0, 0)
    random = np.random.default_rng(0)
    for batch, new, past in ((1, 5, 0), (2, 7, 0), *(((1, 3, 4), (3, 1, 6)) if cached else ())):
        feeds: dict[str, np.ndarray] = {"tokens": random.integers(0, VOCABULARY, (batch, new))}
        if cached:
            feeds |= {name: random.standard_normal((batch, SHARED, past, SIZE)).astype(np.float32)
                      for name in ("key", "value")}  # fmt: skip
        assert_same(run(before, feeds), run(model, feeds), tolerance=1e-5)

    found = adopt(load_model(path).model, "model.onnx")
    assert (found.heads, found.kv_heads, found.context, found.added) == (HEADS, SHARED, CONTEXT, not cached)

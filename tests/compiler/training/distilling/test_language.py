"""Which models are language models."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from support.decoders import tiny_config, tiny_weights
from support.graphs import model, weights

from edgec.compiler.sources.decoder import build
from edgec.compiler.training.distilling.language import language_of


def looked_up(rows: int, width: int, ids: str = "N,T") -> ir.Model:
    """Tokens, their embeddings, and as many numbers for each."""
    text = f"g (int64[{ids}] ids) => (float[{ids},{width}] y) {{ e = Gather(table, ids)  y = MatMul(e, head) }}"
    return model(text, table=weights(rows, 8), head=weights(8, width))


@pytest.mark.parametrize(("rows", "width"), [(50, 50), (64, 50)], ids=["as many", "a table that is filled up"])
def test_what_answers_tokens_for_tokens_is_one(rows: int, width: int) -> None:
    found = language_of(looked_up(rows, width))
    assert found is not None
    assert (found.ids, found.logits, found.vocabulary) == ("ids", "y", width)


def test_a_decoder_with_a_cache_is_one() -> None:
    config = tiny_config()
    found = language_of(build(config, tiny_weights(config, 0)))
    assert found is not None
    assert found.vocabulary == 61
    assert len(found.past) == len(found.caches) == 4


@pytest.mark.parametrize(
    "other",
    [looked_up(50, 9), looked_up(50, 768), looked_up(50, 50, ids="N,7")],
    ids=["classes of tokens", "features", "one length"],
)
def test_what_answers_anything_else_is_none(other: ir.Model) -> None:
    """Its samples would be compared as distributions, and texts be written of its features."""
    assert language_of(other) is None

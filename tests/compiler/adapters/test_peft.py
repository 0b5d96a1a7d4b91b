"""PEFT folders: factors with the scale in them, and what no product of two matrices says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from support.lowrank import factors, write_peft, write_safetensors

from edgec.compiler.adapters.peft import read_peft
from edgec.errors import ModelError

Q0, V0 = "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj"
GIVEN = factors({"0.self_attn.q_proj": 4, "0.self_attn.v_proj": 2}, 0)
MERGE = "Merge it in peft (merge_and_unload), export the merged model and compile that."
ADDS = "An adapter beside the model adds x A B to linears and nothing else."


def test_factors_are_turned_and_scaled(tmp_path: Path) -> None:
    found = read_peft(write_peft(tmp_path, GIVEN, lora_alpha=12))
    assert list(found.modules) == [Q0, V0]
    for module, rank in ((Q0, 4), (V0, 2)):
        a, b = GIVEN[module]
        assert found.modules[module].rank == rank
        np.testing.assert_array_equal(found.modules[module].a, a.T)
        np.testing.assert_allclose(found.modules[module].b, b.T * 12 / rank, rtol=1e-6)


def test_rslora_divides_by_the_root_of_the_rank(tmp_path: Path) -> None:
    found = read_peft(write_peft(tmp_path, GIVEN, lora_alpha=12, use_rslora=True))
    np.testing.assert_allclose(found.modules[Q0].b, GIVEN[Q0][1].T * 12 / 2.0, rtol=1e-6)


@pytest.mark.parametrize("pattern", ["v_proj", r"layers\.\d+\.self_attn\.v_proj", V0, f"^{V0}"])
def test_alpha_may_have_patterns(tmp_path: Path, pattern: str) -> None:
    found = read_peft(write_peft(tmp_path, GIVEN, lora_alpha=12, alpha_pattern={pattern: 6}))
    np.testing.assert_allclose(found.modules[V0].b, GIVEN[V0][1].T * 6 / 2, rtol=1e-6)
    np.testing.assert_allclose(found.modules[Q0].b, GIVEN[Q0][1].T * 12 / 4, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_factors_are_read(tmp_path: Path, dtype: str) -> None:
    found = read_peft(write_peft(tmp_path, GIVEN, dtype=dtype))
    kind = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    np.testing.assert_array_equal(found.modules[Q0].a, GIVEN[Q0][0].astype(kind).astype(np.float32).T)


def test_the_digest_is_of_both_files(tmp_path: Path) -> None:
    one = read_peft(write_peft(tmp_path / "a", GIVEN)).digest
    assert read_peft(write_peft(tmp_path / "b", GIVEN)).digest == one
    assert read_peft(write_peft(tmp_path / "c", GIVEN, lora_alpha=3)).digest != one


def test_a_base_that_was_changed_is_told_of(tmp_path: Path) -> None:
    (note,) = read_peft(write_peft(tmp_path, GIVEN, init_lora_weights="pissa_niter_4")).notes
    assert note == (
        f"{tmp_path} was started by pissa_niter_4, which changes the base: compile the base it was trained on"
    )


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"peft_type": "LOHA"}, "is of type LOHA, not LORA"),
        ({"use_dora": True}, "is DoRA: it scales every column of the merged weight"),
        ({"bias": "all"}, "trained biases ('all')"),
        ({"modules_to_save": ["score", "head"]}, "trained whole modules: score, head"),
        ({"target_parameters": ["experts.w1"]}, "changes parameters, not modules: experts.w1"),
        ({"trainable_token_indices": [3]}, "trained single tokens of the embedding"),
        ({"layer_replication": [[0, 2]]}, "repeats layers of the base"),
    ],
)
def test_what_is_more_than_low_rank_is_refused(tmp_path: Path, config: dict[str, Any], problem: str) -> None:
    write_peft(tmp_path, GIVEN, **config)
    with pytest.raises(ModelError) as caught:
        read_peft(tmp_path)
    assert str(caught.value) == f"{tmp_path}/adapter_config.json: {problem}. {ADDS} {MERGE}"


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    write_peft(tmp_path, GIVEN)
    write_safetensors(
        tmp_path / "adapter_model.safetensors", {"base_model.model.wte.lora_embedding_A": np.ones((2, 3))}
    )
    with pytest.raises(ModelError) as caught:
        read_peft(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/adapter_model.safetensors, tensor 'base_model.model.wte.lora_embedding_A': is no factor of a "
        f"linear: shape [2, 3]. {ADDS} Train it with target_modules that are linears, or merge it in peft and compile "
        "that."
    )


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    write_peft(tmp_path, GIVEN)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(ModelError) as caught:
        read_peft(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: has adapter_model.bin, a pickle, which runs code when it is read. Load it in peft and save it "
        "with save_pretrained(FOLDER, safe_serialization=True)."
    )


def test_a_folder_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        read_peft(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: has no adapter_config.json that can be read. Give the folder that peft's save_pretrained wrote."
    )


def test_half_a_pair(tmp_path: Path) -> None:
    write_peft(tmp_path, GIVEN)
    write_safetensors(
        tmp_path / "adapter_model.safetensors", {f"base_model.model.{Q0}.lora_A.weight": np.ones((4, 64))}
    )
    with pytest.raises(ModelError) as caught:
        read_peft(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/adapter_model.safetensors, module '{Q0}': has no lora_B. Save the adapter again."
    )


def test_a_rank_that_is_not_the_configured_one(tmp_path: Path) -> None:
    write_peft(tmp_path, GIVEN, r=5)
    with pytest.raises(ModelError) as caught:
        read_peft(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}, module '{Q0}': has rank 4 in lora_A, 4 in lora_B and 5 in adapter_config.json. "
        "Save the adapter again."
    )


def test_nan_is_refused(tmp_path: Path) -> None:
    a, b = (each.copy() for each in GIVEN[Q0])
    b[0, 0] = np.nan
    write_peft(tmp_path, {Q0: (a, b)})
    with pytest.raises(ModelError) as caught:
        read_peft(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}, module '{Q0}': has NaN or Inf in lora_B. Train it again, or leave it out."
    )


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"\x01", "its header would have 1 bytes"),
        (b"\x02\0\0\0\0\0\0\0[]", "'list' object has no attribute 'items'"),
        ((4).to_bytes(8, "little") + b"nope", "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_files_that_are_no_safetensors(tmp_path: Path, raw: bytes, problem: str) -> None:
    write_peft(tmp_path, GIVEN)
    (tmp_path / "adapter_model.safetensors").write_bytes(raw)
    with pytest.raises(ModelError) as caught:
        read_peft(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/adapter_model.safetensors: is no safetensors file: {problem}. Download or save it again."
    )


def test_a_tensor_beyond_the_end(tmp_path: Path) -> None:
    write_peft(tmp_path, GIVEN)
    file = tmp_path / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    last = list(json.loads(file.read_bytes()[8 : 8 + int.from_bytes(file.read_bytes()[:8], "little")]))[-1]
    with pytest.raises(ModelError) as caught:
        read_peft(tmp_path)
    assert str(caught.value) == (
        f"{file}: is no safetensors file: tensor {last!r} is not where the header says. Download or save it again."
    )

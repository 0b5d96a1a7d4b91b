"""Checkpoints of the kinds that are not built here: `transformers` builds the module, offline, and it is exported.

What the module takes follows from its configuration: pixels, sound, or tokens; a decoder takes a cache, and gives it
back.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import ModelError
from ..huggingface.reading import read_json
from .cached import with_cache
from .explain import first_line
from .extras import need_transformers
from .program import Dims, Program
from .quiet import quiet

if TYPE_CHECKING:
    import torch

__all__ = ["read_with_transformers"]

# What hides parts of the input while a model is trained; many checkpoints leave it out, and no graph reads it.
_IN_TRAINING = ("masked_spec_embed", "mask_token")
_TOKENS, _SECONDS, _RATE, _FRAMES = 16, 1, 16000, 200
_BESIDE = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja", "generation_config.json",
    "preprocessor_config.json",
)  # fmt: skip


def read_with_transformers(folder: Path, origin: str) -> Program:
    """Build the module of a checkpoint, and an example of what it takes.

    Args:
        folder: Absolute path of a folder with `config.json` and weights.
        origin: How messages call it.

    Raises:
        MissingExtraError: `transformers` is not installed.
        ModelError: It does not know the kind, or the checkpoint is incomplete.
    """
    need_transformers(origin)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(
            origin,
            "holds pickled weights (pytorch_model.bin), which would run code when they are read",
            remedy="Save it again with model.save_pretrained(folder, safe_serialization=True)",
        )
    module = _built(folder, origin)
    beside = [folder / name for name in _BESIDE if (folder / name).is_file()]
    common: dict[str, Any] = {
        "origin": origin,
        "files": tuple(file.resolve() for file in (folder / "config.json", *weights, *beside)),
        "companions": {file.name: file.read_bytes() for file in beside},
    }
    notes: tuple[str, ...] = ()
    if module.config.is_encoder_decoder:
        notes = (f"of {type(module).__name__} the encoder alone is exported",)
        module = module.get_encoder().eval()
    elif _is_decoder(module):
        return Program(**with_cache(module), **common)
    inputs, dims = _example(module, origin)
    return Program(module=module, inputs=inputs, dynamic=dims, notes=notes, **common)


def _built(folder: Path, origin: str) -> Any:
    """The module, in the class that the checkpoint was saved from, none of its weights made up."""
    import torch
    import transformers

    with quiet():
        try:
            module, info = _class_of(folder, origin).from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except ModelError:
            raise
        except Exception as error:  # KeyError, ValueError, OSError, ImportError: each for another thing missing
            raise ModelError(
                origin,
                f"cannot be built by transformers {transformers.__version__}: {first_line(error)}",
                remedy="Install the transformers that it was saved with, or give the code that builds it: "
                "package.module:build",
            ) from error
    missing = sorted(name for name in map(str, info["missing_keys"]) if not name.endswith(_IN_TRAINING))
    if missing:  # transformers draws them at random
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ModelError(
            origin,
            f"lacks weights of a {type(module).__name__}: {', '.join(missing[:3])}{more}",
            remedy="Copy the checkpoint again, or name the class that it was saved from under architectures in "
            "config.json",
        )
    return module.eval()


def _class_of(folder: Path, origin: str) -> Any:
    """The class that a configuration names; that of its kind where it names none.

    Raises:
        ModelError: `transformers` has no such class.
    """
    import transformers

    where = f"{origin}/config.json"
    classes = read_json(folder / "config.json", where).get("architectures")
    name = classes[0] if isinstance(classes, list) and classes else classes
    if not name:
        return transformers.AutoModel
    found = getattr(transformers, name, None) if isinstance(name, str) else None
    if not hasattr(found, "from_pretrained"):
        raise ModelError(
            where,
            f"architectures: transformers {transformers.__version__} has no model {name!r}",
            remedy="Install the transformers that it was saved with, or give the code that builds it: "
            "package.module:build",
        )
    return found


def _is_decoder(module: Any) -> bool:
    """Whether it writes text token after token, and can keep what it read."""
    name = type(module).__name__
    return name.endswith(("ForCausalLM", "LMHeadModel")) and bool(getattr(module.config, "use_cache", False))


def _example(module: Any, origin: str) -> tuple[dict[str, torch.Tensor], dict[str, Dims]]:
    """What it is called on, and which dimensions are free."""
    import inspect

    import torch

    config, main = module.config, module.main_input_name
    random = torch.Generator().manual_seed(0)
    if main == "pixel_values":
        channels, (high, wide) = getattr(config, "num_channels", 3), _image_size(config)
        image = torch.randn(1, channels, high, wide, generator=random)
        return {main: image}, {main: ("batch", channels, high, wide)}
    if main == "input_values" and hasattr(config, "num_mel_bins") and hasattr(config, "max_length"):
        size = (config.max_length, config.num_mel_bins)
        return {main: torch.randn(1, *size, generator=random)}, {main: ("batch", *size)}
    if main == "input_values":
        return {main: torch.randn(1, _SECONDS * _RATE, generator=random)}, {main: ("batch", "samples")}
    if main == "input_features":
        return _features(config, random)
    if main != "input_ids" or not hasattr(config, "vocab_size"):
        raise ModelError(
            origin,
            f"takes {main!r}, and its configuration does not tell of what sizes",
            remedy="Give code that returns (module, example inputs): package.module:build",
        )
    taken = inspect.signature(module.forward).parameters
    ids = torch.randint(0, config.vocab_size, (1, _TOKENS), generator=random)
    found = {main: ids}
    if "attention_mask" in taken:
        found["attention_mask"] = torch.ones_like(ids)
    if "token_type_ids" in taken and getattr(config, "type_vocab_size", 0) > 1:
        found["token_type_ids"] = torch.zeros_like(ids)
    return found, dict.fromkeys(found, ("batch", "length"))


def _features(config: Any, random: torch.Generator) -> tuple[dict[str, torch.Tensor], dict[str, Dims]]:
    """Spectra: (batch, mel, frames) where the model has a longest source, else (batch, frames, features)."""
    import torch

    name = "input_features"
    mels = getattr(config, "num_mel_bins", None)
    if mels is not None and getattr(config, "max_source_positions", None):
        frames = 2 * config.max_source_positions  # a convolution of stride 2 comes first
        return {name: torch.randn(1, mels, frames, generator=random)}, {name: ("batch", mels, frames)}
    width = mels or getattr(config, "feature_projection_input_dim", None) or config.hidden_size
    return {name: torch.randn(1, _FRAMES, width, generator=random)}, {name: ("batch", "frames", width)}


def _image_size(config: Any) -> tuple[int, int]:
    size = getattr(config, "image_size", 224)
    return (size[0], size[1]) if isinstance(size, list | tuple) else (size, size)

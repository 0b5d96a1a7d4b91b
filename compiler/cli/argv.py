"""The command line's words before the parser sees them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["normalised", "wants_json"]


def normalised(words: Sequence[str]) -> list[str]:
    """`--per_channel` is `--per-channel`: underscores in the names of long options become dashes.

    Values keep theirs; so does everything behind a lone `--`.
    """
    done: list[str] = []
    for index, word in enumerate(words):
        if word == "--":
            return [*done, *words[index:]]
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            word = name.replace("_", "-") + equals + value
        done.append(word)
    return done


def wants_json(words: Sequence[str]) -> bool:
    """Whether `--format json` is asked for, known before parsing so that its own errors are JSON too."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return any(word == "--format=json" or (word == "--format" and value == "json") for word, value in pairs)

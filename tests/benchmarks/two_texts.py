"""Two small sets of text of our own, seeded: recipes and weather reports, sentences made of parts."""

from __future__ import annotations

import numpy as np

__all__ = ["TEXTS", "text_of"]

_RECIPE = (
    ("Take", "Chop", "Wash", "Boil", "Fry", "Peel"),
    ("two eggs", "a cup of milk", "three onions", "some flour", "the butter", "one carrot", "the rice"),
    ("and put it in the pot.", "for ten minutes.", "and stir well.", "with salt and pepper.", "in hot oil."),
)
_WEATHER = (
    ("In the north", "On the coast", "In the hills", "Over the lake", "In the west", "At night"),
    ("it will rain", "the wind is strong", "fog will stay", "it gets colder", "the sun comes out", "snow falls"),
    ("until noon.", "all day long.", "with ten degrees.", "and roads are wet.", "before the evening."),
)
TEXTS = {"recipes": _RECIPE, "weather": _WEATHER}


def text_of(name: str, sentences: int, seed: int) -> str:
    """Sentences of a set.

    Args:
        name: `recipes` or `weather`.
        sentences: How many.
        seed: Seeds the draw.
    """
    rng = np.random.default_rng(seed)
    return " ".join(" ".join(str(rng.choice(part)) for part in TEXTS[name]) for _ in range(sentences))

"""`edgec run --prompt`: text from a decoder's bundle, told as it comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

if TYPE_CHECKING:
    from ...bundle import Bundle
    from ...runtimes.base import Session
    from ..generating.generate import Generation
    from ..generating.sampling import Sampling
    from .options import TalkOptions
    from .talk import Talk

__all__ = ["PromptOptions", "tell"]

_TEXT = "Text (bundles of decoders)"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptOptions:
    """What to go on from, and how."""

    prompt: Annotated[
        str | None,
        Option("--prompt", metavar="TEXT", help="Go on from this text; else no text is made.", rich_help_panel=_TEXT),
    ] = None
    max_new_tokens: Annotated[
        int, Option("--max-new-tokens", metavar="N", help="At most so many tokens.", rich_help_panel=_TEXT)
    ] = 128
    temperature: Annotated[
        float | None,
        Option(
            "--temperature",
            metavar="T",
            help="Draw tokens, at this temperature; 0 takes the likeliest. Else 0, or 1 with --top-p or --top-k.",
            show_default=False,
            rich_help_panel=_TEXT,
        ),
    ] = None
    top_p: Annotated[
        float | None,
        Option(
            "--top-p",
            metavar="P",
            help="Draw among the likeliest tokens that hold this share; else among all.",
            show_default=False,
            rich_help_panel=_TEXT,
        ),
    ] = None
    top_k: Annotated[
        int | None,
        Option(
            "--top-k",
            metavar="K",
            help="Draw among so many of the likeliest; else among all.",
            show_default=False,
            rich_help_panel=_TEXT,
        ),
    ] = None
    seed: Annotated[int, Option("--seed", metavar="N", help="Seeds the draws.", rich_help_panel=_TEXT)] = 0

    @property
    def sampling(self) -> Sampling:
        """How a token is chosen.

        Raises:
            OptionError: A number is out of its range.
        """
        from ...errors import OptionError
        from ..generating.sampling import Sampling

        drawn = self.top_p is not None or self.top_k is not None
        temperature = (1.0 if drawn else 0.0) if self.temperature is None else self.temperature
        try:
            return Sampling(
                temperature=temperature,
                top_k=0 if self.top_k is None else self.top_k,
                top_p=1.0 if self.top_p is None else self.top_p,
            )
        except ValueError as error:
            name, _, problem = str(error).partition(": ")
            raise OptionError(
                f"--{name.replace('_', '-')}", problem, remedy="Give one like --temperature 0.8 --top-p 0.95"
            ) from error


def tell(bundle: Bundle, session: Session, options: PromptOptions, talker: Talk, talk: TalkOptions) -> int:
    """Print the answer piece by piece, and how fast it came."""
    from ..generating.answer import answer
    from .console import print_json, print_piece
    from .request import positive

    assert options.prompt is not None
    most = positive("--max-new-tokens", options.max_new_tokens) or 0
    begun = answer(bundle, session, options.prompt, most=most, sampling=options.sampling, seed=options.seed)
    generation = begun.generation
    pieces = []
    for piece in begun.tokenizer.stream(generation):
        pieces.append(piece)
        if not talk.json:
            print_piece(piece)
    if talk.json:
        print_json(
            {
                "bundle": str(bundle.path),
                "prompt": options.prompt,
                "text": "".join(pieces),
                "prompt_tokens": list(generation.prompt),
                "tokens": generation.tokens,
                "prompt_tokens_per_second": generation.prompt_rate,
                "tokens_per_second": generation.rate,
            }
        )
    else:
        print_piece("\n")
        talker.say(_rates(generation))
    return 0


def _rates(generation: Generation) -> str:
    prompt = f"prompt: {len(generation.prompt)} tokens, {generation.prompt_rate:.1f} per second"
    after = "" if generation.rate is None else f", {generation.rate:.1f} per second"
    return f"{prompt}; answer: {len(generation.tokens)} tokens{after}"

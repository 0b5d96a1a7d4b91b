"""How much noise is too much: the default guard, and limits the user set on SQNR."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..contract import Contract
from .outputs import Fidelity

__all__ = ["Goal"]


_ROOM_DB = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """The most noise each kind of output may carry. All-int8 that keeps it is not searched at all.

    The defaults are set on real models: classifiers that keep their metric in int8 stay below 0.009 nats (textgenrnn,
    squeezenet11); lprnet, which does not, has 0.115 and espnetv2 0.2. What a language model diverges by its perplexity
    rises by: 0.008 nats cost 0.7 % and 1.2 % (stories260k, stories260k_kv). 36 dB against float cost 1 % of an image's
    PSNR where that is near 32 dB (imdn_rtc_x2). Spectra of speech enhanced to 13.6 dB lose 1 % at 28 dB, as noise adds
    up (gtcrn_stream).

    Attributes:
        divergence: KL from float's distribution over classes, nats.
        tokens: The same for a class per position of a sequence.
        dense: The same for a class per pixel, where most pixels are easy and the few at borders count.
        regret: Probability given away by choosing another class.
        image_db: SQNR of a picture.
        field_db: SQNR of values that are decoded one by one.
        values_db: SQNR of what is none of these.
        sqnr_db: SQNR of every output, whatever it is; the user's.
    """

    divergence: float = 0.012
    tokens: float = 0.006
    dense: float = 0.001
    regret: float = 0.01
    image_db: float = 36.0
    field_db: float = 28.0
    values_db: float = 20.0
    sqnr_db: float | None = None

    @classmethod
    def of(cls, contract: Contract) -> Goal:
        """The guard, and a limit on SQNR, with some room: evaluation samples are others."""
        clause = contract.clause("sqnr")
        limit = None if clause is None or clause.limit is None else clause.limit.value
        return cls(sqnr_db=None if limit is None else limit + _ROOM_DB)

    def tighter(self, factor: float) -> Goal:
        """A goal that allows `factor` times less noise."""
        more = 10 * math.log10(factor)
        return replace(
            self,
            divergence=self.divergence / factor,
            tokens=self.tokens / factor,
            dense=self.dense / factor,
            regret=self.regret / factor,
            image_db=self.image_db + more,
            field_db=self.field_db + more,
            values_db=self.values_db + more,
            sqnr_db=None if self.sqnr_db is None else self.sqnr_db + more,
        )

    def surer(self, share: float) -> Goal:
        """A goal that allows this share of the divergence, and as much noise as before of what has no classes."""
        return replace(self, divergence=self.divergence * share, tokens=self.tokens * share, dense=self.dense * share)

    def loss(self, found: Mapping[str, Fidelity]) -> float:
        """Noise over what is allowed, mean over the outputs; it adds up over independent sources of noise."""
        return sum(self._noise(each) for each in found.values()) / max(1, len(found))

    def excess(self, found: Mapping[str, Fidelity]) -> float:
        """The worst output's noise, or regret, over what is allowed: at most 1 is good enough."""
        return max((self._excess(each) for each in found.values()), default=0.0)

    def burden(self, found: Mapping[str, Fidelity]) -> float:
        """What is too much, mean over the outputs: 1 where all are good enough.

        A detector has outputs of its own for near and far: what helps one of them is worth something, too.
        """
        return sum(max(1.0, self._excess(each)) for each in found.values()) / max(1, len(found))

    def _excess(self, each: Fidelity) -> float:
        return max(self._noise(each), 0.0 if each.regret is None else each.regret / self.regret)

    def _noise(self, each: Fidelity) -> float:
        if self.sqnr_db is not None:
            return each.noise * 10 ** (self.sqnr_db / 10)
        if each.divergence is not None:
            return each.divergence / {"map": self.dense, "tokens": self.tokens}.get(each.kind, self.divergence)
        decibels = {"image": self.image_db, "field": self.field_db}.get(each.kind, self.values_db)
        return each.noise * 10 ** (decibels / 10)

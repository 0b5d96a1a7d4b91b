"""Try forms on a place: which of them its provider takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ....errors import EdgecError, HostError
from ....runtimes import runtime
from ....runtimes.base import Placement, Runtime, SessionSettings
from ..places import IN_PROCESS
from .form import Form
from .write import node_name, write

__all__ = ["Bench"]

_TOKEN = re.compile(r"(?:_token_\d+|_nchwc)+$")
# What providers put around the nodes they take, or leave around those they do not.
_AROUND = frozenset({"QuantizeLinear", "DequantizeLinear", "Transpose", "Cast", "Reshape", "Pad"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """A place, and the provider whose taste is tried.

    Attributes:
        runtime: The place.
        wanted: The provider.
        options: Session options of the bundle.
        died: Forms that ended the place's process, so far.
    """

    runtime: Runtime
    wanted: str
    options: Mapping[str, str]
    died: list[Form] = field(default_factory=list)

    def taken(self, forms: Sequence[Form]) -> list[bool]:
        """Which forms the provider takes, all tried as one model wherever that can be.

        Two forms in one model do not disturb each other, and a model costs a place more than a form does. A model
        that does not load or run is halved until the form that is to blame stands alone.
        """
        found = [False] * len(forms)
        by_opsets: dict[tuple[tuple[str, int], ...], list[int]] = {}
        for index, form in enumerate(forms):
            key = (*sorted(form.opsets.items()), ("ir", form.ir_version))
            by_opsets.setdefault(key, []).append(index)
        for indices in by_opsets.values():
            for index in self._taken(forms, indices):
                found[index] = True
        return found

    def takes(self, form: Form) -> bool:
        """Whether the provider takes this form, alone in its model."""
        placement = self._place([form])
        if placement is None:
            return False
        left = [kernel for kernel in placement.kernels if kernel.provider != self.wanted]
        return len(left) < len(placement.kernels) and not any(
            _is_of(kernel.name, 0) or kernel.op_type not in _AROUND for kernel in left
        )

    def runs_here(self, form: Form) -> bool:
        """Whether the form is a model at all: this process runs it as it is written."""
        model, feeds = write([form])
        try:
            session = runtime(IN_PROCESS).open(model, SessionSettings(threads=1, optimize=False))
            try:
                session.run(feeds)
            finally:
                session.close()
        except EdgecError:
            return False
        return True

    def _taken(self, forms: Sequence[Form], indices: Sequence[int]) -> list[int]:
        """Those of `indices` that are taken."""
        if len(indices) == 1:
            return [index for index in indices if self.takes(forms[index])]
        placement = self._place([forms[index] for index in indices])
        if placement is None:
            middle = len(indices) // 2
            return [*self._taken(forms, indices[:middle]), *self._taken(forms, indices[middle:])]
        if not any(kernel.provider == self.wanted for kernel in placement.kernels):
            return []
        names = [kernel.name for kernel in placement.kernels if kernel.provider != self.wanted]
        maybe = [index for at, index in enumerate(indices) if not any(_is_of(name, at) for name in names)]
        # Nodes that were optimized away are nowhere, and no provider's.
        return [index for index in maybe if self.takes(forms[index])]

    def _place(self, forms: Sequence[Form]) -> Placement | None:
        """Where these forms run together; None where they do not."""
        model, feeds = write(forms)
        try:
            session = self.runtime.open(model, SessionSettings(threads=1, config=self.options))
            try:
                return session.placement(feeds)
            finally:
                session.close()
        except HostError:  # a provider's kernel ends the process; the next request starts another
            if len(forms) == 1:
                self.died.append(forms[0])
            return None
        except EdgecError:
            return None


def _is_of(kernel: str, number: int) -> bool:
    """Whether a kernel is the node of a form itself, or what the runtime fused it into."""
    name, mine = _TOKEN.sub("", kernel), node_name(number)
    return name == mine or name.startswith((f"{mine}/", f"{mine}_"))

"""Progress on the terminal: a bar with the remaining time for each stage that lasts longer than a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from ..progress import Advance, Progress, Quiet

__all__ = ["watching"]

SHOWN_AFTER = 1.0


class _Late(RichProgress):
    """Draws a task only when it has run for `SHOWN_AFTER` seconds."""

    def get_renderables(self) -> Iterable[RenderableType]:
        late = [task for task in self.tasks if (task.elapsed or 0.0) >= SHOWN_AFTER]
        if late:
            yield self.make_tasks_table(late)


class _Bars:
    """`Progress` on a rich display."""

    def __init__(self, display: RichProgress) -> None:
        self._display = display

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Advance]:
        task = self._display.add_task(name, total=total)
        try:
            yield lambda units: self._display.advance(task, units)
        finally:
            self._display.remove_task(task)


def watching(console: Console, *, quiet: bool) -> AbstractContextManager[Progress]:
    """What to give to a long step; tells nobody when asked to be quiet or when stderr is no terminal."""
    return _nobody() if quiet or not console.is_terminal or console.is_dumb_terminal else _bars(console)


@contextmanager
def _nobody() -> Iterator[Progress]:
    yield Quiet()


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    display = _Late(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with display:
        yield _Bars(display)

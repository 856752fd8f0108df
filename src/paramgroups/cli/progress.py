"""How a run is watched: bars in a terminal, a few lines elsewhere, nothing in a process that is not the first.

Knows what people want to see; knows nothing of how it comes about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from paramgroups.tables import number
from paramgroups.train.job import Leg
from paramgroups.train.loop import Training
from paramgroups.train.run import Watcher

_LINES = 10  # of a training that is recorded, where there is no terminal


@contextmanager
def watching(console: Console, *, first: bool) -> Iterator[Watcher]:
    """Who watches, while the run goes on.

    Args:
        console: where to write.
        first: whether this is the process that writes.
    """
    if not first:
        yield Silence()
    elif not console.is_terminal:
        yield Lines(console)
    else:
        bars = Bars(console)
        with bars.live:
            yield bars


def status(loss: float, values: Mapping[str, float]) -> str:
    """The loss and every group's lr; groups that share an lr are named together.

    Example:
        >>> status(0.25, {"lr/head": 0.01, "weight_decay/head": 0.1, "lr/stem": 0.01, "lr/body": 0.001})
        'loss 0.2500   lr head, stem 0.01   body 0.001'
    """
    shared: dict[float, list[str]] = {}
    for key, value in values.items():
        path, _, group = key.partition("/")
        if path == "lr":
            shared.setdefault(value, []).append(group)
    each = "   ".join(f"{', '.join(groups)} {number(float(f'{value:.3g}'))}" for value, groups in shared.items())
    return f"loss {loss:.4f}" + (f"   lr {each}" if each else "")


def result(leg: Leg, accuracy: float) -> str:
    """What a leg came to."""
    return f"{leg.name}: {accuracy:.2%} of {len(leg.judge)} {'held-out' if leg.final else 'validation'} examples"


class Silence:
    """Watches, and says nothing."""

    def started(self, leg: Leg, training: Training) -> None:
        """Say nothing."""

    def updated(self, leg: Leg, training: Training, loss: float, values: Mapping[str, float]) -> None:
        """Say nothing."""

    def finished(self, leg: Leg, accuracy: float) -> None:
        """Say nothing."""


@final
class Lines(Silence):
    """A line for each training that is over, and a few of the one that is recorded."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def updated(self, leg: Leg, training: Training, loss: float, values: Mapping[str, float]) -> None:
        steps = training.horizon.steps
        if leg.recorded and training.step % -(-steps // _LINES) == 0:
            self._console.print(f"{leg.name}: step {training.step}/{steps}   {status(loss, values)}")

    def finished(self, leg: Leg, accuracy: float) -> None:
        self._console.print(result(leg, accuracy))


@final
class Bars(Silence):
    """A bar for the training under way, over the loss and every group's lr; a line for each that is over."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._status = Text()
        self._task: TaskID | None = None
        self.live = Live(Group(self._progress, self._status), console=console, transient=True, refresh_per_second=8)

    def started(self, leg: Leg, training: Training) -> None:
        self._task = self._progress.add_task(leg.name, total=training.horizon.steps, completed=training.step)
        self.live.refresh()

    def updated(self, leg: Leg, training: Training, loss: float, values: Mapping[str, float]) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=training.step)
        self._status.plain = status(loss, values)

    def finished(self, leg: Leg, accuracy: float) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._status.plain = ""
        self.live.console.print(result(leg, accuracy))

"""How torch's schedulers write one after another into one lr: step by step, each from what it finds there.

Knows, of each schedule, how the torch scheduler that it is the curve of makes the next lr from the last one; knows no
optimizer. An lr is a `Line` here, a function of the group's base, so that one replay serves every group.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import starmap
from typing import Final, final

import numpy as np

from paramgroups.schedules.base import Schedule
from paramgroups.schedules.cycles import CosineRestarts, Cyclic
from paramgroups.schedules.derived import Derived
from paramgroups.schedules.dialects.conventions import Endless, Geometric
from paramgroups.schedules.dialects.torch.curves import SWALR, Phases
from paramgroups.schedules.dialects.torch.factors import MultiplicativeLR
from paramgroups.schedules.function import Function
from paramgroups.schedules.levels import Level, Line, blend
from paramgroups.schedules.shapes import Polynomial

# Most of torch's multiply what they find by their own curve's ratio, and start at a milestone from the base. But these
SETS: Final = (CosineRestarts, Cyclic, Derived, Function, Phases)  # set the lr anew, and so wipe out what others did,
GOES_ON: Final = (MultiplicativeLR, SWALR)  # have no closed form, and so start at a milestone from the lr they find,
OVERWRITES: Final = (Cyclic, Derived, Phases)  # and leave, when they are made, an lr of their own for the others' base.

_BASE: Final = Line(1.0, 0.0)
_AHEAD: Final = 256  # steps of a curve that are computed at once


class Group:
    """What stands in a group for every scheduler to read: its lr, and what the last that was made has written there.

    That is `initial_lr`, the base of those made from then on; and the lrs of the last `OneCycleLR` and of the last
    `SWALR`, by which all of their kind go.
    """

    def __init__(self) -> None:
        self.lr = _BASE
        self.initial: Line | None = None
        self.cycle: tuple[Level, ...] = ()
        self.swa_lr = 0.0


class Twin(ABC):
    """One torch scheduler: what it does to the group when it is made, and then call by call."""

    @abstractmethod
    def begin(self) -> None:
        """Torch's `_initial_step`."""

    @abstractmethod
    def step(self) -> None:
        """Torch's `step`."""

    @abstractmethod
    def leaves(self) -> Iterator[Leaf]:
        """Those in it that are made of no others, in order."""

    @abstractmethod
    def clocks(self) -> Iterator[int]:
        """The count of steps of each in it that keeps one, in order."""


@final
class Leaf(Twin):
    """A scheduler that is made of no others.

    Args:
        schedule: Its curve.
        group: What it writes to.
    """

    def __init__(self, schedule: Schedule, group: Group) -> None:
        self._schedule = self._curve = schedule
        self._group, self._read = group, (group.cycle, group.swa_lr)
        self._lines: list[Line] = []
        self.epoch = 0
        match schedule:
            case Phases():
                group.cycle = _corners(schedule)
                group.initial = Line.of(schedule.levels[0])
            case SWALR():
                group.swa_lr = schedule.swa_lr
            case Cyclic() | Derived():
                group.initial = group.initial or self._line(0)
        self._base = group.initial = group.initial or group.lr
        if isinstance(schedule, (Cyclic, Derived)):  # which torch makes before it tells it its own lr
            group.lr = self._base
        else:
            self.begin()

    def leaves(self) -> Iterator[Leaf]:
        yield self

    def clocks(self) -> Iterator[int]:
        yield self.epoch

    def begin(self) -> None:
        self.epoch = 0
        self._write(_BASE)

    def step(self) -> None:
        self.epoch += 1
        self._write(self._line(self.epoch - 1) if self.epoch else _before(self._schedule))

    def restart(self) -> None:
        """Torch's `_update_lr(0)`, at a milestone."""
        self.epoch = 0
        if isinstance(self._schedule, GOES_ON):
            self._write(_before(self._schedule))
        else:
            self._group.lr = _through(self._line(0), self._base)

    def undo(self) -> None:
        """Take the first step back, as a sequence does before it begins; torch's `SWALR` has a count of its own."""
        if not isinstance(self._schedule, SWALR):
            self.epoch -= 1

    def _write(self, before: Line) -> None:
        """Move the lr as the curve moves from `before` to where it is now, or set it there."""
        lr, now = self._group.lr, self._line(self.epoch)
        if isinstance(self._schedule, SETS):
            self._group.lr = _through(now, self._base)
        elif before.factor:
            ratio = now.factor / before.factor
            self._group.lr = Line(ratio * lr.factor, ratio * (lr.offset - before.offset) + now.offset)
        elif isinstance(self._schedule, SWALR):
            self._group.lr = now
        else:  # from a place that is the same for every base, by as much as the curve moves from its own
            here, there = _through(now, self._base), _through(before, self._base)
            self._group.lr = Line(lr.factor + here.factor - there.factor, lr.offset + here.offset - there.offset)

    def _line(self, epoch: int) -> Line:
        """The curve at a step of its own, with the lrs that stand in the group now."""
        cycle, swa_lr = self._group.cycle, self._group.swa_lr
        if self._read != (cycle, swa_lr):
            self._read, self._lines = (cycle, swa_lr), []
            match self._schedule:
                case Phases() as own if cycle != _corners(own):
                    start, peak, end = cycle
                    self._curve = replace(own, levels=(start, peak, *(start for _ in own.levels[2:-1]), end))
                case SWALR() as own:
                    self._curve = replace(own, swa_lr=swa_lr)
        while len(self._lines) <= epoch:
            self._lines += self._more(len(self._lines))
        return self._lines[epoch]

    def _more(self, epoch: int) -> list[Line]:
        """The next lines from `epoch` on: of what calls out no more than the one that is asked for."""
        if isinstance(self._curve, MultiplicativeLR) and epoch:
            ratio = float(Function(self._curve.lr_lambda).values([epoch], 1.0)[0])
            return [Line(self._lines[-1].factor * ratio, 0.0)]
        count = _AHEAD if self._curve.closed_form else 1
        factors, offsets = self._curve.line(np.arange(epoch, epoch + count))
        return list(starmap(Line, zip(factors.tolist(), offsets.tolist(), strict=True)))


class Whole(Twin):
    """A scheduler that is made of others.

    Args:
        parts: Its schedulers, made.
    """

    def __init__(self, parts: Sequence[Twin]) -> None:
        self._parts = parts

    def leaves(self) -> Iterator[Leaf]:
        for part in self._parts:
            yield from part.leaves()

    def clocks(self) -> Iterator[int]:
        for part in self._parts:
            yield from part.clocks()

    def begin(self) -> None:
        self.step()  # as torch has it: its parts are not told that it is their first


@final
class InTurn(Whole):
    """torch's `SequentialLR`: takes the first steps of its parts back, and begins with the first.

    Args:
        parts: Its schedulers, made.
        milestones: When each but the first starts.
        group: What they write to.
    """

    def __init__(self, parts: Sequence[Twin], milestones: Sequence[int], group: Group) -> None:
        super().__init__(parts)
        self._milestones = milestones
        self.epoch = 0
        group.lr = group.initial or group.lr
        for leaf in self.leaves():
            leaf.undo()
        self._parts[bisect_right(milestones, 0)].begin()

    def clocks(self) -> Iterator[int]:
        yield self.epoch
        yield from super().clocks()

    def step(self) -> None:
        self.epoch += 1
        place = bisect_right(self._milestones, self.epoch)
        part = self._parts[place]
        if place and self._milestones[place - 1] == self.epoch and isinstance(part, Leaf):
            part.restart()
        else:
            part.step()


@final
class Together(Whole):
    """torch's `ChainedScheduler`: each of its parts steps in turn."""

    def step(self) -> None:
        for part in self._parts:
            part.step()


def _corners(cycle: Phases) -> tuple[Level, ...]:
    """First, peak and last."""
    return (*cycle.levels[:2], cycle.levels[-1])


def _through(line: Line, lr: Line) -> Line:
    """The value that a line has at an lr which is itself a line."""
    return Line(line.factor * lr.factor, line.factor * lr.offset + line.offset)


def _before(schedule: Schedule) -> Line:
    """Where torch's takes the curve to have been one step before the first; which most do not ask."""
    match schedule:
        case Geometric(stairs=False):
            return Line(_inverse(schedule.ratio ** (1.0 / schedule.steps)), 0.0)
        case MultiplicativeLR():
            return Line(_inverse(float(schedule.lr_lambda(0))), 0.0)
        case Endless(curve="cosine"):
            return Line(*(float(np.max(part)) for part in schedule._line(np.array([1.0]), 0.0)))
        case Polynomial():
            steps = int(schedule.steps)
            return blend((1.0 + 1.0 / steps) ** schedule.power, Line.of(schedule.start), Line.of(schedule.end))
    return _BASE


def _inverse(number: float) -> float:
    return 1.0 / number if number else math.inf

"""One schedule on one hyperparameter of one group: its value at any update, from a base and the journal's entries.

Knows schedules, bases and entries; knows no clock, and touches an optimizer only through the group dicts it is lent.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import repeat
from operator import itemgetter, setitem
from typing import Any, NamedTuple, TypeAlias, TypedDict, final

import numpy as np
from numpy.typing import NDArray

from paramgroups import expressions
from paramgroups.errors import EditError, ScheduledValueError
from paramgroups.hyperparameters import number, range_of, read, split, write
from paramgroups.journal import (
    Edit,
    Entry,
    Observe,
    Override,
    Rebase,
    Release,
    Reschedule,
    Restart,
    Stretch,
    Thaw,
)
from paramgroups.schedules import Schedule

Groups: TypeAlias = Sequence[MutableMapping[str, Any]]
"""An optimizer's `param_groups`."""

_STEPS_AHEAD = 256  # steps evaluated at once, so that a tick is a look into a table,
_NUMBERS_AHEAD = 1 << 16  # of at most so many numbers
_PROBES = 512  # steps at which a schedule is tried before it drives anything
_EXACT = 1e-9  # a solved base has to give the edit back to within this fraction


class Place(TypedDict):
    """The fields that every entry of the journal has."""

    step: int
    group: str
    hyperparameter: str


class Segment(NamedTuple):
    """From update `since` on: the base, the schedule, the update at which its time starts, and what it was then."""

    since: int
    base: float
    schedule: Schedule
    origin: int
    fresh: Schedule


class _Exception(NamedTuple):
    """From update `since` to before `until`: a value instead of the schedule's, or a multiple of it."""

    since: int
    until: float
    value: float | None
    scale: float | None

    @property
    def ends(self) -> int | None:
        """The update before which it ends; None where only a release ends it."""
        return None if math.isinf(self.until) else int(self.until)


@final
class Lane:
    """One hyperparameter of one group, driven by one resolved schedule.

    Its values are a function of the first base and the entries it was given; a later entry says nothing of the past.
    """

    def __init__(self, group: str, path: str, schedule: Schedule, base: float) -> None:
        self.group = group
        self.path = path
        self.entries: list[Entry] = []
        self._segments = [Segment(0, base, schedule, 0, schedule)]
        self._edits: dict[int, float] = {}
        self._overrides: list[_Exception] = []

    @property
    def name(self) -> str:
        """`hyperparameter/group`, as loggers see it."""
        return f"{self.path}/{self.group}"

    @property
    def first(self) -> Segment:
        """How it all began."""
        return self._segments[0]

    @property
    def last(self) -> Segment:
        """What is in force for the next update."""
        return self._segments[-1]

    def at(self, step: int) -> Place:
        """What every entry says of where and when."""
        return {"step": step, "group": self.group, "hyperparameter": self.path}

    def segment_at(self, step: int) -> Segment:
        """What is in force at update `step`."""
        return self._segments[bisect_right(self._segments, step, key=lambda segment: segment.since) - 1]

    def scheduled(self, step: int) -> float:
        """The schedule's value at update `step`, exceptions apart."""
        segment = self.segment_at(step)
        return segment.schedule(step - segment.origin, segment.base)

    def overridden(self, step: int) -> bool:
        """Whether something stands instead of the schedule at update `step`."""
        return self._override_at(step) is not None

    def exception_at(self, step: int) -> float | None:
        """What stands instead of the schedule's value at update `step`, if anything does."""
        override = self._override_at(step)
        if override is None:
            return self._edits.get(step)
        return override.value if override.scale is None else self.scheduled(step) * override.scale

    def _override_at(self, step: int) -> _Exception | None:
        return next((each for each in reversed(self._overrides) if each.since <= step < each.until), None)

    def value(self, step: int) -> float:
        """The value at update `step`."""
        exception = self.exception_at(step)
        return self.scheduled(step) if exception is None else exception

    def values(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values at many updates, the same as one by one."""
        found = np.empty(len(steps))
        owners = np.searchsorted([segment.since for segment in self._segments], steps, side="right") - 1
        for owner in np.unique(owners):
            here, segment = owners == owner, self._segments[owner]
            found[here] = segment.schedule.values(steps[here] - segment.origin, segment.base)
        return self.excepted(steps, found)

    def plain_from(self, step: int) -> bool:
        """Whether nothing stands instead of the schedule's values, at update `step` or later."""
        edited = bool(self._edits) and self.last.since >= step
        return not edited and all(each.until <= step for each in self._overrides)

    def excepted(self, steps: NDArray[np.int64], scheduled: NDArray[np.float64]) -> NDArray[np.float64]:
        """The schedule's values at these updates, or what stands there instead."""
        found: NDArray[np.float64] = scheduled.copy()
        for step, value in self._edits.items():
            found[steps == step] = value
        for each in self._overrides:
            here = (steps >= each.since) & (steps < each.until)
            found[here] = scheduled[here] * each.scale if each.scale is not None else each.value
        return found

    def add(self, entry: Entry) -> None:
        """Take an entry of the journal into account, from its step on."""
        self.entries.append(entry)
        if isinstance(entry, (Override, Release)):
            self._overrides = [each._replace(until=min(each.until, entry.step)) for each in self._overrides]
        if isinstance(entry, Override):
            until = math.inf if entry.until is None else entry.until
            self._overrides.append(_Exception(entry.step, until, entry.value, entry.scale))
        elif not isinstance(entry, Release):
            self._edits.pop(entry.step, None)
            if isinstance(entry, Edit):
                self._edits[entry.step] = entry.value
            self._segments.append(_next(self.last, entry)._replace(since=entry.step))

    def after(self, bases: Mapping[str, float], entries: Iterable[Entry]) -> Lane:
        """The same lane with the base and the entries of a group's past."""
        lane = Lane(self.group, self.path, self.first.schedule, bases.get(self.path, self.first.base))
        for entry in entries:
            if entry.hyperparameter == self.path:
                lane.add(replace(entry, group=self.group))
        return lane

    def edited(self, step: int, written: object) -> Edit | Override:
        """The entry that a value written by hand before update `step` comes to.

        It is solved for the base, so that the curve passes through it; where no valid base does that, it stands
        until released, and in the place of an override as long as that would have.

        Raises:
            EditError: the value is none the hyperparameter could have.
        """
        value = number(written)
        if value not in range_of(self.path):
            raise EditError(self.name, written, self.value(step), step, f"it must be {range_of(self.path)}")
        override = self._override_at(step)
        if override is not None:
            return Override(**self.at(step), value=value, until=override.ends)
        new = self._solved(step, value)
        if new is None:
            return Override(**self.at(step), value=value)
        return Edit(**self.at(step), value=value, old=self.last.base, new=new)

    def check(self, last: int) -> None:
        """Try the schedule at steps from the present segment's start to `last`; one that calls out, at one alone.

        Raises:
            ScheduledValueError: one of its values is none the hyperparameter could have.
        """
        since = self.last.since
        count = _PROBES if self.last.schedule.closed_form else 1
        steps = np.unique(np.linspace(since, max(since, last), count).astype(np.int64))
        values = self.values(steps)
        for index in {int(values.argmin()), int(values.argmax())}:
            self.check_value(int(steps[index]), float(values[index]))

    def check_value(self, step: int, value: float) -> None:
        """Accept a value that the hyperparameter could have.

        Raises:
            ScheduledValueError: it could not.
        """
        allowed = range_of(self.path)
        if value not in allowed:
            segment = self.segment_at(step)
            raise ScheduledValueError(self.name, repr(segment.schedule), step, value, segment.base, str(allowed))

    def _solved(self, step: int, value: float) -> float | None:
        """The base with which the schedule has `value` at update `step`, if a valid one does."""
        segment = self.segment_at(step)
        if not segment.schedule.affine:
            return None
        factor, offset = (float(part[0]) for part in segment.schedule.line([step - segment.origin]))
        if factor == 0.0:
            return value if offset == 0.0 else None
        base = (value - offset) / factor
        reproduced = math.isclose(factor * base + offset, value, rel_tol=_EXACT, abs_tol=0.0)
        return base if base in range_of(self.path) and reproduced else None


def _next(segment: Segment, entry: Edit | Rebase | Restart | Reschedule | Stretch | Observe | Thaw) -> Segment:
    """What is in force after an entry, where `segment` was before."""
    match entry:
        case Edit() | Rebase():
            return segment._replace(base=entry.new)
        case Restart():
            return segment._replace(schedule=segment.fresh, origin=entry.step)
        case Reschedule():
            schedule = expressions.read(entry.schedule)
            return Segment(entry.step, entry.base, schedule, entry.step, schedule)
        case Stretch():
            moments = {"at": entry.step, "old": entry.old, "new": entry.new}
            local = {key: moment - segment.origin for key, moment in moments.items()}
            return segment._replace(schedule=segment.schedule.stretch(**local))
        case Thaw():
            warmup = expressions.read(entry.warmup).shift(entry.step - segment.origin)
            return segment._replace(schedule=segment.schedule * warmup)
        case Observe():
            return segment._replace(schedule=segment.schedule.seen(entry.step - segment.origin, float(entry.metric)))


@final
class Bank:
    """Lanes on one hyperparameter that share a schedule: read, compared and written together.

    Whether anything but what was `written` stands in the groups is asked before and after every update, so the driver
    asks without a call: `[*map(bank.take, bank.own(groups))] != bank.written`.

    Args:
        lanes: at least one, all of one hyperparameter, schedule and origin.
        indices: for each lane where its group stands in `param_groups`.
        groups: `optimizer.param_groups`. It is handed over at every use, because its dicts may be replaced.
    """

    def __init__(self, lanes: Sequence[Lane], indices: Sequence[int], groups: Groups) -> None:
        self.lanes = list(lanes)
        self.whole = list(indices) == list(range(len(groups)))
        self._indices = indices
        self._schedule, self._origin = lanes[0].last.schedule, lanes[0].last.origin
        self._path = lanes[0].path
        name, index = split(self._path)
        plain = index is None and all(type(group[name]) in {float, int} for group in self.own(groups))
        self.take: Callable[[Mapping[str, Any]], Any] = itemgetter(name) if plain else partial(read, path=self._path)
        self._put: Callable[[MutableMapping[str, Any], str, float], None] = setitem if plain else write
        self._bases = np.array([lane.last.base for lane in lanes])
        self._changed = [(index, lane) for index, lane in enumerate(lanes) if lane.entries]
        self._since, self._ahead, self._suspect = 0, np.empty((0, len(lanes))), False
        self.written = self._read(groups)

    def edits(self, groups: Groups) -> list[tuple[Lane, object, float]]:
        """The lanes whose value is not what was last written: lane, what stands there, what was written."""
        compared = zip(self.lanes, self._read(groups), self.written, strict=True)
        return [(lane, now, was) for lane, now, was in compared if number(now) != was]

    def write(self, groups: Groups, step: int) -> None:
        """Put every lane's value for update `step` into its group."""
        ahead = step - self._since
        if not 0 <= ahead < len(self._ahead):
            self._look_ahead(step)
            ahead = 0
        values: list[float] = self._ahead[ahead].tolist()
        if self._suspect:
            for lane, value in zip(self.lanes, values, strict=True):
                lane.check_value(step, value)
        own = groups if self.whole else self.own(groups)
        any(map(self._put, own, repeat(self._path), values))  # goes through all: neither way to put returns anything
        self.written = values if self._put is setitem else self._read(groups)

    def _look_ahead(self, step: int) -> None:
        """Compute the values of every lane from `step` on, a row an update, as bases and entries now have them."""
        count = max(1, min(_STEPS_AHEAD, _NUMBERS_AHEAD // len(self.lanes))) if self._schedule.closed_form else 1
        steps = np.arange(step, step + count)
        if self._schedule.affine:
            factors, offsets = self._schedule.line(steps - self._origin)
            values: NDArray[np.float64] = factors[:, None] * self._bases + offsets[:, None]
        else:
            bases, places = np.unique(self._bases, return_inverse=True)
            each = [self._schedule.values(steps - self._origin, base) for base in bases]
            values = np.stack(each, axis=1)[:, places]
        for index, lane in self._changed:
            if not lane.plain_from(step):
                values[:, index] = lane.excepted(steps, values[:, index])
        allowed = range_of(self._path)
        self._suspect = float(values.min()) not in allowed or float(values.max()) not in allowed
        self._since, self._ahead = step, values

    def own(self, groups: Groups) -> Groups:
        """The groups of the lanes; where these are the `whole`, take them as they are."""
        return [groups[index] for index in self._indices]

    def _read(self, groups: Groups) -> list[Any]:
        return [*map(self.take, self.own(groups))]

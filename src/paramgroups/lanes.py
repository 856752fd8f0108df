"""One schedule on one hyperparameter of one group: its value at any update, from a base and the journal's entries.

Knows schedules, bases and entries; knows no clock, and touches an optimizer only through the group dicts it is lent.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import MutableMapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from paramgroups.errors import EditError, ScheduledValueError
from paramgroups.hyperparameters import range_of, read, split, write
from paramgroups.journal import Edit, Entry, Override, Rebase
from paramgroups.schedules import Schedule

_BLOCK = 256  # steps evaluated at once, so that a tick is a look into a list
_PROBES = 512  # steps at which a schedule is tried before it drives anything
_EXACT = 1e-9  # a solved base has to give the edit back to within this fraction


@final
class Course:
    """A resolved schedule, evaluated block by block."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.affine = schedule.affine
        self._lines: tuple[int, list[float], list[float]] = (0, [], [])
        self._values: dict[float, tuple[int, list[float]]] = {}

    def line(self, step: int) -> tuple[float, float]:
        """Factor and offset of an affine schedule at `step`."""
        start, factors, offsets = self._lines
        if not start <= step < start + len(factors):
            start = step
            factor, offset = self.schedule.line(np.arange(step, step + _BLOCK))
            factors, offsets = factor.tolist(), offset.tolist()
            self._lines = start, factors, offsets
        return factors[step - start], offsets[step - start]

    def value(self, step: int, base: float) -> float:
        """The value at `step` for a group whose base is `base`."""
        if self.affine:
            factor, offset = self.line(step)
            return factor * base + offset
        start, values = self._values.get(base, (0, []))
        if not start <= step < start + len(values):
            start, values = step, self.schedule.values(np.arange(step, step + _BLOCK), base).tolist()
            self._values[base] = start, values
        return values[step - start]


@final
class Lane:
    """One hyperparameter of one group, driven by one course.

    Its values are a function of the first base and the entries it was given; a later entry says nothing of the past.
    """

    def __init__(self, group: str, path: str, course: Course, base: float) -> None:
        self.group = group
        self.path = path
        self.course = course
        self.first_base = base
        self.entries: list[Entry] = []
        self._since = [0]
        self._bases = [base]
        self._edits: dict[int, float] = {}
        self._overrides: list[tuple[int, int | None, float]] = []

    @property
    def name(self) -> str:
        """`hyperparameter/group`, as loggers see it."""
        return f"{self.path}/{self.group}"

    @property
    def base(self) -> float:
        """The base in force for the next update."""
        return self._bases[-1]

    def base_at(self, step: int) -> float:
        """The base in force at update `step`."""
        return self._bases[bisect_right(self._since, step) - 1]

    def override_at(self, step: int) -> float | None:
        """What stands instead of the schedule at update `step`, if anything does."""
        for since, until, value in reversed(self._overrides):
            if since <= step and (until is None or step < until):
                return value
        return None

    def value(self, step: int) -> float:
        """The value at update `step`."""
        override = self.override_at(step)
        if override is not None:
            return override
        edit = self._edits.get(step)
        return self.course.value(step, self.base_at(step)) if edit is None else edit

    def values(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values at many updates, the same as one by one."""
        found = np.empty(len(steps))
        segments = np.searchsorted(np.asarray(self._since), steps, side="right") - 1
        for segment in np.unique(segments):
            here = segments == segment
            found[here] = self.course.schedule.values(steps[here], self._bases[segment])
        for step, value in self._edits.items():
            found[steps == step] = value
        for since, until, value in self._overrides:
            found[(steps >= since) & ((steps < until) if until is not None else True)] = value
        return found

    def add(self, entry: Entry) -> None:
        """Take an entry of the journal into account, from its step on."""
        self.entries.append(entry)
        if isinstance(entry, Override):
            self._end_overrides(entry.step)
            self._overrides.append((entry.step, entry.until, entry.value))
            return
        if isinstance(entry, (Edit, Rebase)):
            self._since.append(entry.step)
            self._bases.append(entry.new)
            if isinstance(entry, Edit):
                self._edits[entry.step] = entry.value
            else:
                self._edits.pop(entry.step, None)
        else:
            self._end_overrides(entry.step)

    def edited(self, step: int, value: float) -> Edit | Override:
        """The entry that a value written by hand before update `step` comes to.

        It is solved for the base, so that the curve passes through it; where no valid base does that, it stands
        until released.

        Raises:
            EditError: the value is none the hyperparameter could have.
        """
        if value not in range_of(self.path):
            raise EditError(self.name, value, self.value(step), step, f"it must be {range_of(self.path)}")
        new = None if self.override_at(step) is not None else self._solved(step, value)
        if new is None:
            return Override(step=step, group=self.group, hyperparameter=self.path, value=value, until=None)
        return Edit(step=step, group=self.group, hyperparameter=self.path, value=value, old=self.base, new=new)

    def check(self, last: int) -> None:
        """Try the schedule at steps from 0 to `last`.

        Raises:
            ScheduledValueError: one of its values is none the hyperparameter could have.
        """
        steps = np.unique(np.linspace(0, last, _PROBES).astype(np.int64))
        allowed = range_of(self.path)
        for step, value in zip(steps.tolist(), self.values(steps).tolist(), strict=True):
            if value not in allowed:
                schedule = repr(self.course.schedule)
                raise ScheduledValueError(self.name, schedule, step, value, self.base_at(step), str(allowed))

    def _end_overrides(self, step: int) -> None:
        self._overrides = [
            (since, step if until is None or until > step else until, value) for since, until, value in self._overrides
        ]

    def _solved(self, step: int, value: float) -> float | None:
        if not self.course.affine:
            return None
        factor, offset = self.course.line(step)
        if factor == 0.0:
            return value if offset == 0.0 else None
        base = (value - offset) / factor
        reproduced = math.isclose(factor * base + offset, value, rel_tol=_EXACT, abs_tol=0.0)
        return base if base in range_of(self.path) and reproduced else None


@final
class Bank:
    """Lanes on one hyperparameter that share a course: read, compared and written together."""

    def __init__(self, lanes: Sequence[Lane], groups: Sequence[MutableMapping[str, Any]]) -> None:
        self.lanes = list(lanes)
        self._groups = list(groups)
        self._course = lanes[0].course
        self._path = lanes[0].path
        name, index = split(self._path)
        self._plain = index is None and all(type(group[name]) in {float, int} for group in groups)
        self._bases = np.array([lane.base for lane in lanes])
        self._changed = [(index, lane) for index, lane in enumerate(lanes) if lane.entries]
        self._last = self._read()

    def edits(self) -> list[tuple[Lane, float, float]]:
        """The lanes whose value was changed since it was last written: lane, what stands there, what was written."""
        live = self._read()
        if live == self._last:
            return []
        found = [(a, b, c) for a, b, c in zip(self.lanes, live, self._last, strict=True) if b != c]
        self._last = live
        return found

    def write(self, step: int) -> None:
        """Put every lane's value for update `step` into its group."""
        if self._course.affine:
            factor, offset = self._course.line(step)
            values = (self._bases * factor + offset).tolist()
        else:
            values = [self._course.value(step, base) for base in self._bases.tolist()]
        for index, lane in self._changed:
            values[index] = lane.value(step)
        if self._plain:
            path = self._path
            for group, value in zip(self._groups, values, strict=True):
                group[path] = value
            self._last = values
        else:
            for group, value in zip(self._groups, values, strict=True):
                write(group, self._path, value)
            self._last = self._read()

    def _read(self) -> list[float]:
        if self._plain:
            path = self._path
            return [group[path] for group in self._groups]
        return [read(group, self._path) for group in self._groups]

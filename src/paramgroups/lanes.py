"""One schedule on one hyperparameter of one group: its value at any update, from a base and the journal's entries.

Knows schedules, bases and entries; knows no clock, and touches an optimizer only through the group dicts it is lent.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from paramgroups.errors import EditError, ScheduledValueError
from paramgroups.hyperparameters import range_of, read, split, write
from paramgroups.journal import Edit, Entry, Override, Rebase
from paramgroups.schedules import Schedule

Groups: TypeAlias = Sequence[MutableMapping[str, Any]]
"""An optimizer's `param_groups`."""

_STEPS_AHEAD = 256  # steps evaluated at once, so that a tick is a look into a list,
_NUMBERS_AHEAD = 1 << 16  # of at most so many numbers
_PROBES = 512  # steps at which a schedule is tried before it drives anything
_EXACT = 1e-9  # a solved base has to give the edit back to within this fraction


@final
class Lane:
    """One hyperparameter of one group, driven by one resolved schedule.

    Its values are a function of the first base and the entries it was given; a later entry says nothing of the past.
    """

    def __init__(self, group: str, path: str, schedule: Schedule, base: float) -> None:
        self.group = group
        self.path = path
        self.schedule = schedule
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

    def exception_at(self, step: int) -> float | None:
        """The override at update `step`, or the very value that was written by hand for it."""
        override = self.override_at(step)
        return self._edits.get(step) if override is None else override

    def value(self, step: int) -> float:
        """The value at update `step`."""
        exception = self.exception_at(step)
        return self.schedule(step, self.base_at(step)) if exception is None else exception

    def values(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values at many updates, the same as one by one."""
        found = np.empty(len(steps))
        segments = np.searchsorted(np.asarray(self._since), steps, side="right") - 1
        for segment in np.unique(segments):
            here = segments == segment
            found[here] = self.schedule.values(steps[here], self._bases[segment])
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

    def after(self, bases: Mapping[str, float], entries: Iterable[Entry]) -> Lane:
        """The same lane with the base and the entries of a group's past."""
        lane = Lane(self.group, self.path, self.schedule, bases.get(self.path, self.first_base))
        for entry in entries:
            if entry.hyperparameter == self.path:
                lane.add(replace(entry, group=self.group))
        return lane

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
        """Try the schedule at steps from 0 to `last`; one that calls out, at step 0 alone.

        Raises:
            ScheduledValueError: one of its values is none the hyperparameter could have.
        """
        steps = np.unique(np.linspace(0, last, _PROBES).astype(np.int64)) if self.schedule.closed_form else np.arange(1)
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
            raise ScheduledValueError(self.name, repr(self.schedule), step, value, self.base_at(step), str(allowed))

    def _end_overrides(self, step: int) -> None:
        self._overrides = [
            (since, step if until is None or until > step else until, value) for since, until, value in self._overrides
        ]

    def _solved(self, step: int, value: float) -> float | None:
        if not self.schedule.affine:
            return None
        factor, offset = (float(part[0]) for part in self.schedule.line([step]))
        if factor == 0.0:
            return value if offset == 0.0 else None
        base = (value - offset) / factor
        reproduced = math.isclose(factor * base + offset, value, rel_tol=_EXACT, abs_tol=0.0)
        return base if base in range_of(self.path) and reproduced else None


@final
class Bank:
    """Lanes on one hyperparameter that share a schedule: read, compared and written together.

    Args:
        lanes: at least one, all of one schedule and hyperparameter.
        indices: for each lane where its group stands in `param_groups`.
        groups: `optimizer.param_groups`. It is handed over at every use, because its dicts may be replaced.
    """

    def __init__(self, lanes: Sequence[Lane], indices: Sequence[int], groups: Groups) -> None:
        self.lanes = list(lanes)
        self._indices = None if list(indices) == list(range(len(groups))) else list(indices)
        self._schedule = lanes[0].schedule
        self._path = lanes[0].path
        name, index = split(self._path)
        self._plain = index is None and all(type(group[name]) in {float, int} for group in self._own(groups))
        self._value_in = itemgetter(name)
        self._bases = np.array([lane.base for lane in lanes])
        self._suspects: frozenset[int] = frozenset()
        self._ahead: tuple[int, list[list[float]]] = (0, [])
        self._changed = [(index, lane) for index, lane in enumerate(lanes) if lane.entries]
        self._last = self._read(groups)

    def edits(self, groups: Groups) -> list[tuple[Lane, float, float]]:
        """The lanes whose value is not what was last written: lane, what stands there, what was written."""
        live = self._read(groups)
        if live == self._last:
            return []
        found = [
            (lane, float(now), was) for lane, now, was in zip(self.lanes, live, self._last, strict=True) if now != was
        ]
        self._last = live
        return found

    def write(self, groups: Groups, step: int) -> None:
        """Put every lane's value for update `step` into its group."""
        start, rows = self._ahead
        if not start <= step < start + len(rows):
            start, rows = self._ahead = step, self._rows(step)
        values = rows[step - start]
        if step in self._suspects:
            for lane, value in zip(self.lanes, values, strict=True):
                lane.check_value(step, value)
        for index, lane in self._changed:
            exception = lane.exception_at(step)
            if exception is not None:
                values[index] = exception
        path = self._path
        if self._plain:
            for group, value in zip(self._own(groups), values, strict=True):
                group[path] = value
            self._last = values
        else:
            for group, value in zip(self._own(groups), values, strict=True):
                write(group, path, value)
            self._last = self._read(groups)

    def _rows(self, step: int) -> list[list[float]]:
        """The values of every lane from `step` on, a row an update, as the present bases give them."""
        count = max(1, min(_STEPS_AHEAD, _NUMBERS_AHEAD // len(self.lanes))) if self._schedule.closed_form else 1
        steps = np.arange(step, step + count)
        if self._schedule.affine:
            factors, offsets = self._schedule.line(steps)
            values = factors[:, None] * self._bases + offsets[:, None]
        else:
            bases, places = np.unique(self._bases, return_inverse=True)
            values = np.stack([self._schedule.values(steps, base) for base in bases], axis=1)[:, places]
        allowed = range_of(self._path)
        fits = float(values.min()) in allowed and float(values.max()) in allowed
        self._suspects = frozenset() if fits else frozenset(steps.tolist())
        rows: list[list[float]] = values.tolist()
        return rows

    def _own(self, groups: Groups) -> Groups:
        return groups if self._indices is None else [groups[index] for index in self._indices]

    def _read(self, groups: Groups) -> list[float]:
        own = groups if self._indices is None else self._own(groups)
        if self._plain:
            return list(map(self._value_in, own))
        return [read(group, self._path) for group in own]

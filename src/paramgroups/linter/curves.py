"""One hyperparameter over a run, as plain facts: sampled values, when it ends, its joins, milestones and floors.

Knows what the facts are; where they come from, and what is wrong with them, is others' to know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias, final

import numpy as np

from paramgroups.schedules import Horizon
from paramgroups.schedules.levels import Array

Tick: TypeAlias = Literal["step", "epoch"]
"""What one tick of a curve is."""

NOTHING: Final[Array] = np.empty(0)
"""The values of a curve that has none, as long as its base is unknown."""


@final
@dataclass(frozen=True)
class Time:
    """How long the run is, as far as that is known, and what one tick of the curve is.

    Example:
        >>> Time(1000, 10.0, "step").ticks, Time(1000, 10.0, "epoch").ticks, Time(1000, 10.0, None).ticks
        (1000, 10, None)
    """

    steps: int | None = None
    epochs: float | None = None
    tick: Tick | None = "step"

    @classmethod
    def of(cls, horizon: Horizon | None, tick: Tick | None = "step") -> Time:
        """The time that a horizon states."""
        return cls(tick=tick) if horizon is None else cls(horizon.steps, horizon.epochs, tick)

    @property
    def ticks(self) -> int | None:
        """How many ticks the run has; None where that is unknown, as between steps and epochs."""
        if self.tick == "epoch":
            return None if self.epochs is None else math.ceil(self.epochs)
        return self.steps if self.tick or self.epochs is None else None

    @property
    def batches(self) -> float:
        """Steps in an epoch; 1 where that is unknown."""
        return self.steps / self.epochs if self.steps and self.epochs else 1.0

    @property
    def noun(self) -> str:
        """What to call a tick."""
        return self.tick or "tick"


class Join(NamedTuple):
    """Where one part of a curve gives way to the next, and how far it jumps there, as a share of the peak."""

    tick: int
    share: float


class Floor(NamedTuple):
    """A level in the hyperparameter's own unit to which a curve is to fall, and the value from which it does."""

    level: float
    top: float


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One hyperparameter of some groups, from one base, whoever computes it.

    Args:
        path: the hyperparameter.
        groups: the groups that have it, by name; none for a schedule by itself.
        base: what its factors multiply, where that is known.
        time: how long the run is.
        ticks: moments in order, from the first that is known to the end of the run, or where that is unknown its own.
        values: the value at each of them.
        length: the tick at which it ends, where it has an end.
        last: its value there, where it has one.
        after: what it does then.
        stepwise: whether its end is that of steps, of which each holds as long as need be.
        coming_back: whether it is one that comes back on purpose.
        metric: whether a metric decides.
        joins: where its parts meet, but for jumps that are there on purpose.
        milestones: when its steps are due, as they are given; a tuple for each list of them.
        phases: when its parts are due, where a user gave that.
        floors: see `Floor`.
        small: factors that look like values in the hyperparameter's own unit.
        percent: the share of the run that its parts add up to, where percentages say so.
    """

    path: str
    groups: tuple[str, ...] = ()
    base: float | None = None
    time: Time = field(default_factory=Time)
    ticks: Array = field(default_factory=lambda: NOTHING)
    values: Array = field(default_factory=lambda: NOTHING)
    length: int | None = None
    last: float | None = None
    after: Literal["holds", "rises", "raises"] = "holds"
    stepwise: bool = False
    coming_back: bool = False
    metric: bool = False
    joins: tuple[Join, ...] = ()
    milestones: tuple[tuple[int, ...], ...] = ()
    phases: tuple[int, ...] = ()
    floors: tuple[Floor, ...] = ()
    small: tuple[float, ...] = ()
    percent: float = 0.0

    @property
    def places(self) -> list[str]:
        """Where it stands, as `hyperparameter/group`."""
        return [f"{self.path}/{group}" for group in self.groups] or [self.path]

    @property
    def moments(self) -> tuple[int, ...]:
        """When anything is due that a user gave a time for."""
        return tuple(moment for own in (*self.milestones, self.phases) for moment in own)

    @property
    def last_milestone(self) -> int:
        """When the last of its steps is due; 0 where it has none."""
        return max((moment for own in self.milestones for moment in own), default=0)

    @property
    def peak(self) -> float:
        """Its greatest value in the run; no less than the base, where its beginning is not known."""
        unseen = self.base if self.base is not None and not self.whole else 0.0
        return float(self.values.max(initial=unseen)) if self.values.size else 0.0

    @property
    def whole(self) -> bool:
        """Whether its beginning is known."""
        return self.ticks.size > 0 and self.ticks[0] == 0

    def at(self, tick: float | None) -> float | None:
        """The value at a tick, if that is one of `ticks`."""
        found = np.flatnonzero(self.ticks == tick)
        return float(self.values[found[0]]) if len(found) else None

    def share(self, value: float | None) -> float | None:
        """A value as a share of the peak; None where there is none."""
        return value / self.peak if value is not None and self.peak else None

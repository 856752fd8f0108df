"""The curves that come back: cycles up and down, and cosines that start again.

Knows which cycle a moment is in; knows nothing of what a cycle is used for.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import final

import numpy as np

from paramgroups.errors import DurationError, ScheduleArgumentError
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Array, Level, Line, blend
from paramgroups.schedules.shapes import put_number, require_time
from paramgroups.schedules.units import Duration, as_duration, as_whole

_DOUBLINGS = 50  # of the period at most, where a growing cycle is to end


class Cycles(Schedule):
    """A schedule of so many cycles, whose amplitude may fall; None is open-ended."""

    cycles: int | None
    decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        put_number(self, "decay", lambda decay: 0 < decay <= 1, "a number in (0, 1]")
        if self.cycles is not None:
            cycles = as_whole(self.cycles)
            if not cycles:
                raise self._wrong_cycles("a whole number > 0, or None for ever")
            object.__setattr__(self, "cycles", cycles)

    def _wrong_cycles(self, allowed: str) -> ScheduleArgumentError:
        return ScheduleArgumentError("cycles", self.cycles, type(self).__name__, allowed)

    @property
    def _open_ended(self) -> bool:
        return self.cycles is None

    def _cycle(self, times: Array, period: int) -> tuple[Array, Array]:
        """Where all cycles are as long, the number from 0 of that of each moment, and the time in it."""
        cycle, local = np.divmod(times, period)
        if self.cycles is None:
            return cycle, local
        return np.minimum(cycle, self.cycles - 1), np.where(cycle < self.cycles, local, period)


@final
@dataclass(frozen=True, repr=False)
class Cyclic(Cycles):
    """Straight up from `start` to `peak` and down again, over and over.

        v(t) = start + (peak - start) * x * decay ** c * gamma ** t * scale(c),   c = floor(t / (up + down))
        x = s / up if s < up else (up + down - s) / down,   s = t - c * (up + down)

    Smith (2017), section 3, arXiv:1506.01186; torch's `CyclicLR`. Its "triangular" is the default, "triangular2" is
    `decay=0.5`, "exp_range" is `gamma=0.99994`, and a `scale_fn` of the cycle is `scale`, of the step a product:
    `Derived(Cyclic(up, start=0.0) * of_the_step, at_zero=start)`.

    Momentum goes the other way by the same class: `momentum=Cyclic(up, start=Absolute(0.9), peak=Absolute(0.8))`.

    Args:
        up: How long each way up is.
        down: How long each way down is; None is as long as `up`. One of the two may be 0.
        start: Level at the ends of each cycle: a factor of the base, or `Absolute`.
        peak: Level in the middle of the first, likewise.
        decay: What each cycle multiplies the amplitude by, in (0, 1].
        gamma: What each step multiplies the amplitude by, in (0, 1].
        scale: A further factor of the amplitude, a schedule whose steps are the cycles, counted from 0; such as
            `Function(lambda cycle: 1 / (cycle + 1))`.
        cycles: How many, a whole number > 0, after which `start` holds; None is open-ended.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `up` or `down` is not a duration, or both are no steps at all.

    Example:
        >>> Cyclic(2, start=0.0, decay=0.5).values(9, base=1.0)
        array([0.  , 0.5 , 1.  , 0.5 , 0.  , 0.25, 0.5 , 0.25, 0.  ])
    """

    up: Duration
    down: Duration | None = None
    _: KW_ONLY
    start: Level
    peak: Level = 1.0
    decay: float = 1.0
    gamma: float = 1.0
    scale: Schedule | None = None
    cycles: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        put_number(self, "gamma", lambda gamma: 0 < gamma <= 1, "a number in (0, 1]")
        for name, ramp in (("up", self.up), ("down", self._down)):
            as_duration(ramp, f"Cyclic.{name}", rest=False)
        if self.up == self._down == 0:
            raise DurationError(0, "Cyclic.up", "is no time at all", "Give 1 step or more, up or down.")
        scale = self.scale
        if scale is not None and not (scale.pure_factor and scale.resolved and not scale.driven_by_metric):
            raise ScheduleArgumentError("scale", scale, "Cyclic", "a schedule of plain factors and whole durations")

    @property
    def _down(self) -> Duration:
        return self.up if self.down is None else self.down

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({type(self.start), type(self.peak)})

    @property
    def _length(self) -> int:
        return (self.cycles or 1) * (int(self.up) + int(self._down))

    def _line(self, times: Array, base: float) -> Line:
        up, down = int(self.up), int(self._down)
        cycle, local = self._cycle(times, up + down)
        height = np.where(local < up, local / max(up, 1), (up + down - local) / max(down, 1))
        height = height * np.power(self.decay, cycle) * np.power(self.gamma, times)
        if self.scale is not None:
            height = height * self.scale._line(cycle, 1.0).factor
        return blend(height, Line.of(self.peak), Line.of(self.start))


@final
@dataclass(frozen=True, repr=False)
class CosineRestarts(Cycles):
    """Half a cosine from `start` to `end`, and again from the start, over longer and longer cycles.

        v(t) = w * start * decay ** c + (1 - w) * end,   w = (1 + cos(pi * (s / n) ** k_decay)) / 2

    c is the number of the cycle, from 0, s the time in it, and n = period * growth ** c its length. SGDR: Loshchilov &
    Hutter (2017), section 3, arXiv:1608.03983, as torch's `CosineAnnealingWarmRestarts`; `k_decay` is that of Zhang &
    Li (2020), arXiv:2004.05909. A step at which a cycle starts is its start, so that whole steps come to `end` only
    after the last.

    Args:
        period: How long the first cycle is, > 0.
        growth: How much longer each cycle is than the one before it, >= 1. torch's `T_mult`.
        decay: What each cycle multiplies `start` by, in (0, 1].
        k_decay: Exponent of the share of a cycle that is over, > 0; above 1 it stays high longer.
        cycles: How many, a whole number > 0, after which `end` holds; None is open-ended.
        start: Level at the start of the first cycle: a factor of the base, or `Absolute`.
        end: Level that each cycle goes to, likewise.

    Raises:
        ScheduleArgumentError: If an argument is none of these, or the last cycle 2**50 times as long as the first.
        DurationError: If `period` is not a duration, or no steps at all.

    Example:
        >>> CosineRestarts(2, growth=2, decay=0.5).values(7, base=1.0).round(3)
        array([1.   , 0.5  , 0.5  , 0.427, 0.25 , 0.073, 0.25 ])
    """

    period: Duration
    _: KW_ONLY
    growth: float = 1.0
    decay: float = 1.0
    k_decay: float = 1.0
    cycles: int | None = None
    start: Level = 1.0
    end: Level = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_time(self.period, "CosineRestarts.period")
        put_number(self, "growth", lambda growth: growth >= 1, "a finite number >= 1")
        put_number(self, "k_decay", lambda power: power > 0, "a finite number > 0")
        if math.log2(self.growth) * ((self.cycles or 1) - 1) > _DOUBLINGS:
            raise self._wrong_cycles(f"so few that the last is not over 2**{_DOUBLINGS} times as long as the first")

    @property
    def _length(self) -> int:
        if self.growth == 1.0:
            return int(self.period) * (self.cycles or 1)
        return math.ceil(self._starts(math.inf)[-1]) if self.cycles else 0

    def _starts(self, last: float) -> Array:
        """When each cycle starts, up to the first that starts after `last`, or to the end of the last cycle."""
        starts, span = [0.0], float(int(self.period))
        while starts[-1] <= last and len(starts) <= (self.cycles or math.inf):
            starts.append(starts[-1] + span)
            span *= self.growth
        return np.array(starts)

    def _line(self, times: Array, base: float) -> Line:
        if self.growth == 1.0:
            cycle, local = self._cycle(times, int(self.period))
            progress = local / int(self.period)
        else:  # a table, for a logarithm would misplace whole steps
            starts = self._starts(float(times.max(initial=0.0)))
            place = np.minimum(np.searchsorted(starts, times, side="right") - 1, len(starts) - 2)
            progress = np.minimum((times - starts[place]) / np.diff(starts)[place], 1.0)
            cycle = place.astype(np.float64)
        weight = (1.0 + np.cos(np.pi * np.power(progress, self.k_decay))) / 2.0
        return blend(weight, Line.of(self.start).scaled(np.power(self.decay, cycle)), Line.of(self.end))

"""The curves with a formula: from a start to an end over some steps, and the inverse square root.

Knows each curve's formula on its own clock; knows nothing of horizons or of how curves are put together.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import final

import numpy as np

from paramgroups.errors import DurationError, ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Array, Level, Line, blend, finite
from paramgroups.schedules.units import Duration, as_duration


class Shape(Schedule):
    """A schedule that lasts `steps`; None is open-ended."""

    steps: Duration | None

    @property
    def _open_ended(self) -> bool:
        return self.steps is None

    @property
    def _length(self) -> int:
        return int(self.steps or 0)

    def _progress(self, times: Array) -> Array:
        """The share of `steps` that is over, exactly 1 from the end on."""
        if not self._length:
            return np.ones_like(times)
        return np.minimum(times / self._length, 1.0)

    def _until_end(self, times: Array) -> Array:
        """The times, none of them after the end."""
        return times if self.steps is None else np.minimum(times, self._length)


@final
@dataclass(frozen=True, repr=False)
class Constant(Shape):
    """The same `level` at every step.

        v(t) = level

    Args:
        level: A factor of the base, or `Absolute`.
        steps: How long, for what follows in a chain; None is open-ended.

    Raises:
        ScheduleArgumentError: If `level` is not a level.
        DurationError: If `steps` is not a duration.

    Example:
        >>> Constant(0.5).values(3, base=1.0)
        array([0.5, 0.5, 0.5])
    """

    level: Level = 1.0
    steps: Duration | None = None

    def _line(self, times: Array, base: float) -> Line:
        return Line.of(self.level)


@final
@dataclass(frozen=True, repr=False)
class Linear(Shape):
    """A straight line from `start` to `end` over `steps`, `end` afterwards.

        v(t) = (1 - p) * start + p * end,   p = t / steps

    Args:
        steps: How long; both ends are exact.
        start: Level at step 0: a factor of the base, or `Absolute`.
        end: Level from step `steps` on, likewise.

    Raises:
        ScheduleArgumentError: If an end is not a level.
        DurationError: If `steps` is not a duration.

    Example:
        >>> Linear(4, start=0.0, end=1.0).values(6, base=1.0)
        array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
    """

    steps: Duration
    _: KW_ONLY
    start: Level = 1.0
    end: Level = 0.0

    def _line(self, times: Array, base: float) -> Line:
        return blend(1.0 - self._progress(times), Line.of(self.start), Line.of(self.end))


@final
@dataclass(frozen=True, repr=False)
class Warmup(Shape):
    """A straight line up to the base over `steps`, whose first update is already more than nothing.

        v(t) = (t + 1) / (steps + 1)

    It is exactly the base at t = `steps`, the first step of what follows. Another convention is a `Linear`: one that
    starts at 0 is `Linear(steps, start=0.0, end=1.0)`.

    Args:
        steps: How many updates stay below the base.

    Raises:
        DurationError: If `steps` is not a duration.

    Example:
        >>> Warmup(4).values(6, base=1.0)
        array([0.2, 0.4, 0.6, 0.8, 1. , 1. ])
    """

    steps: Duration

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({float})

    def _line(self, times: Array, base: float) -> Line:
        return Line(np.minimum((times + 1.0) / (self._length + 1), 1.0), 0.0)


@final
@dataclass(frozen=True, repr=False)
class Cosine(Shape):
    """Half a cosine from `start` to `end` over `steps`, `end` afterwards.

        v(t) = w * start + (1 - w) * end,   w = (1 + cos(pi * t / steps)) / 2

    One cycle of Loshchilov & Hutter (2017), eq. 5, arXiv:1608.03983. Both ends are exact.

    Args:
        steps: How long.
        start: Level at step 0: a factor of the base, or `Absolute`.
        end: Level from step `steps` on, likewise.

    Raises:
        ScheduleArgumentError: If an end is not a level.
        DurationError: If `steps` is not a duration.

    Example:
        >>> Cosine(4).values(5, base=1.0).round(3)
        array([1.   , 0.854, 0.5  , 0.146, 0.   ])
    """

    steps: Duration
    _: KW_ONLY
    start: Level = 1.0
    end: Level = 0.0

    def _line(self, times: Array, base: float) -> Line:
        weight = (1.0 + np.cos(np.pi * self._progress(times))) / 2.0
        return blend(weight, Line.of(self.start), Line.of(self.end))


@final
@dataclass(frozen=True, repr=False)
class Polynomial(Shape):
    """A power of the time that is left, from `start` to `end` over `steps`, `end` afterwards.

        v(t) = end + (start - end) * (1 - t / steps) ** power

    Args:
        steps: How long; both ends are exact.
        power: Exponent, > 0: 1 is a straight line, above 1 falls fast first, below 1 falls fast last.
        start: Level at step 0: a factor of the base, or `Absolute`.
        end: Level from step `steps` on, likewise.

    Raises:
        ScheduleArgumentError: If an end is not a level, or `power` not a number > 0.
        DurationError: If `steps` is not a duration.

    Example:
        >>> Polynomial(4, power=2).values(5, base=1.0)
        array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])
    """

    steps: Duration
    _: KW_ONLY
    power: float
    start: Level = 1.0
    end: Level = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        power = finite(self.power)
        if power is None or power <= 0:
            raise ScheduleArgumentError("power", self.power, "Polynomial", "a finite number > 0")
        object.__setattr__(self, "power", power)

    def _line(self, times: Array, base: float) -> Line:
        weight = np.power(1.0 - self._progress(times), self.power)
        return blend(weight, Line.of(self.start), Line.of(self.end))


@final
@dataclass(frozen=True, repr=False)
class Exponential(Shape):
    """A geometric curve from `start` to `end` over `steps`, `end` afterwards.

        v(t) = start * (end / start) ** (t / steps)

    Affine in the base where both ends are of one kind; otherwise it has a value only at a base of the right sign.

    Args:
        steps: How long; both ends are exact.
        start: Level at step 0, not 0: a factor of the base, or `Absolute`.
        end: Level from step `steps` on, not 0, of the same sign.

    Raises:
        ScheduleArgumentError: If an end is not a level or is 0, or if ends of one kind differ in sign.
        DurationError: If `steps` is not a duration.
        UndefinedValueError: On evaluation, if ends of two kinds differ in sign at the base.

    Example:
        >>> Exponential(2, end=0.01).values(4, base=1.0)
        array([1.  , 0.1 , 0.01, 0.01])
    """

    steps: Duration
    _: KW_ONLY
    start: Level = 1.0
    end: Level

    def __post_init__(self) -> None:
        super().__post_init__()
        start, end = (float(sum(Line.of(level))) for level in (self.start, self.end))
        if not (start and end) or (self.affine and not _one_sign(start, end)):
            allowed = f"a level of the sign of start = {self.start!r}, and neither may be 0"
            raise ScheduleArgumentError("end", self.end, "Exponential", allowed)

    @property
    def affine(self) -> bool:
        """Whether both ends are of one kind, factors or `Absolute`."""
        return len(self._kinds) == 1

    def _line(self, times: Array, base: float) -> Line:
        start, end = Line.of(self.start), Line.of(self.end)
        if self.pure_factor:
            return Line(self._between(float(start.factor), float(end.factor), times), 0.0)
        start_value, end_value = float(start.at(base)), float(end.at(base))
        if not _one_sign(start_value, end_value):
            raise UndefinedValueError(
                repr(self),
                f"base {base!r}",
                f"no geometric curve goes from {start_value!r} to {end_value!r}",
                "Write both ends as factors or both as Absolute, or use Linear, which can cross 0.",
            )
        return Line(0.0, self._between(start_value, end_value, times))

    def _between(self, start: float, end: float, times: Array) -> Array:
        progress = self._progress(times)
        return np.where(progress < 1.0, start * np.power(end / start, progress), end)


def _one_sign(start: float, end: float) -> bool:
    """Whether a geometric curve joins the two: neither is 0 and their ratio is a positive, finite number."""
    return bool(start and end) and 0.0 < end / start < math.inf


@final
@dataclass(frozen=True, repr=False)
class InverseSqrt(Shape):
    """`start` over the square root of time.

        v(t) = start / sqrt((t + timescale) / timescale)

    After a warmup of `timescale` steps, the decay of Vaswani et al. (2017), section 5.3, arXiv:1706.03762.

    Args:
        timescale: Steps after which the value is `start / sqrt(2)`, > 0.
        start: Level at step 0: a factor of the base, or `Absolute`.
        steps: How long, for what follows in a chain, after which the value holds; None is open-ended.

    Raises:
        ScheduleArgumentError: If `start` is not a level.
        DurationError: If `steps` or `timescale` is not a duration, or `timescale` no steps at all.

    Example:
        >>> InverseSqrt(100).values([0, 300], base=1.0)
        array([1. , 0.5])
    """

    timescale: Duration
    start: Level = 1.0
    _: KW_ONLY
    steps: Duration | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if as_duration(self.timescale, "InverseSqrt.timescale", rest=False) == 0:
            raise DurationError(self.timescale, "InverseSqrt.timescale", "is no time at all", "Give 1 step or more.")

    def _line(self, times: Array, base: float) -> Line:
        timescale = int(self.timescale)
        return Line.of(self.start).scaled(1.0 / np.sqrt((self._until_end(times) + timescale) / timescale))

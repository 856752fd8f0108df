"""The curves with a formula that go from a start to an end over some steps.

Knows each curve's formula on its own clock; knows nothing of horizons or of how curves are put together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import final

import numpy as np

from paramgroups.errors import DurationError, ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Array, Level, Line, blend, finite
from paramgroups.schedules.units import Duration, as_duration

_FLAT = 1e-12  # of a hyperbolic tangent: less than this from its one bound to the other


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


def put_number(schedule: Schedule, name: str, fits: Callable[[float], bool], allowed: str) -> None:
    """Make the field `name` a float, or raise the error that says what is `allowed`."""
    given = getattr(schedule, name)
    number = finite(given)
    if number is None or not fits(number):
        raise ScheduleArgumentError(name, given, type(schedule).__name__, allowed)
    object.__setattr__(schedule, name, number)


def require_time(duration: Duration, where: str) -> None:
    """Accept a duration that is some time, unless that waits for a horizon, and not the rest of anything."""
    if as_duration(duration, where, rest=False) == 0:
        raise DurationError(duration, where, "is no time at all", "Give 1 step or more.")


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

    It is exactly the base at t = `steps`, the first step of what follows. The other conventions are other shapes:

    - from 0, t / steps: `Linear(steps, start=0.0, end=1.0)`;
    - from a level: `Linear(steps, start=0.1, end=1.0)`;
    - (t + 1) / steps, a step sooner: `Linear(steps, start=0.0, end=1.0).shift(-1)`, which is `Warmup(steps - 1)`;
    - exponential: `Exponential(steps, start=0.01, end=1.0)`;
    - logarithmic: `Logarithmic(steps, start=0.0, end=1.0)`.

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
        put_number(self, "power", lambda power: power > 0, "a finite number > 0")

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
class Logarithmic(Shape):
    """The logarithm of time, from `start` to `end` over `steps`, `end` afterwards: fast first, ever slower.

        v(t) = (1 - p) * start + p * end,   p = ln(t + 1) / ln(steps + 1)

    DeepSpeed's `WarmupLR` of W steps, ln(t + 1) / ln(W), is `Logarithmic(W - 1, start=0.0, end=1.0)`.

    Args:
        steps: How long; both ends are exact.
        start: Level at step 0: a factor of the base, or `Absolute`.
        end: Level from step `steps` on, likewise.

    Raises:
        ScheduleArgumentError: If an end is not a level.
        DurationError: If `steps` is not a duration.

    Example:
        >>> Logarithmic(7, start=0.0, end=1.0).values([0, 1, 3, 7], base=1.0).round(3)
        array([0.   , 0.333, 0.667, 1.   ])
    """

    steps: Duration
    _: KW_ONLY
    start: Level = 1.0
    end: Level = 0.0

    def _line(self, times: Array, base: float) -> Line:
        share = np.log1p(self._until_end(times)) / math.log1p(max(self._length, 1))
        weight = np.where(times < self._length, 1.0 - np.minimum(share, 1.0), 0.0)
        return blend(weight, Line.of(self.start), Line.of(self.end))


@final
@dataclass(frozen=True, repr=False)
class Tanh(Shape):
    """A hyperbolic tangent from `start` to `end` over `steps`, `end` afterwards: late, then steep.

        v(t) = w * start + (1 - w) * end,   w = (tanh(u) - tanh(x)) / (tanh(u) - tanh(l)),   x = l + (u - l) * t / steps

    The HTD of Hsueh et al. (2019), arXiv:1806.01593, whose w = (1 - tanh(x)) / 2 misses both ends, by .0025 at
    `upper` = 3; it is scaled here so that both are exact.

    Args:
        steps: How long.
        lower: l, where in the tangent it starts.
        upper: u, where it ends, more than `lower`. Between -1 and 1 the tangent is nearly straight, beyond flat.
        start: Level at step 0: a factor of the base, or `Absolute`.
        end: Level from step `steps` on, likewise.

    Raises:
        ScheduleArgumentError: If an end is not a level, or the tangent does not rise from `lower` to `upper`.
        DurationError: If `steps` is not a duration.

    Example:
        >>> Tanh(4).values(5, base=1.0).round(3)
        array([1.   , 1.   , 0.982, 0.267, 0.   ])
    """

    steps: Duration
    _: KW_ONLY
    lower: float = -7.0
    upper: float = 3.0
    start: Level = 1.0
    end: Level = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        put_number(self, "lower", math.isfinite, "a finite number")
        rises = "a finite number above lower, on which tanh(upper) is above tanh(lower)"
        put_number(self, "upper", lambda upper: math.tanh(upper) - math.tanh(self.lower) > _FLAT, rises)

    def _line(self, times: Array, base: float) -> Line:
        progress = self._progress(times)
        low, high = np.tanh([self.lower, self.upper])
        weight = (high - np.tanh(self.lower * (1.0 - progress) + self.upper * progress)) / (high - low)
        return blend(weight, Line.of(self.start), Line.of(self.end))

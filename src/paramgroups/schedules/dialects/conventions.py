"""What several other libraries do, and ours do not: curves that go on after their end, and how they are put together.

Knows the conventions that have more than one follower; a convention that is one library's alone is in its module.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import reduce
from typing import Final, Literal, final

import numpy as np

from paramgroups.errors import CompositionError, ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules.annealing import CURVES
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Array, Level, Line, blend
from paramgroups.schedules.shapes import put_number
from paramgroups.schedules.units import as_whole

__all__ = ["Blend", "Endless", "Geometric", "Until"]

_PACES: Final = ("smooth", "stairs", "restarts")


def in_turn(*parts: Schedule) -> Schedule:
    """The parts by `.then`, less those of no length; of the last, whatever it is.

    Example:
        >>> from paramgroups.schedules import Constant, Cosine, Linear
        >>> in_turn(Linear(0), Constant(steps=3), Cosine(0))
        Constant(steps=3).then(Cosine(0))
    """
    *earlier, last = parts
    return reduce(Schedule.then, [*(part for part in earlier if part.length != 0), last])


def cut(schedule: Schedule, steps: int) -> Schedule:
    """The schedule, lasting `steps`; as it is, where that is how long it is.

    Example:
        >>> from paramgroups.schedules import Linear
        >>> cut(Linear(4), 4), cut(Linear(4), 3)
        (Linear(4), dialects.conventions.Until(Linear(4), steps=3))
    """
    return schedule if schedule.length == steps else Until(schedule, steps)


@final
@dataclass(frozen=True, repr=False)
class Until(Schedule):
    """A schedule that lasts `steps`, however long it would be: cut off, or held from its end.

        v(t) = inner(min(t, steps))

    Args:
        inner: Which; it may be open-ended.
        steps: How long, a whole number >= 0.

    Raises:
        ScheduleArgumentError: If `steps` is not a whole number >= 0.

    Example:
        >>> from paramgroups.schedules import Constant, Linear
        >>> Until(Linear(4), 2).then(Constant()).values(4, base=1.0)
        array([1.  , 0.75, 1.  , 1.  ])
    """

    inner: Schedule
    steps: int

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = as_whole(self.steps)
        if steps is None:
            raise ScheduleArgumentError("steps", self.steps, "Until", "a whole number >= 0")
        object.__setattr__(self, "steps", steps)

    @property
    def _open_ended(self) -> bool:
        return False

    @property
    def _length(self) -> int:
        return self.steps

    def _line(self, times: Array, base: float) -> Line:
        return self.inner._line(np.minimum(times, self.steps), base)


@final
@dataclass(frozen=True, repr=False)
class Blend(Schedule):
    """Between two schedules, `weight` of the first and the rest of the second.

        v(t) = weight(t) * start(t) + (1 - weight(t)) * end(t)

    Args:
        weight: How much of `start`, a schedule of plain factors.
        start: One schedule.
        end: The other, on the same clock.

    Raises:
        CompositionError: If the weight has an `Absolute` level.

    Example:
        >>> from paramgroups.schedules import Absolute, Constant, Linear
        >>> Blend(Linear(4), Constant(0.5), Constant(Absolute(0.1))).values(5, base=1.0)
        array([0.5, 0.4, 0.3, 0.2, 0.1])
    """

    weight: Schedule
    start: Schedule
    end: Schedule

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.weight.pure_factor:
            raise CompositionError(
                [repr(self.weight)],
                "it has Absolute levels, and a weight is a share",
                "Write it with plain numbers, as a factor.",
            )

    @property
    def _kinds(self) -> frozenset[type]:
        return self.start._kinds | self.end._kinds

    @property
    def _open_ended(self) -> bool:
        return any(part._open_ended for part in self._children())

    @property
    def _length(self) -> int:
        return max(part._length for part in self._children())

    def _line(self, times: Array, base: float) -> Line:
        weight = self.weight._line(times, base).factor
        return blend(weight, self.start._line(times, base), self.end._line(times, base))


class Unending(Schedule):
    """A schedule for which there is no step from which its value holds."""

    @property
    def _open_ended(self) -> bool:
        return True

    @property
    def _length(self) -> int:
        return 0


@final
@dataclass(frozen=True, repr=False)
class Endless(Unending):
    """From `start` to `end` over `steps` along a curve, and on by its formula: a line below, a cosine up again.

        v(t) = w(p) * start + (1 - w(p)) * end,   p = cycles * (t / steps)
        w(p) = 1 - p, (1 + cos(pi * p)) / 2, 1 - sqrt(p), 1 - p ** 2, or 2 * 0.5 ** p - 1

    `Linear`, `Cosine` and `Cooldown` are the same curves, held at `end`.

    Args:
        curve: w, as `"linear"`, `"cosine"`, `"1-sqrt"`, `"square"` or `"exponential"`, in this order above.
        steps: When p is `cycles`, a number > 0.
        cycles: How often the curve comes to its end in `steps`, a number > 0.
        pace: `"smooth"`, p as it is; `"stairs"`, floor(p); `"restarts"`, p - floor(p).
        start: Level at step 0: a factor of the base, or `Absolute`.
        end: Level at p = 1, likewise.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> Endless("linear", 4).values(7, base=1.0), Endless("cosine", 2).values(5, base=1.0)
        (array([ 1.  ,  0.75,  0.5 ,  0.25,  0.  , -0.25, -0.5 ]), array([1. , 0.5, 0. , 0.5, 1. ]))
    """

    curve: str
    steps: float
    _: KW_ONLY
    cycles: float = 1.0
    pace: Literal["smooth", "stairs", "restarts"] = "smooth"
    start: Level = 1.0
    end: Level = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in (("curve", CURVES), ("pace", _PACES)):
            if getattr(self, name) not in choices:
                allowed = " or ".join(map(repr, choices))
                raise ScheduleArgumentError(name, getattr(self, name), "Endless", allowed)
        for name in ("steps", "cycles"):
            put_number(self, name, lambda number: number > 0, "a finite number > 0")

    def _line(self, times: Array, base: float) -> Line:
        progress = self.cycles * (times / self.steps)
        if self.pace == "stairs":
            progress = np.floor(progress)
        elif self.pace == "restarts":
            progress = np.mod(progress, 1.0)
        return blend(CURVES[self.curve](progress), Line.of(self.start), Line.of(self.end))


@final
@dataclass(frozen=True, repr=False)
class Geometric(Unending):
    """`start`, multiplied by `ratio` every so many steps, for ever.

        v(t) = start * ratio ** (t / steps)
        v(t) = start * ratio ** floor(t / steps)   (stairs)

    `Exponential` is the same curve between two levels, held at the second; `MultiStep` the same steps, counted.

    Args:
        ratio: What `steps` steps multiply by, >= 0.
        steps: How many, a number > 0.
        stairs: Whether it falls at once, every so many steps.
        start: Level at step 0: a factor of the base, or `Absolute`.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        UndefinedValueError: On evaluation, if a ratio above 1 has made it infinite.

    Example:
        >>> Geometric(0.25, 2).values(5, base=1.0), Geometric(0.25, 2, stairs=True).values(5, base=1.0)
        (array([1.    , 0.5   , 0.25  , 0.125 , 0.0625]), array([1.    , 1.    , 0.25  , 0.25  , 0.0625]))
    """

    ratio: float
    steps: float = 1.0
    _: KW_ONLY
    stairs: bool = False
    start: Level = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        put_number(self, "ratio", lambda ratio: ratio >= 0, "a finite number >= 0")
        put_number(self, "steps", lambda steps: steps > 0, "a finite number > 0")
        if not isinstance(self.stairs, bool):
            raise ScheduleArgumentError("stairs", self.stairs, "Geometric", "True or False")

    def _line(self, times: Array, base: float) -> Line:
        count = np.floor_divide(times, self.steps) if self.stairs else times / self.steps
        with np.errstate(over="ignore", under="ignore"):
            powers = np.power(self.ratio, count)
        if not np.isfinite(powers).all():
            at = f"step {float(times[~np.isfinite(powers)][0])!r}"
            problem = f"{self.ratio!r} has been multiplied until it is infinite"
            raise UndefinedValueError(repr(self), at, problem, "Keep it below a level: .clip(high=...), or end it.")
        return Line.of(self.start).scaled(powers)

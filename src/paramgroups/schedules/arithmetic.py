"""The nodes that change a schedule's value: `*` and `.clip`.

Knows how values and levels are combined at one moment; leaves time as it is.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import final

import numpy as np

from paramgroups.errors import CompositionError, ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Array, Level, Line
from paramgroups.schedules.shapes import Constant


def receiver(schedule: Schedule) -> str:
    """The code of a schedule whose method is called, or that stands to the right of `*`."""
    return f"({schedule!r})" if isinstance(schedule, Product) else repr(schedule)


@final
@dataclass(frozen=True, repr=False)
class Product(Schedule):
    """Two schedules multiplied at every step, one of which is a pure factor.

    Args:
        left: One schedule.
        right: The other, on the same clock.

    Raises:
        CompositionError: If neither is a pure factor.

    Example:
        >>> from paramgroups.schedules import Cosine, Warmup
        >>> Product(Warmup(10), Cosine(100))
        Warmup(10) * Cosine(100)
    """

    left: Schedule
    right: Schedule

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.left.pure_factor or self.right.pure_factor):
            raise CompositionError(
                [repr(self.left), repr(self.right)],
                "both have Absolute levels, and a product of two values is in no hyperparameter's unit",
                "Write one of the two with plain numbers, as a factor.",
            )

    def __repr__(self) -> str:
        match self.left:
            case Constant(level=float(number), steps=0):
                return f"{number!r} * {receiver(self.right)}"
        return f"{self.left!r} * {receiver(self.right)}"

    def _by_role(self) -> tuple[Schedule, Schedule]:
        """The one that multiplies, a pure factor, and the one that is multiplied."""
        return (self.left, self.right) if self.left.pure_factor else (self.right, self.left)

    @property
    def _kinds(self) -> frozenset[type]:
        return self._by_role()[1]._kinds

    @property
    def _open_ended(self) -> bool:
        return self.left._open_ended or self.right._open_ended

    @property
    def _length(self) -> int:
        return max(self.left._length, self.right._length)

    def _line(self, times: Array, base: float) -> Line:
        multiplier, multiplied = self._by_role()
        return multiplied._line(times, base).scaled(multiplier._line(times, base).factor)


@final
@dataclass(frozen=True, repr=False)
class Clip(Schedule):
    """A schedule kept between two levels.

    Args:
        inner: What is clipped.
        low: Least value, or None.
        high: Greatest value, or None.

    Raises:
        ScheduleArgumentError: If a bound is not a level, both are None, or `low` is above `high`.

    Example:
        >>> from paramgroups.schedules import Cosine
        >>> Clip(Cosine(100), low=0.1)
        Cosine(100).clip(low=0.1)
    """

    inner: Schedule
    _: KW_ONLY
    low: Level | None = None
    high: Level | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = [Line.of(level) for level in (self.low, self.high) if level is not None]
        if not bounds:
            raise ScheduleArgumentError("low", None, ".clip", "given, or high, or both")
        if type(self.low) is type(self.high) and bounds[0] > bounds[1]:
            raise ScheduleArgumentError("low", self.low, ".clip", f"at most high = {self.high!r}")

    def __repr__(self) -> str:
        bounds = {"low": self.low, "high": self.high}
        given = ", ".join(f"{name}={level!r}" for name, level in bounds.items() if level is not None)
        return f"{receiver(self.inner)}.clip({given})"

    @property
    def affine(self) -> bool:
        """Whether all levels, the bounds among them, are of one kind."""
        return len(self._kinds) == 1

    @property
    def _open_ended(self) -> bool:
        return self.inner._open_ended

    @property
    def _length(self) -> int:
        return self.inner._length

    def _line(self, times: Array, base: float) -> Line:
        line = self.inner._line(times, base)
        if self.pure_factor:
            return Line(self._clipped(line.factor, 1.0), 0.0)
        return Line(0.0, self._clipped(line.at(base), base))

    def _clipped(self, values: Array | float, base: float) -> Array:
        low, high = (bound if bound is None else Line.of(bound).at(base) for bound in (self.low, self.high))
        if low is not None and high is not None and low > high:
            raise UndefinedValueError(
                repr(self),
                f"base {base!r}",
                f"low is {low!s} there, and high {high!s}",
                "Write both bounds as factors, or both as Absolute.",
            )
        return np.clip(values, low, high)

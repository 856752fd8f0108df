"""What a schedule's value is measured in: factors of a base, or the hyperparameter's own unit.

Knows numbers and lines through them; knows nothing of time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple, TypeAlias, final

import numpy as np
import numpy.typing as npt

from paramgroups.errors import ScheduleArgumentError

Array: TypeAlias = npt.NDArray[np.float64]


def finite(value: object) -> float | None:
    """`value` as a float, or None where it is not a finite real number (a bool is not one)."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


@final
@dataclass(frozen=True, repr=False)
class Absolute:
    """A level in the hyperparameter's own unit, the same in every group.

    A plain number is a factor of each group's base instead.

    Args:
        value: Any finite real number.

    Raises:
        ScheduleArgumentError: If `value` is not a finite real number.

    Example:
        >>> from paramgroups.schedules import Constant
        >>> Constant(0.5)(0, base=0.2), Constant(Absolute(0.5))(0, base=0.2)
        (0.1, 0.5)
    """

    value: float

    def __post_init__(self) -> None:
        value = finite(self.value)
        if value is None:
            raise ScheduleArgumentError("value", self.value, "Absolute", "a finite real number")
        object.__setattr__(self, "value", value)

    def __repr__(self) -> str:
        return f"Absolute({self.value!r})"


Level: TypeAlias = float | Absolute


def as_level(value: object, name: str, where: str) -> Level:
    """`value` as a level, or the error that says that `name` in `where` cannot be it."""
    level = value if isinstance(value, Absolute) else finite(value)
    if level is None:
        raise ScheduleArgumentError(name, value, where, "a finite number, a factor of the base, or Absolute(number)")
    return level


class Line(NamedTuple):
    """Values as functions of the base: `factor * base + offset`, each a number or an array over time."""

    factor: Array | float
    offset: Array | float

    @classmethod
    def of(cls, level: Level) -> Line:
        """The line of one level."""
        return cls(0.0, level.value) if isinstance(level, Absolute) else cls(level, 0.0)

    def at(self, base: float) -> Array:
        """The values at `base`, rounded twice, as plain Python floats would be."""
        return np.asarray(self.factor * base + self.offset, dtype=np.float64)

    def scaled(self, by: Array | float) -> Line:
        """The line `by` times as high."""
        return Line(self.factor * by, self.offset * by)


def blend(weight: Array | float, start: Line, end: Line) -> Line:
    """`weight` of `start` and the rest of `end`; exactly `start` at weight 1 and `end` at weight 0."""
    rest = 1.0 - weight
    return Line(
        weight * start.factor + rest * end.factor,
        weight * start.offset + rest * end.offset,
    )

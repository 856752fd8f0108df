"""How a value goes from one level to another: the curves by name, any shape as a curve, and a cool-down along one.

Knows the way from 1 to 0 as a function of the share of time that is over; knows nothing of several phases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Final, TypeAlias, final

import numpy as np

from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Array, Level, Line, blend
from paramgroups.schedules.shapes import Shape
from paramgroups.schedules.units import Duration

Curve: TypeAlias = str | Schedule
"""A name in `CURVES`, or a schedule from 1 to 0, whose own length does not matter."""

CURVES: Final[dict[str, Callable[[Array], Array]]] = {
    "linear": lambda p: 1.0 - p,
    "cosine": lambda p: (1.0 + np.cos(np.pi * p)) / 2.0,
    "1-sqrt": lambda p: 1.0 - np.sqrt(p),
    "square": lambda p: 1.0 - p * p,
    "exponential": lambda p: 2.0 * np.power(0.5, p) - 1.0,
}
_NEAR = 1e-9  # how near a curve has to come to 1 and 0; it is made exact there


class Annealed(Shape):
    """A shape that goes from level to level along `curve`."""

    curve: Curve

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.curve in CURVES if isinstance(self.curve, str) else _falls(self.curve)):
            names = ", ".join(map(repr, CURVES))
            allowed = f"{names}, or a schedule of plain factors and some steps, from 1.0 to 0.0"
            raise ScheduleArgumentError("curve", self.curve, type(self).__name__, allowed)

    def _children(self) -> tuple[Schedule, ...]:
        return (self.curve,) if isinstance(self.curve, Schedule) else ()

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset(type(level) for _, kind, level in self._typed() if kind == "Level")

    def _annealed(self, times: Array, since: float, until: float, start: Line, end: Line) -> Line:
        """`start` up to the moment `since`, `end` from `until` on, and along the curve in between."""
        if until > since:
            progress = (np.clip(times, since, until) - since) / (until - since)
        else:
            progress = np.where(times < until, 0.0, 1.0)
        return blend(self._weight(progress), start, end)

    def _weight(self, progress: Array) -> Array:
        """How much of the start is left; exactly 1 at 0 and 0 at 1."""
        if isinstance(self.curve, str):
            return CURVES[self.curve](progress)
        weight = self.curve._line(progress * self.curve._length, 1.0).factor
        return np.where(progress <= 0.0, 1.0, np.where(progress >= 1.0, 0.0, weight))


def _falls(curve: object) -> bool:
    """Whether it is a schedule that goes from 1 to 0 over some steps."""
    if not isinstance(curve, Schedule) or not (curve.pure_factor and curve.resolved) or not curve.length:
        return False
    return bool(np.allclose(curve.values([0, curve.length], base=1.0), [1.0, 0.0], rtol=0.0, atol=_NEAR))


@final
@dataclass(frozen=True, repr=False)
class Cooldown(Annealed):
    """From `start` to `end` over `steps` along a curve, `end` afterwards.

        v(t) = w(p) * start + (1 - w(p)) * end,   p = t / steps
        w(p) = 1 - p, (1 + cos(pi * p)) / 2, 1 - sqrt(p), 1 - p ** 2, or 2 * 0.5 ** p - 1

    What ends a run at a constant value, or a branch of one that goes on. "1-sqrt" is that of Hägele et al. (2024),
    section 3, arXiv:2405.18392; "exponential" is Megatron-LM's.

    Args:
        steps: How long; both ends are exact.
        curve: w, as `"linear"`, `"cosine"`, `"1-sqrt"`, `"square"` or `"exponential"`, in this order above; or any
            schedule from 1.0 to 0.0, such as `Polynomial(1, power=3)`, which is stretched to `steps`.
        start: Level at step 0: a factor of the base, or `Absolute`.
        end: Level from step `steps` on, likewise.

    Raises:
        ScheduleArgumentError: If an end is not a level, or `curve` not a curve.
        DurationError: If `steps` is not a duration.

    Example:
        >>> Cooldown(4).values(5, base=1.0).round(3)
        array([1.   , 0.5  , 0.293, 0.134, 0.   ])
    """

    steps: Duration
    _: KW_ONLY
    curve: Curve = "1-sqrt"
    start: Level = 1.0
    end: Level = 0.0

    def _line(self, times: Array, base: float) -> Line:
        return self._annealed(times, 0, self._length, Line.of(self.start), Line.of(self.end))

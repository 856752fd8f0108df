"""The curves given point by point: milestones, and levels at given steps.

Knows tables over local time; knows nothing of formulas or of how curves are put together.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from itertools import pairwise
from typing import Any, Literal, final

import numpy as np

from paramgroups.errors import DurationError, ScheduleArgumentError
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Array, Level, Line, as_level, blend, finite
from paramgroups.schedules.units import Duration, Horizon, as_duration

_INTERPOLATIONS = ("linear", "constant")


class Table(Schedule):
    """A schedule that changes at given moments, and holds after the last."""

    @property
    @abstractmethod
    def _moments(self) -> Sequence[Duration]:
        """The moments, in order; two of them may coincide."""

    @property
    def _open_ended(self) -> bool:
        return False

    @property
    def _length(self) -> int:
        return int(self._moments[-1]) if self._moments else 0

    def _texts(self) -> Iterator[str]:
        return (moment for moment in self._moments if isinstance(moment, str))

    def _check_order(self) -> None:
        # What text means is known once it is resolved, which makes a new schedule and so comes back here.
        if self.resolved and any(int(later) < int(earlier) for earlier, later in pairwise(self._moments)):
            where = type(self).__name__
            raise DurationError(self._moments, where, "goes back in time", "Give its steps in increasing order.")


@final
@dataclass(frozen=True, repr=False)
class MultiStep(Table):
    """`start`, multiplied by `gamma` at each milestone.

        v(t) = start * gamma ** (number of milestones <= t)

    As torch's `MultiStepLR`: a milestone given twice counts twice.

    Args:
        milestones: The moments, in increasing order.
        gamma: What each multiplies by, >= 0.
        start: Level before the first milestone: a factor of the base, or `Absolute`.

    Raises:
        ScheduleArgumentError: If `start` is not a level, or `gamma` not a number >= 0.
        DurationError: If a milestone is not a duration, or comes before the one before it (where they wait for a
            horizon, once they are resolved).

    Example:
        >>> MultiStep((2, 4), gamma=0.5).values(6, base=1.0)
        array([1.  , 1.  , 0.5 , 0.5 , 0.25, 0.25])
    """

    milestones: Sequence[Duration]
    gamma: float = 0.1
    _: KW_ONLY
    start: Level = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        given: object = self.milestones
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise ScheduleArgumentError("milestones", given, "MultiStep", "a sequence of steps or durations")
        whole = tuple(as_duration(moment, "MultiStep.milestones", rest=False) for moment in given)
        object.__setattr__(self, "milestones", whole)
        gamma = finite(self.gamma)
        if gamma is None or gamma < 0:
            raise ScheduleArgumentError("gamma", self.gamma, "MultiStep", "a finite number >= 0")
        object.__setattr__(self, "gamma", gamma)
        self._check_order()

    @property
    def _moments(self) -> Sequence[Duration]:
        return self.milestones

    def _resolve(self, horizon: Horizon, rest: int) -> Schedule:
        whole = tuple(horizon.steps_in(moment, where="MultiStep.milestones") for moment in self.milestones)
        return replace(self, milestones=whole)

    def _line(self, times: Array, base: float) -> Line:
        # A table, so that one step and many read the same power.
        powers = np.power(self.gamma, np.arange(len(self.milestones) + 1, dtype=np.float64))
        passed = np.searchsorted(np.array(self.milestones, dtype=np.float64), times, side="right")
        return Line.of(self.start).scaled(powers[passed])


def _as_points(given: object) -> tuple[tuple[Duration, Level], ...]:
    """`given`, a mapping or pairs, as pairs of moment and level; at least one."""
    try:
        pairs = [(moment, level) for moment, level in (given.items() if isinstance(given, Mapping) else given)]  # type: ignore[attr-defined]  # the except is for what has no pairs
    except (TypeError, ValueError):
        pairs = []
    if not pairs:
        raise ScheduleArgumentError("points", given, "Piecewise", "pairs of moment and level, or a mapping of them")
    return tuple(
        (as_duration(moment, "Piecewise.points", rest=False), as_level(level, "points", "Piecewise"))
        for moment, level in pairs
    )


@final
@dataclass(frozen=True, repr=False, init=False)
class Piecewise(Table):
    """Given levels at given moments, joined by straight lines or by steps; the last level holds.

        v(t) = (1 - p) * left + p * right,   p = (t - t_left) / (t_right - t_left)   ("linear")
        v(t) = left                                                                  ("constant")

    Args:
        points: Pairs of moment and level, or a mapping, in increasing order of moments. The first moment is 0.
            Where two moments coincide the value jumps to the later level.
        interpolation: `"linear"` or `"constant"`.

    Raises:
        ScheduleArgumentError: If there are no points, a level is not one, or `interpolation` is neither.
        DurationError: If a moment is not a duration, the first is not 0, or one comes before the one before it (where
            they wait for a horizon, once they are resolved).

    Example:
        >>> Piecewise({0: 0.0, 2: 1.0, 4: 0.5}).values(6, base=1.0)
        array([0.  , 0.5 , 1.  , 0.75, 0.5 , 0.5 ])
    """

    points: tuple[tuple[Duration, Level], ...]
    interpolation: Literal["linear", "constant"] = "linear"

    def __init__(
        self,
        points: Mapping[Any, Any] | Iterable[tuple[Duration, Level]],  # a dict of mixed levels is dict[_, object]
        interpolation: Literal["linear", "constant"] = "linear",
    ) -> None:
        object.__setattr__(self, "points", _as_points(points))
        object.__setattr__(self, "interpolation", interpolation)
        if interpolation not in _INTERPOLATIONS:
            allowed = " or ".join(map(repr, _INTERPOLATIONS))
            raise ScheduleArgumentError("interpolation", interpolation, "Piecewise", allowed)
        first = self._moments[0]
        if isinstance(first, int) and first != 0:
            problem = "is the first moment, and nothing says what holds before it"
            raise DurationError(first, "Piecewise.points", problem, "Start at 0: Piecewise({0: 1.0, ...}).")
        self._check_order()

    @property
    def _moments(self) -> Sequence[Duration]:
        return tuple(moment for moment, _ in self.points)

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset(type(level) for _, level in self.points)

    def _resolve(self, horizon: Horizon, rest: int) -> Schedule:
        whole = tuple((horizon.steps_in(moment, where="Piecewise.points"), level) for moment, level in self.points)
        return replace(self, points=whole)

    def _line(self, times: Array, base: float) -> Line:
        moments = np.array([*self._moments, np.inf], dtype=np.float64)  # the last level holds for ever
        left = np.searchsorted(moments, times, side="right") - 1
        right = np.minimum(left + 1, len(self.points) - 1)
        factors, offsets = np.array([Line.of(level) for _, level in self.points]).T
        start, end = Line(factors[left], offsets[left]), Line(factors[right], offsets[right])
        if self.interpolation == "constant":
            return start
        return blend(1.0 - (times - moments[left]) / (moments[left + 1] - moments[left]), start, end)

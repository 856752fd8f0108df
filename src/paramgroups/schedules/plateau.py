"""The curve that depends on how training goes: a factor that falls when a metric stops improving.

Knows metrics and the steps at which they were observed; knows nothing of who observes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal, final

import numpy as np

from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Array, Line, finite
from paramgroups.schedules.units import as_whole


@final
@dataclass(frozen=True, repr=False)
class Plateau(Schedule):
    """1, multiplied by `factor` each time a metric has not improved for more than `patience` observations.

        v(t) = max(floor, factor ** (number of reductions at or before t))

    A metric is better than the best so far, b, by more than `threshold` * |b| ("rel"), or by more than `threshold`
    ("abs"). NaN never is. After a reduction, `cooldown` observations count for nothing. It is a factor like any other,
    so it may be multiplied, chained and clipped; `scheduler.observe(metric)` adds to `observed`, which makes it a pure
    function of the step again.

    As torch's `ReduceLROnPlateau`, but for negative metrics: there torch multiplies b by 1 - threshold, which moves the
    bar the wrong way.

    Args:
        factor: What a reduction multiplies by, in (0, 1).
        patience: Observations without improvement that are let pass, a whole number >= 0.
        mode: Whether less ("min") or more ("max") is better.
        threshold: How much better is better, >= 0.
        threshold_mode: Whether `threshold` is a share of the best, or a difference from it.
        cooldown: Observations after a reduction that do not count, a whole number >= 0.
        floor: The least factor, in [0, 1].
        observed: What was seen: pairs of step and metric, in order.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> losses = ((10, 1.0), (20, 0.9), (30, 0.95), (40, 0.94))
        >>> Plateau(0.1, patience=1, observed=losses).values([30, 39, 40], base=1.0)
        array([1. , 1. , 0.1])
    """

    factor: float = 0.1
    _: KW_ONLY
    patience: int = 10
    mode: Literal["min", "max"] = "min"
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    floor: float = 0.0
    observed: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "observed", tuple((_moment(step), float(metric)) for step, metric in self.observed))
        factor, threshold, floor = finite(self.factor), finite(self.threshold), finite(self.floor)
        steps = [step for step, _ in self.observed]
        for name, fits, allowed in (
            ("factor", factor is not None and 0 < factor < 1, "a number in (0, 1)"),
            ("threshold", threshold is not None and threshold >= 0, "a number >= 0"),
            ("floor", floor is not None and 0 <= floor <= 1, "a number in [0, 1]"),
            ("patience", as_whole(self.patience) is not None, "a whole number >= 0"),
            ("cooldown", as_whole(self.cooldown) is not None, "a whole number >= 0"),
            ("mode", self.mode in {"min", "max"}, "'min' or 'max'"),
            ("threshold_mode", self.threshold_mode in {"rel", "abs"}, "'rel' or 'abs'"),
            ("observed", steps == sorted(steps), "pairs of step and metric, in order"),
        ):
            if not fits:
                raise ScheduleArgumentError(name, getattr(self, name), "Plateau", allowed)

    def seen(self, step: float, metric: float) -> Schedule:
        return replace(self, observed=(*self.observed, (step, metric)))

    @property
    def driven_by_metric(self) -> bool:
        return True

    @property
    def reductions(self) -> tuple[float, ...]:
        """The steps from which each reduction holds.

        Example:
            >>> Plateau(patience=0, observed=((1, 1.0), (2, 1.0), (3, 1.0))).reductions
            (2, 3)
        """
        return tuple(self._reductions())

    def _reductions(self) -> Iterator[float]:
        best, bad, resting = math.nan, 0, 0
        for step, metric in self.observed:
            if self._better(metric, best):
                best, bad = metric, 0
            else:
                bad += 1
            if resting:
                resting, bad = resting - 1, 0
            if bad > self.patience:
                yield step
                bad, resting = 0, self.cooldown

    def _better(self, metric: float, best: float) -> bool:
        if math.isnan(best):
            return not math.isnan(metric)
        margin = self.threshold * (abs(best) if self.threshold_mode == "rel" else 1.0)
        return metric < best - margin if self.mode == "min" else metric > best + margin

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({float})

    @property
    def _open_ended(self) -> bool:
        return True

    @property
    def _length(self) -> int:
        return 0

    def _line(self, times: Array, base: float) -> Line:
        counts = np.searchsorted(self.reductions, times, side="right").astype(np.float64)
        return Line(np.maximum(np.power(self.factor, counts), self.floor), 0.0)


def _moment(step: float) -> float:
    """A step as an int where it is whole, as it is written."""
    return int(step) if float(step).is_integer() else float(step)

"""The curve that depends on how training goes: a factor that falls when a metric stops improving.

Knows metrics and the steps at which they were observed; knows nothing of who observes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import KW_ONLY, InitVar, dataclass, replace
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
    ("abs"). NaN and the infinities never are. After a reduction, `cooldown` observations count for nothing. It is a
    factor like any other, so it may be multiplied, chained and clipped; `scheduler.observe(metric)` moves it on from
    where it stands, so that it is a pure function of the step again.

    As torch's `ReduceLROnPlateau`, but for negative metrics, where torch multiplies b by 1 - threshold, which moves the
    bar the wrong way, and for infinitely good ones, after which nothing is ever better there.

    Args:
        factor: What a reduction multiplies by, in (0, 1).
        patience: Observations without improvement that are let pass, a whole number >= 0.
        mode: Whether less ("min") or more ("max") is better.
        threshold: How much better is better, >= 0.
        threshold_mode: Whether `threshold` is a share of the best, or a difference from it.
        cooldown: Observations after a reduction that do not count, a whole number >= 0.
        floor: The least factor, in [0, 1].
        reductions: Where it stands: the steps from which each reduction holds, in order,
        best: the best metric so far, None before the first,
        bad: how many observations since brought no improvement, a whole number >= 0, and
        resting: how many of the cooldown are to come, likewise.
        observed: What was seen since then, which is added to these: pairs of step and metric, in order.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> losses = ((10, 1.0), (20, 0.9), (30, 0.95), (40, 0.94))
        >>> plateau = Plateau(0.5, patience=1, observed=losses)
        >>> plateau
        Plateau(0.5, patience=1, reductions=(40,), best=0.9)
        >>> plateau.values([30, 39, 40], base=1.0)
        array([1. , 1. , 0.5])
    """

    factor: float = 0.1
    _: KW_ONLY
    patience: int = 10
    mode: Literal["min", "max"] = "min"
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    floor: float = 0.0
    reductions: tuple[float, ...] = ()
    best: float | None = None
    bad: int = 0
    resting: int = 0
    observed: InitVar[Iterable[tuple[float, float]]] = ()

    def __post_init__(self, observed: Iterable[tuple[float, float]]) -> None:
        seen = [(_moment(step), float(metric)) for step, metric in observed]
        self._put(reductions=tuple(map(_moment, self.reductions)))
        factor, threshold, floor = finite(self.factor), finite(self.threshold), finite(self.floor)
        reductions, steps = list(self.reductions), [*self.reductions[-1:], *(step for step, _ in seen)]
        for name, fits, allowed in (
            ("factor", factor is not None and 0 < factor < 1, "a number in (0, 1)"),
            ("threshold", threshold is not None and threshold >= 0, "a number >= 0"),
            ("floor", floor is not None and 0 <= floor <= 1, "a number in [0, 1]"),
            ("patience", as_whole(self.patience) is not None, "a whole number >= 0"),
            ("cooldown", as_whole(self.cooldown) is not None, "a whole number >= 0"),
            ("mode", self.mode in {"min", "max"}, "'min' or 'max'"),
            ("threshold_mode", self.threshold_mode in {"rel", "abs"}, "'rel' or 'abs'"),
            ("reductions", reductions == sorted(reductions), "steps, in order"),
            ("best", self.best is None or finite(self.best) is not None, "a finite number, or None before the first"),
            ("bad", as_whole(self.bad) is not None, "a whole number >= 0"),
            ("resting", as_whole(self.resting) is not None, "a whole number >= 0"),
            ("observed", steps == sorted(steps), "pairs of step and metric, in order, after the last reduction"),
        ):
            if not fits:
                given = seen if name == "observed" else getattr(self, name)
                raise ScheduleArgumentError(name, given, "Plateau", allowed)
        for step, metric in seen:
            self._see(step, metric)

    def seen(self, step: float, metric: float) -> Schedule:
        return replace(self, observed=((step, metric),))

    @property
    def driven_by_metric(self) -> bool:
        return True

    def _see(self, step: float, metric: float) -> None:
        """Move on by one observation, while it is being made."""
        if self._better(metric):
            self._put(best=metric, bad=0)
        else:
            self._put(bad=self.bad + 1)
        if self.resting:
            self._put(resting=self.resting - 1, bad=0)
        if self.bad > self.patience and self.factor ** len(self.reductions) > self.floor:  # below, no more would count
            self._put(reductions=(*self.reductions, step), bad=0, resting=self.cooldown)

    def _better(self, metric: float) -> bool:
        if self.best is None or not math.isfinite(metric):
            return math.isfinite(metric)
        sign = -1.0 if self.mode == "min" else 1.0
        if self.threshold_mode == "rel":
            bar = self.best * (1.0 + math.copysign(self.threshold, sign * self.best))
        else:
            bar = self.best + sign * self.threshold
        return sign * metric > sign * bar

    def _put(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

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

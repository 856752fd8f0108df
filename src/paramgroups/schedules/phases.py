"""The curves of several phases: one cycle, warm-up–stable–decay, and the inverse square root with its cool-down.

Knows which phase a moment is in; the way from level to level is a curve's to know.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from typing import final

import numpy as np

from paramgroups.errors import DurationError, ScheduleArgumentError
from paramgroups.schedules.annealing import Annealed, Curve
from paramgroups.schedules.levels import Array, Level, Line
from paramgroups.schedules.shapes import put_number, require_time
from paramgroups.schedules.units import Duration, as_duration


@final
@dataclass(frozen=True, repr=False)
class OneCycle(Annealed):
    """Up from `start` to `peak`, then down to `end`, over `steps`, `end` afterwards.

        v = start -> peak on [0, a],   peak -> end on [a, steps],   a = pct_start * steps
        v = start -> peak on [0, a],   peak -> start on [a, 2a],   start -> end on [2a, steps]   (three_phase)

    Each arrow is w(p) * from + (1 - w(p)) * to, p the share of the phase that is over, w the curve as in `Cooldown`.
    Smith & Topin (2018), arXiv:1708.07120, as torch's `OneCycleLR`, with the base as torch's `max_lr`; but the end is
    reached at step `steps`, not one before it, and a is not one step sooner.

    Momentum goes the other way by the same class: `momentum=OneCycle(steps, start=Absolute(0.95), peak=Absolute(0.85),
    end=Absolute(0.95))`.

    Args:
        steps: How long; both ends are exact.
        pct_start: The share of the steps, in [0, 1], that leads up to the peak; with `three_phase` in [0, 0.5].
        curve: `"cosine"`, `"linear"`, or another that `Cooldown` has, or a schedule from 1.0 to 0.0.
        three_phase: Whether it comes down as it went up, before it goes on to `end`.
        start: Level at step 0: a factor of the base, or `Absolute`. torch's 1 / div_factor.
        peak: Level in between, likewise.
        end: Level from step `steps` on, likewise. torch's 1 / (div_factor * final_div_factor).

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> OneCycle(10).values([0, 3, 10], base=1.0)
        array([4.e-02, 1.e+00, 4.e-06])
    """

    steps: Duration
    _: KW_ONLY
    pct_start: float = 0.3
    curve: Curve = "cosine"
    three_phase: bool = False
    start: Level = 0.04
    peak: Level = 1.0
    end: Level = 4e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.three_phase, bool):
            raise ScheduleArgumentError("three_phase", self.three_phase, "OneCycle", "True or False")
        most = 0.5 if self.three_phase else 1.0
        put_number(self, "pct_start", lambda share: 0 <= share <= most, f"a share in [0, {most}]")

    def _line(self, times: Array, base: float) -> Line:
        peak_at = self.pct_start * self._length
        corners = [(0.0, self.start), (peak_at, self.peak), (2.0 * peak_at, self.start), (self._length, self.end)]
        if not self.three_phase:
            del corners[2]
        line = Line.of(self.start)
        for (since, _), (until, level) in pairwise(corners):
            line = self._annealed(times, since, until, line, Line.of(level))
        return line


@final
@dataclass(frozen=True, repr=False)
class WarmupStableDecay(Annealed):
    """Up to `peak`, there for most of `steps`, and down to `end` over the last of them, `end` afterwards.

        v(t) = peak * (t + 1) / (warmup + 1) if t < warmup, peak if t <= steps - cooldown
        v(t) = w(p) * peak + (1 - w(p)) * end,   p = (t - steps + cooldown) / cooldown

    w is the curve as in `Cooldown`. Hu et al. (2024), section 4, arXiv:2404.06395. The same as
    `Warmup(warmup).then(Constant(steps=stable)).then(Cooldown(cooldown))`, where the base is the peak.

    Args:
        steps: How long in all.
        warmup: How many of them lead up.
        cooldown: How many of them lead down.
        curve: `"linear"`, `"cosine"`, `"1-sqrt"`, `"square"`, `"exponential"`, or a schedule from 1.0 to 0.0.
        peak: Level in between: a factor of the base, or `Absolute`.
        end: Level from step `steps` on, likewise.

    Raises:
        ScheduleArgumentError: If a level is none, or `curve` not a curve.
        DurationError: If a duration is none, or `steps` has no room for the other two (where they wait for a horizon,
            once they are resolved).

    Example:
        >>> WarmupStableDecay(8, warmup=2, cooldown=4, curve="linear").values(10, base=1.0).round(3)
        array([0.333, 0.667, 1.   , 1.   , 1.   , 0.75 , 0.5  , 0.25 , 0.   , 0.   ])
    """

    steps: Duration
    _: KW_ONLY
    warmup: Duration
    cooldown: Duration
    curve: Curve = "1-sqrt"
    peak: Level = 1.0
    end: Level = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("warmup", "cooldown"):
            as_duration(getattr(self, name), f"WarmupStableDecay.{name}", rest=False)
        if self.resolved and self._length < int(self.warmup) + int(self.cooldown):
            problem = f"has no room for {self.warmup} steps of warm-up and {self.cooldown} of cool-down"
            raise DurationError(self.steps, "WarmupStableDecay.steps", problem, "Shorten them, or make it longer.")

    def _line(self, times: Array, base: float) -> Line:
        up = Line.of(self.peak).scaled(np.minimum((times + 1.0) / (int(self.warmup) + 1), 1.0))
        return self._annealed(times, self._length - int(self.cooldown), self._length, up, Line.of(self.end))


@final
@dataclass(frozen=True, repr=False)
class InverseSqrt(Annealed):
    """`start` over the square root of time, and perhaps a cool-down to `end`.

        v(t) = start / sqrt((t + timescale) / timescale)
        v(t) = w(p) * v(steps - cooldown) + (1 - w(p)) * end,   p = (t - steps + cooldown) / cooldown   (at the last)

    After a warmup of `timescale` steps, the decay of Vaswani et al. (2017), section 5.3, arXiv:1706.03762; with a
    cool-down, that of Zhai et al. (2022), section 3.5, arXiv:2106.04560. w is the curve as in `Cooldown`.

    Args:
        timescale: Steps after which the value is `start / sqrt(2)`, > 0.
        start: Level at step 0: a factor of the base, or `Absolute`.
        steps: How long, for what follows in a chain, after which the value holds; None is open-ended.
        cooldown: How many of these steps, the last, lead down to `end`.
        curve: `"linear"`, or another that `Cooldown` has, or a schedule from 1.0 to 0.0.
        end: Level after the cool-down, likewise; None is 0.

    Raises:
        ScheduleArgumentError: If a level is none, `curve` not a curve, or there is a cool-down of no `steps`.
        DurationError: If a duration is none, `timescale` no steps at all, or `steps` has no room for the cool-down.

    Example:
        >>> InverseSqrt(100).values([0, 300], base=1.0)
        array([1. , 0.5])
        >>> InverseSqrt(100, steps=400, cooldown=100).values([300, 350, 400], base=1.0)
        array([0.5 , 0.25, 0.  ])
    """

    timescale: Duration
    start: Level = 1.0
    _: KW_ONLY
    steps: Duration | None = None
    cooldown: Duration = 0
    curve: Curve = "linear"
    end: Level | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_time(self.timescale, "InverseSqrt.timescale")
        if as_duration(self.cooldown, "InverseSqrt.cooldown", rest=False) != 0 and self.steps is None:
            raise ScheduleArgumentError("steps", None, "InverseSqrt", "given, for the cool-down has to end somewhere")
        if self.steps is not None and self.resolved and self._length < int(self.cooldown):
            problem = f"has no room for {self.cooldown} steps of cool-down"
            raise DurationError(self.steps, "InverseSqrt.steps", problem, "Shorten it, or give more steps.")

    def _line(self, times: Array, base: float) -> Line:
        timescale, cooldown = int(self.timescale), int(self.cooldown)
        last = self._length - cooldown
        before = times if self.steps is None else np.minimum(times, last)
        line = Line.of(self.start).scaled(1.0 / np.sqrt((before + timescale) / timescale))
        if not cooldown:
            return line
        end = Line(0.0, 0.0) if self.end is None else Line.of(self.end)
        return self._annealed(times, last, self._length, line, end)

"""DeepSpeed's schedulers, by the same names.

    from paramgroups.schedules.dialects import deepspeed
    lr = deepspeed.WarmupDecayLR(total_num_steps=10_000, warmup_max_lr=3e-4, warmup_num_steps=500)

Each gives what stands in a group after k calls of `step`, which is what the k-th update uses. Where DeepSpeed has an lr
of its own, every group gets the same, whatever its base; where that is left out, and in `WarmupCosineLR`, the base
counts.

A trap that the three warm-ups share: DeepSpeed's constructor sets a value, and the first call of `step` sets that of
iteration 0, so that all of the curve is one update late; and from 0, the first two updates do nothing.

Knows DeepSpeed's conventions; the curves are the native ones. Held against deepspeed 0.19.8.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.derived import Derived
from paramgroups.schedules.dialects.conventions import Endless, cut, in_turn
from paramgroups.schedules.levels import Absolute, Level
from paramgroups.schedules.points import Piecewise
from paramgroups.schedules.shapes import Constant, Cosine, Linear, Logarithmic

__all__ = ["LRRangeTest", "OneCycle", "WarmupCosineLR", "WarmupDecayLR", "WarmupLR"]

_WARMUPS: Final = ("log", "linear")


def LRRangeTest(
    lr_range_test_min_lr: float = 1e-3,
    lr_range_test_step_size: int = 2000,
    lr_range_test_step_rate: float = 1.0,
    lr_range_test_staircase: bool = False,
) -> Schedule:
    """As DeepSpeed's `LRRangeTest`: a line up, or stairs, without an end. Native: `Linear`, or `Exponential`, with one.

        v(t) = min_lr * (1 + step_rate * t / step_size), or its floor(t / step_size)

    Args:
        lr_range_test_min_lr: Where it starts, in the unit of lr.
        lr_range_test_step_size: How many steps `lr_range_test_step_rate` is for, > 0.
        lr_range_test_step_rate: How much is added in that time, as a factor of the start.
        lr_range_test_staircase: Whether it is added at once, at the end of that time.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> LRRangeTest(0.1, 2).values(5)
        array([0.1 , 0.15, 0.2 , 0.25, 0.3 ])
    """
    given = Arguments("LRRangeTest")
    start = given.number("lr_range_test_min_lr", lr_range_test_min_lr)
    steps = given.count("lr_range_test_step_size", lr_range_test_step_size, least=1)
    end = start * (1.0 + given.number("lr_range_test_step_rate", lr_range_test_step_rate))
    stairs = given.flag("lr_range_test_staircase", lr_range_test_staircase)
    return Endless("linear", steps, pace="stairs" if stairs else "smooth", start=Absolute(start), end=Absolute(end))


def OneCycle(
    cycle_min_lr: float,
    cycle_max_lr: float,
    decay_lr_rate: float = 0.0,
    cycle_first_step_size: int = 2000,
    cycle_second_step_size: int | None = None,
    cycle_first_stair_count: int = 0,
    cycle_second_stair_count: int | None = None,
    decay_step_size: int = 0,
    cycle_momentum: bool = True,
    cycle_min_mom: float = 0.8,
    cycle_max_mom: float = 0.9,
    decay_mom_rate: float = 0.0,
    *,
    drives: str = "lr",
) -> Schedule:
    """As DeepSpeed's `OneCycle`: straight up and down, once, and then slowly further down. Native: `OneCycle`.

        lr(t) = min_lr / (1 + decay_lr_rate * s / decay_step_size),   s = t - the length of the cycle >= 0
        mom(t) = max_mom * (1 + decay_mom_rate * s / decay_step_size)

    Four traps: without a `decay_step_size` nothing decays after the cycle, whatever the rates; a momentum that "decays"
    grows, and may pass 1; the first update has the least momentum, as the constructor sets it, and the second nearly
    the greatest; and DeepSpeed sets both betas, the second to 0.99.

    Args:
        cycle_min_lr: Where it starts and comes back to, in the unit of lr.
        cycle_max_lr: Where it goes.
        decay_lr_rate: How fast it decays after the cycle, >= 0.
        cycle_first_step_size: How long it goes up, > 0.
        cycle_second_step_size: How long it comes down; None is as long.
        cycle_first_stair_count: In how many stairs it goes up; 0 is a line.
        cycle_second_stair_count: In how many it comes down; None is as many.
        decay_step_size: How many steps a rate is for; 0 for no decay.
        cycle_momentum: Whether DeepSpeed would drive the betas too.
        cycle_min_mom: The least momentum, where lr is greatest.
        cycle_max_mom: The greatest, where lr is least.
        decay_mom_rate: How fast it grows after the cycle, >= 0.
        drives: What this is the schedule of: `"lr"`, or `"momentum"`, which is that of `"betas[0]"`.

    Raises:
        ScheduleArgumentError: If an argument is none of these, or momentum is asked for where DeepSpeed drives none.

    Example:
        >>> OneCycle(0.1, 0.5, 1.0, cycle_first_step_size=2, decay_step_size=1).values(7)
        array([0.1       , 0.3       , 0.5       , 0.3       , 0.1       ,
               0.05      , 0.03333333])
    """
    given = Arguments("OneCycle")
    up = given.count("cycle_first_step_size", cycle_first_step_size, least=1)
    down = up if cycle_second_step_size is None else given.count("cycle_second_step_size", cycle_second_step_size)
    first = given.count("cycle_first_stair_count", cycle_first_stair_count)
    second = first
    if cycle_second_stair_count is not None:
        second = given.count("cycle_second_stair_count", cycle_second_stair_count)
    every = given.count("decay_step_size", decay_step_size)
    if given.choice("drives", drives, ("lr", "momentum")) == "lr":
        low, high = given.number("cycle_min_lr", cycle_min_lr), given.number("cycle_max_lr", cycle_max_lr)
        rate = given.number("decay_lr_rate", decay_lr_rate, least=0.0)
        grown = Endless("linear", every or 1, end=1.0 + rate)
        after: Schedule = Derived(grown, power=-1.0, at_one=Absolute(low), at_zero=Absolute(0.0))
    else:
        if not given.flag("cycle_momentum", cycle_momentum):
            raise given.refused("drives", drives, "'lr', for cycle_momentum is False")
        low, high = given.number("cycle_max_mom", cycle_max_mom), given.number("cycle_min_mom", cycle_min_mom)
        rate = given.number("decay_mom_rate", decay_mom_rate, least=0.0)
        after = Endless("linear", every or 1, start=Absolute(low), end=Absolute(low * (1.0 + rate)))
    curve = in_turn(
        _half(low, high, up, first, rising=True),
        _half(low, high, down, second, rising=False),
        after if rate and every else Constant(Absolute(low)),
    )
    return curve if drives == "lr" else Constant(Absolute(high), steps=1).then(curve.shift(-1))


def WarmupLR(
    warmup_min_lr: float = 0.0,
    warmup_max_lr: float | None = None,
    warmup_num_steps: int = 1000,
    warmup_type: str = "log",
) -> Schedule:
    """As DeepSpeed's `WarmupLR`: up, by the logarithm or straight, and on. Native: `Warmup`, or `Logarithmic`.

        v(t) = min_lr + (max_lr - min_lr) * ln(i + 1) / ln(W), or * i / W,   i = t - 1 < W

    Three traps: the logarithm is the default; it is there at i = W - 1, the line at i = W; and all of it is one update
    late, as above.

    Args:
        warmup_min_lr: Where it starts, in the unit of lr.
        warmup_max_lr: Where it goes, likewise; None is the base.
        warmup_num_steps: W, > 0; 1 counts as 2.
        warmup_type: `"log"` or `"linear"`.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> WarmupLR(warmup_num_steps=4, warmup_type="linear").values(7, base=1.0)
        array([0.  , 0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
    """
    given = Arguments("WarmupLR")
    start, end = Absolute(given.number("warmup_min_lr", warmup_min_lr)), _highest(given, warmup_max_lr)
    warmup, _ = _warmup(given, warmup_num_steps, warmup_type, start, end)
    return in_turn(warmup, Constant(end)).shift(1)


def WarmupDecayLR(
    total_num_steps: int,
    warmup_min_lr: float = 0.0,
    warmup_max_lr: float | None = 0.001,
    warmup_num_steps: int = 1000,
    warmup_type: str = "log",
) -> Schedule:
    """As DeepSpeed's `WarmupDecayLR`: up, and straight down again. Native: `Warmup`, then `Linear`.

        v(t) = min_lr + (max_lr - min_lr) * max(0, (N - i) / max(1, N - W)),   W <= i = t - 1

    Three traps: `warmup_max_lr` is 0.001 unless it is given, whatever the base; it comes down to `warmup_min_lr`, which
    is thus a floor too; and all of it is one update late, as above.

    Args:
        total_num_steps: N, the warm-up included.
        warmup_min_lr: Where it starts and ends, in the unit of lr.
        warmup_max_lr: Where it goes, likewise; None is the base.
        warmup_num_steps: W, > 0; 1 counts as 2.
        warmup_type: `"log"` or `"linear"`, as in `WarmupLR`.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> WarmupDecayLR(6, 0.0, 1.0, warmup_num_steps=2, warmup_type="linear").values(9)
        array([0.  , 0.  , 0.5 , 1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ])
    """
    given = Arguments("WarmupDecayLR")
    start, end = Absolute(given.number("warmup_min_lr", warmup_min_lr)), _highest(given, warmup_max_lr)
    warmup, steps = _warmup(given, warmup_num_steps, warmup_type, start, end)
    left = given.count("total_num_steps", total_num_steps) - steps
    return in_turn(warmup, Linear(max(left, 0), start=end, end=start)).shift(1)


def WarmupCosineLR(
    total_num_steps: int,
    warmup_min_ratio: float = 0.0,
    warmup_num_steps: int = 1000,
    cos_min_ratio: float = 0.0001,
    warmup_type: str = "log",
) -> Schedule:
    """As DeepSpeed's `WarmupCosineLR`: up, and down by half a cosine, as factors. Native: `Warmup`, then `Cosine`.

        v(t) = b * (c + (1 - c) * (1 + cos(pi * min(1, (i - W + 1) / max(1, N - W)))) / 2),   W <= i = t - 1

    c = `cos_min_ratio`. Two traps: the first update has an lr of 0, whatever `warmup_min_ratio` is; and the warm-up is
    one update late, as above, but the cosine is not, so that after a linear warm-up the base is never met.

    Args:
        total_num_steps: N, the warm-up included.
        warmup_min_ratio: Where it starts, a factor of the base.
        warmup_num_steps: W, > 0; 1 counts as 2.
        cos_min_ratio: Where it goes, and holds, likewise, >= 0.
        warmup_type: `"log"` or `"linear"`, as in `WarmupLR`.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> WarmupCosineLR(4, 0.5, 2, 0.1, "linear").values(6, base=1.0)
        array([0.  , 0.5 , 0.75, 0.55, 0.1 , 0.1 ])
    """
    given = Arguments("WarmupCosineLR")
    start = given.number("warmup_min_ratio", warmup_min_ratio)
    warmup, steps = _warmup(given, warmup_num_steps, warmup_type, start, 1.0)
    left = given.count("total_num_steps", total_num_steps) - steps
    end = given.number("cos_min_ratio", cos_min_ratio, least=0.0)
    return in_turn(Constant(0.0, steps=1), warmup, Cosine(max(left, 1), end=end).shift(-1))


def _warmup(
    given: Arguments, warmup_num_steps: int, warmup_type: str, start: Level, end: Level
) -> tuple[Schedule, int]:
    """The way up, and how long it lasts."""
    steps = max(given.count("warmup_num_steps", warmup_num_steps, least=1), 2)
    if given.choice("warmup_type", warmup_type, _WARMUPS) == "linear":
        return Linear(steps, start=start, end=end), steps
    return Logarithmic(steps - 1, start=start, end=end).then(Constant(end, steps=1)), steps


def _highest(given: Arguments, warmup_max_lr: float | None) -> Level:
    return 1.0 if warmup_max_lr is None else Absolute(given.number("warmup_max_lr", warmup_max_lr))


def _half(low: float, high: float, steps: int, stairs: int, *, rising: bool) -> Schedule:
    """One half of a cycle, a line or stairs."""
    ends = Absolute(low), Absolute(high)
    if not (stairs and steps):
        start, end = ends if rising else ends[::-1]
        return Linear(steps, start=start, end=end)
    gone = np.arange(steps, dtype=np.float64)
    heights = np.floor((gone if rising else steps - gone) * stairs / steps) / stairs
    moments = [0, *(np.flatnonzero(np.diff(heights)) + 1).tolist()]
    levels = (Absolute(low + (high - low) * height) for height in heights[moments].tolist())
    return cut(Piecewise(zip(moments, levels, strict=True), "constant"), steps)

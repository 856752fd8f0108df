"""optax's schedules: every one that is a pure function of the count.

    from paramgroups.schedules.dialects import optax
    lr = optax.warmup_cosine_decay_schedule(0.0, 3e-4, warmup_steps=500, decay_steps=10_000)

Each takes optax's arguments and gives the value that optax gives at each count, in the hyperparameter's own unit: every
group gets the same, whatever its base. The native shapes multiply each group's base, and so keep ratios. optax computes
in float32 unless jax is told otherwise; these are the values in float64.

Knows optax's conventions; the curves are the native ones. Held against optax 0.2.8.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from operator import mul
from typing import Any

from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule, require_schedule
from paramgroups.schedules.derived import Derived
from paramgroups.schedules.dialects.conventions import Geometric, Until, cut, in_turn
from paramgroups.schedules.levels import Absolute
from paramgroups.schedules.points import Piecewise
from paramgroups.schedules.shapes import Constant, Cosine, Linear, Polynomial

__all__ = [
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "polynomial_schedule",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]


def constant_schedule(value: float) -> Schedule:
    """As optax's `constant_schedule`: `value` for ever. Native: `Constant`.

    Args:
        value: The value.

    Raises:
        ScheduleArgumentError: If `value` is not a finite number.

    Example:
        >>> constant_schedule(0.1)
        Constant(Absolute(0.1))
    """
    return Constant(Absolute(Arguments("constant_schedule").number("value", value)))


def polynomial_schedule(
    init_value: float, end_value: float, power: float, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    """As optax's `polynomial_schedule`: a power of the time that is left. Native: `Polynomial`.

        v(t) = end_value + (init_value - end_value) * (1 - p) ** power,   p = (t - transition_begin) / transition_steps

    A trap: with no transition steps it stays at `init_value`, for ever.

    Args:
        init_value: Where it starts.
        end_value: Where it goes.
        power: Exponent, >= 0; at 0 it stays at `init_value`.
        transition_steps: How long, in steps.
        transition_begin: For how many steps it waits first.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> polynomial_schedule(1.0, 0.0, 2, 4).values(5)
        array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])
    """
    given = Arguments("polynomial_schedule")
    start, end = (
        Absolute(given.number(name, value)) for name, value in (("init_value", init_value), ("end_value", end_value))
    )
    power = given.number("power", power, least=0.0)
    steps = given.count("transition_steps", transition_steps)
    begin = given.count("transition_begin", transition_begin)
    if steps == 0 or power == 0.0:
        return Constant(start)
    if power == 1.0:
        return _later(Linear(steps, start=start, end=end), begin)
    return _later(Polynomial(steps, power=power, start=start, end=end), begin)


def linear_schedule(init_value: float, end_value: float, transition_steps: int, transition_begin: int = 0) -> Schedule:
    """As optax's `linear_schedule`: a straight line. Native: `Linear`.

    A trap: with no transition steps it stays at `init_value`, for ever.

    Args:
        init_value: Where it starts.
        end_value: Where it goes.
        transition_steps: How long, in steps.
        transition_begin: For how many steps it waits first.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> linear_schedule(0.0, 1.0, 4, 1).values(6)
        array([0.  , 0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    return polynomial_schedule(init_value, end_value, 1.0, transition_steps, transition_begin)


def exponential_decay(
    init_value: float,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """As optax's `exponential_decay`: multiplied by `decay_rate` every `transition_steps`. Native: `Exponential`.

        v(t) = init_value * decay_rate ** p,   p = (t - transition_begin) / transition_steps, or its floor

    Two traps: with no transition steps, and with a rate of 0, it stays at `init_value`; and it has no end, where
    `Exponential(steps, end=0.01)` says where it goes and stays there.

    Args:
        init_value: Where it starts.
        transition_steps: How many steps `decay_rate` is for.
        decay_rate: What they multiply by, >= 0.
        transition_begin: For how many steps it waits first.
        staircase: Whether it changes at once, every `transition_steps`.
        end_value: Where it stops: a floor for a rate below 1, a ceiling otherwise. None for neither.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> exponential_decay(1.0, 2, 0.25, end_value=0.1).values(5)
        array([1.   , 0.5  , 0.25 , 0.125, 0.1  ])
    """
    given = Arguments("exponential_decay")
    init = given.number("init_value", init_value)
    steps = given.count("transition_steps", transition_steps)
    rate = given.number("decay_rate", decay_rate, least=0.0)
    begin = given.count("transition_begin", transition_begin)
    stairs = given.flag("staircase", staircase)
    if steps == 0 or rate == 0.0:
        return Constant(Absolute(init))
    curve: Schedule = Geometric(rate, steps, stairs=stairs, start=Absolute(init))
    if end_value is None:
        return _later(curve, begin)
    end = given.number("end_value", end_value)
    if rate < 1.0:
        return _later(curve, begin).clip(low=Absolute(end))
    if rate > 1.0 and init > 0.0 and end > 0.0:  # above the ceiling long before it is infinite
        reached = math.ceil(steps * (math.log(end / init) / math.log(rate)))
        curve = Until(curve, max(reached, 0) + steps)
    return _later(curve, begin).clip(high=Absolute(end))


def cosine_decay_schedule(init_value: float, decay_steps: int, alpha: float = 0.0, exponent: float = 1.0) -> Schedule:
    """As optax's `cosine_decay_schedule`: half a cosine, or a power of it. Native: `Cosine`.

        v(t) = init_value * ((1 - alpha) * w ** exponent + alpha),   w = (1 + cos(pi * t / decay_steps)) / 2

    Args:
        init_value: Where it starts.
        decay_steps: How long, in steps, > 0; after that it holds.
        alpha: Where it goes, a share of `init_value`.
        exponent: Of the cosine, >= 0; at 0 it stays at `init_value`.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> cosine_decay_schedule(1.0, 4, alpha=0.1)
        Cosine(4, start=Absolute(1.0), end=Absolute(0.1))
    """
    given = Arguments("cosine_decay_schedule")
    init = given.number("init_value", init_value)
    steps = given.count("decay_steps", decay_steps, least=1)
    start, end = Absolute(init), Absolute(init * given.number("alpha", alpha))
    power = given.number("exponent", exponent, least=0.0)
    if power == 1.0:
        return Cosine(steps, start=start, end=end)
    return Derived(Cosine(steps), power=power, at_one=start, at_zero=end) if power else Constant(start)


def piecewise_constant_schedule(
    init_value: float, boundaries_and_scales: Mapping[int, float] | None = None
) -> Schedule:
    """As optax's `piecewise_constant_schedule`: multiplied by each scale from its boundary on. Native: `Piecewise`.

    A trap: scales are not levels. Each multiplies what stands, so {10: 0.1, 20: 0.1} ends at a hundredth.

    Args:
        init_value: Where it starts.
        boundaries_and_scales: From a step >= 0 to the scale >= 0 from that step on.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> piecewise_constant_schedule(1.0, {2: 0.5, 4: 0.5}).values(6)
        array([1.  , 1.  , 0.5 , 0.5 , 0.25, 0.25])
    """
    points = _points("piecewise_constant_schedule", init_value, boundaries_and_scales)
    return Piecewise(points, "constant") if len(points) > 1 else Constant(points[0][1])


def piecewise_interpolate_schedule(
    interpolate_type: str, init_value: float, boundaries_and_scales: Mapping[int, float] | None = None
) -> Schedule:
    """As optax's `piecewise_interpolate_schedule`: from scale to scale by lines or half cosines. Native: `Piecewise`.

    A trap: scales are not levels. Each multiplies what stands at the boundary before it.

    Args:
        interpolate_type: `"linear"` or `"cosine"`.
        init_value: Where it starts.
        boundaries_and_scales: From a step >= 0 to the scale >= 0 that is reached at that step.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> piecewise_interpolate_schedule("linear", 1.0, {2: 0.5, 4: 0.0}).values(6)
        array([1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ])
    """
    where = "piecewise_interpolate_schedule"
    kind = Arguments(where).choice("interpolate_type", interpolate_type, ("linear", "cosine"))
    points = _points(where, init_value, boundaries_and_scales)
    if len(points) == 1:
        return Constant(points[0][1])
    if kind == "linear":
        return Piecewise(points)
    return in_turn(*(Cosine(until - since, start=start, end=end) for (since, start), (until, end) in pairwise(points)))


def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """As optax's `linear_onecycle_schedule`: up, down, and further down, in straight lines. Native: `OneCycle`.

    Two traps: the corners are at whole steps, int(pct * steps), and where two fall on one step the earlier is dropped
    with its scale: with `pct_final=1.0` the end is the peak / 10,000, not the peak / 250,000.

    Args:
        transition_steps: How long, in steps, > 0.
        peak_value: The highest value.
        pct_start: The share of the steps, in [0, 1], that leads up.
        pct_final: The share after which it goes further down, in [0, 1].
        div_factor: What the peak is divided by at the start and at `pct_final`, > 0.
        final_div_factor: What that is divided by at the end, > 0.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> linear_onecycle_schedule(20, 1.0).values([0, 6, 17, 20])
        array([4.e-02, 1.e+00, 4.e-02, 4.e-06])
    """
    given = Arguments("linear_onecycle_schedule")
    steps = given.count("transition_steps", transition_steps, least=1)
    peak, div = given.number("peak_value", peak_value), given.number("div_factor", div_factor, above=0.0)
    scales = {
        int(given.share("pct_start", pct_start) * steps): div,
        int(given.share("pct_final", pct_final) * steps): 1.0 / div,
        steps: 1.0 / given.number("final_div_factor", final_div_factor, above=0.0),
    }
    return piecewise_interpolate_schedule("linear", peak / div, scales)


def cosine_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """As optax's `cosine_onecycle_schedule`: up and down, each by half a cosine. Native: `OneCycle`.

    A trap: the peak is at a whole step, int(pct_start * steps), and with `pct_start=1.0` there is none: it only falls.

    Args:
        transition_steps: How long, in steps, > 0.
        peak_value: The highest value.
        pct_start: The share of the steps, in [0, 1], that leads up.
        div_factor: What the peak is divided by at the start, > 0.
        final_div_factor: What that is divided by at the end, > 0.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> cosine_onecycle_schedule(20, 1.0).values([0, 6, 20])
        array([4.e-02, 1.e+00, 4.e-06])
    """
    given = Arguments("cosine_onecycle_schedule")
    steps = given.count("transition_steps", transition_steps, least=1)
    peak, div = given.number("peak_value", peak_value), given.number("div_factor", div_factor, above=0.0)
    scales = {
        int(given.share("pct_start", pct_start) * steps): div,
        steps: 1.0 / (div * given.number("final_div_factor", final_div_factor, above=0.0)),
    }
    return piecewise_interpolate_schedule("cosine", peak / div, scales)


def warmup_constant_schedule(init_value: float, peak_value: float, warmup_steps: int) -> Schedule:
    """As optax's `warmup_constant_schedule`: a straight line up, and on. Native: `Warmup`.

    A trap: with no warm-up steps it stays at `init_value`, which is 0 more often than not.

    Args:
        init_value: Where it starts.
        peak_value: Where it goes.
        warmup_steps: How long, in steps.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> warmup_constant_schedule(0.0, 1.0, 2).values(4), warmup_constant_schedule(0.0, 1.0, 0).values(4)
        (array([0. , 0.5, 1. , 1. ]), array([0., 0., 0., 0.]))
    """
    return linear_schedule(init_value, peak_value, warmup_steps)


def warmup_cosine_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    decay_steps: int,
    end_value: float = 0.0,
    exponent: float = 1.0,
) -> Schedule:
    """As optax's `warmup_cosine_decay_schedule`: a line up, then half a cosine. Native: `Warmup`, then `Cosine`.

    Two traps: `decay_steps` counts the warm-up too, so the cosine has `decay_steps - warmup_steps`; and from
    `init_value=0.0` the first update does nothing.

    Args:
        init_value: Where it starts.
        peak_value: The highest value.
        warmup_steps: How long the line is, in steps.
        decay_steps: How long all of it is, in steps, more than `warmup_steps`.
        end_value: Where it goes, and holds.
        exponent: Of the cosine, >= 0.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> warmup_cosine_decay_schedule(0.0, 1.0, 2, 6, end_value=0.1)
        Linear(2, start=Absolute(0.0), end=Absolute(1.0)).then(Cosine(4, start=Absolute(1.0), end=Absolute(0.1)))
    """
    given = Arguments("warmup_cosine_decay_schedule")
    warmup = given.count("warmup_steps", warmup_steps)
    if given.count("decay_steps", decay_steps) <= warmup:
        raise given.refused("decay_steps", decay_steps, f"more than warmup_steps = {warmup}, which it includes")
    peak, end = given.number("peak_value", peak_value), given.number("end_value", end_value)
    return in_turn(
        cut(linear_schedule(init_value, peak, warmup), warmup),
        cosine_decay_schedule(peak, decay_steps - warmup, end / peak if peak else 0.0, exponent),
    )


def warmup_exponential_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """As optax's `warmup_exponential_decay_schedule`: a straight line up, then `exponential_decay` with its traps.

    Native: `Warmup`, then `Exponential`.

    Args:
        init_value: Where it starts.
        peak_value: The highest value.
        warmup_steps: How long the line is, in steps.
        transition_steps: As in `exponential_decay`, which counts its steps from the end of the line on.
        decay_rate: Likewise.
        transition_begin: Likewise.
        staircase: Likewise.
        end_value: Likewise.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> warmup_exponential_decay_schedule(0.0, 1.0, 2, 1, 0.5).values(5)
        array([0.  , 0.5 , 1.  , 0.5 , 0.25])
    """
    warmup = Arguments("warmup_exponential_decay_schedule").count("warmup_steps", warmup_steps)
    decay = exponential_decay(peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value)
    return join_schedules([linear_schedule(init_value, peak_value, warmup), decay], [warmup])


def sgdr_schedule(cosine_kwargs: Iterable[Mapping[str, Any]]) -> Schedule:
    """As optax's `sgdr_schedule`: one `warmup_cosine_decay_schedule` after the other. Native: `CosineRestarts`.

    Args:
        cosine_kwargs: The arguments of each; its `decay_steps` are how long it lasts, the last one's end holds.

    Raises:
        ScheduleArgumentError: If there are none, or an argument of one is none of these.

    Example:
        >>> cycle = {"init_value": 0.0, "peak_value": 1.0, "warmup_steps": 1, "decay_steps": 3}
        >>> sgdr_schedule([cycle, cycle]).values(7)
        array([0. , 1. , 0.5, 0. , 1. , 0.5, 0. ])
    """
    given = Arguments("sgdr_schedule")
    cycles = [warmup_cosine_decay_schedule(**kwargs) for kwargs in given.several("cosine_kwargs", cosine_kwargs)]
    if not cycles:
        raise given.refused("cosine_kwargs", cosine_kwargs, "the arguments of one cycle or more")
    return in_turn(*cycles)


def join_schedules(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """As optax's `join_schedules`: each schedule until its boundary, the next from there at its own step 0.

    Native: `.then`, which knows how long each schedule is, so that no boundary can be off by a step.

    Args:
        schedules: Our schedules, such as those of this module.
        boundaries: When the next one starts, steps >= 0 in increasing order, one fewer than there are schedules.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> join_schedules([linear_schedule(0.0, 1.0, 4), constant_schedule(0.1)], [2]).values(4)
        array([0.  , 0.25, 0.1 , 0.1 ])
    """
    given = Arguments("join_schedules")
    parts = [require_schedule(part, "schedules", given.where) for part in given.several("schedules", schedules)]
    moments = [0, *given.moments("boundaries", boundaries)]
    if len(moments) != len(parts):
        raise given.refused("boundaries", boundaries, f"one step fewer than the {len(parts)} schedules")
    lengths = (until - since for since, until in pairwise(moments))
    return in_turn(*map(cut, parts, lengths), parts[-1])


def _later(schedule: Schedule, steps: int) -> Schedule:
    return schedule.shift(steps) if steps else schedule


def _points(where: str, init: float, scales: Mapping[int, float] | None) -> list[tuple[int, Absolute]]:
    """The value at each boundary, that at 0 first: what has been multiplied so far."""
    given, name = Arguments(where), "boundaries_and_scales"
    if not isinstance(scales or {}, Mapping):
        raise given.refused(name, scales, "a mapping from steps to scales")
    checked = {given.count(name, at): given.number(name, scale, least=0.0) for at, scale in (scales or {}).items()}
    moments = sorted(checked)
    values = accumulate((checked[moment] for moment in moments), mul, initial=given.number("init_value", init))
    return list(zip([0, *moments], map(Absolute, values), strict=True))

"""timm's scheduler classes, less the optimizer.

Knows how each class puts warm-up, cycles and noise together; which moment of which cycle it is, `cycles` knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from paramgroups.schedules.annealing import Cooldown, Curve
from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.derived import Derived
from paramgroups.schedules.dialects.conventions import Blend, Endless, Geometric, Until, cut, in_turn
from paramgroups.schedules.dialects.timm.cycles import Cycles
from paramgroups.schedules.dialects.timm.noise import Noise
from paramgroups.schedules.function import Function
from paramgroups.schedules.levels import Absolute
from paramgroups.schedules.phases import InverseSqrt
from paramgroups.schedules.points import MultiStep
from paramgroups.schedules.shapes import Constant, Cosine, Exponential, Linear, Polynomial, Tanh

NoiseRange: TypeAlias = float | Sequence[float] | None
"""From when on there is noise, or from when until when; None for never."""

_STABLE: Final = ("constant", "rsqrt", "power")
_DECAYS: Final = ("linear", "1-sqrt", "cosine", "power", "exp")  # the first three are also ours


def CosineLRScheduler(
    t_initial: int,
    lr_min: float = 0.0,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
    t_in_epochs: bool = True,
    noise_range_t: NoiseRange = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
    k_decay: float = 1.0,
) -> Schedule:
    """As timm's `CosineLRScheduler`: half a cosine, or cycles of it. Native: `Cosine`, or `CosineRestarts`.

        v(t) = lr_min + (b * cycle_decay ** i - lr_min) * (1 + cos(pi * (q / n) ** k_decay)) / 2

    i is the number of the cycle, from 0, q the time in it, and n = t_initial * cycle_mul ** i its length.

    Args:
        t_initial: How long the first cycle is, > 0.
        lr_min: Where each cycle goes, in the unit of lr, >= 0.
        cycle_mul: How much longer each cycle is than the one before it, >= 1.
        cycle_decay: What each cycle multiplies the base by, >= 0.
        cycle_limit: How many cycles; then `lr_min` holds.
        warmup_t: How long it goes up first.
        warmup_lr_init: Where from, in the unit of lr, >= 0.
        warmup_prefix: Whether the cycles start after the warm-up, not under it.
        t_in_epochs: What t counts, which here is the clock's to know: `clock="manual"` for epochs.
        noise_range_t: From when on there is noise, or from when until when.
        noise_pct: How far from the value at most, as a share of it, > 0.
        noise_std: Standard deviation before that, >= 0.
        noise_seed: Which noise.
        k_decay: Exponent of the share of a cycle that is over, > 0.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> CosineLRScheduler(10, warmup_t=2)
        Linear(2, start=Absolute(0.0), end=1.0).then(Cosine(10, end=Absolute(0.0)).shift(-2))
    """
    given = Arguments("CosineLRScheduler")
    given.flag("t_in_epochs", t_in_epochs)
    main = Cycles(Cosine(1), t_initial, cycle_mul, cycle_decay, cycle_limit, k_decay, _lr(given, "lr_min", lr_min))
    curve = Cosine(main.t_initial, end=main.lr_min) if main.single else main
    noise = _noise(given, noise_range_t, noise_pct, noise_std, noise_seed)
    return _warmed(given, curve, warmup_t, warmup_lr_init, warmup_prefix, noise)


def TanhLRScheduler(
    t_initial: int,
    lb: float = -7.0,
    ub: float = 3.0,
    lr_min: float = 0.0,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
    t_in_epochs: bool = True,
    noise_range_t: NoiseRange = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
) -> Schedule:
    """As timm's `TanhLRScheduler`: a hyperbolic tangent, or cycles of it. Native: `Tanh`.

        v(t) = lr_min + (b * cycle_decay ** i - lr_min) * (1 - tanh(lb * (1 - q / n) + ub * q / n)) / 2

    Two traps: it does not come to `lr_min` by itself, but jumps there from (1 - tanh(ub)) / 2, where both ends of
    `Tanh` are exact; and without `warmup_prefix` the warm-up, unlike that of the other schedulers, goes to the value
    that the curve has by then, so that there is no jump.

    Args:
        t_initial: How long the first cycle is, > 0.
        lb: Where in the tangent a cycle starts.
        ub: Where it ends, more than `lb`.
        lr_min: Where each cycle goes, in the unit of lr, >= 0.
        cycle_mul: How much longer each cycle is than the one before it, >= 1.
        cycle_decay: What each cycle multiplies the base by, >= 0.
        cycle_limit: How many cycles; then `lr_min` holds.
        warmup_t: How long it goes up first.
        warmup_lr_init: Where from, in the unit of lr, >= 0.
        warmup_prefix: Whether the cycles start after the warm-up, not under it.
        t_in_epochs: What t counts, which here is the clock's to know.
        noise_range_t: From when on there is noise, or from when until when.
        noise_pct: How far from the value at most, as a share of it, > 0.
        noise_std: Standard deviation before that, >= 0.
        noise_seed: Which noise.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> TanhLRScheduler(4).values(6, base=1.0).round(4)
        array([1.    , 0.9999, 0.982 , 0.2689, 0.    , 0.    ])
    """
    given = Arguments("TanhLRScheduler")
    given.flag("t_in_epochs", t_in_epochs)
    tangent = Tanh(1, lower=given.number("lb", lb), upper=given.number("ub", ub))
    first, last = ((1.0 - math.tanh(bound)) / 2.0 for bound in (tangent.lower, tangent.upper))
    tangent = Tanh(1, lower=tangent.lower, upper=tangent.upper, start=first, end=last)
    main = Cycles(tangent, t_initial, cycle_mul, cycle_decay, cycle_limit, 1.0, _lr(given, "lr_min", lr_min))
    warmup = given.count("warmup_t", warmup_t)
    start = Constant(_lr(given, "warmup_lr_init", warmup_lr_init), steps=0)
    met = Blend(Linear(warmup), start, Until(main.shift(-warmup), 0))
    noise = _noise(given, noise_range_t, noise_pct, noise_std, noise_seed)
    up = None if warmup_prefix else met
    return _warmed(given, main, warmup, warmup_lr_init, warmup_prefix, noise, up)


def PolyLRScheduler(
    t_initial: int,
    power: float = 0.5,
    lr_min: float = 0.0,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
    t_in_epochs: bool = True,
    noise_range_t: NoiseRange = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
    k_decay: float = 1.0,
) -> Schedule:
    """As timm's `PolyLRScheduler`: a power of the time that is left, or cycles of it. Native: `Polynomial`.

        v(t) = lr_min + (b * cycle_decay ** i - lr_min) * (1 - (q / n) ** k_decay) ** power

    A trap: the default power, a half, falls slowly first and fast last.

    Args:
        t_initial: How long the first cycle is, > 0.
        power: Exponent, > 0.
        lr_min: Where each cycle goes, in the unit of lr, >= 0.
        cycle_mul: How much longer each cycle is than the one before it, >= 1.
        cycle_decay: What each cycle multiplies the base by, >= 0.
        cycle_limit: How many cycles; then `lr_min` holds.
        warmup_t: How long it goes up first.
        warmup_lr_init: Where from, in the unit of lr, >= 0.
        warmup_prefix: Whether the cycles start after the warm-up, not under it.
        t_in_epochs: What t counts, which here is the clock's to know.
        noise_range_t: From when on there is noise, or from when until when.
        noise_pct: How far from the value at most, as a share of it, > 0.
        noise_std: Standard deviation before that, >= 0.
        noise_seed: Which noise.
        k_decay: Exponent of the share of a cycle that is over, > 0.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> PolyLRScheduler(4, power=2, lr_min=0.1).values(5, base=0.9)
        array([0.9 , 0.55, 0.3 , 0.15, 0.1 ])
    """
    given = Arguments("PolyLRScheduler")
    given.flag("t_in_epochs", t_in_epochs)
    root = Polynomial(1, power=given.number("power", power, above=0.0))
    main = Cycles(root, t_initial, cycle_mul, cycle_decay, cycle_limit, k_decay, _lr(given, "lr_min", lr_min))
    curve = Polynomial(main.t_initial, power=root.power, end=main.lr_min) if main.single else main
    noise = _noise(given, noise_range_t, noise_pct, noise_std, noise_seed)
    return _warmed(given, curve, warmup_t, warmup_lr_init, warmup_prefix, noise)


def StepLRScheduler(
    decay_t: float,
    decay_rate: float = 1.0,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = True,
    t_in_epochs: bool = True,
    noise_range_t: NoiseRange = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
) -> Schedule:
    """As timm's `StepLRScheduler`: multiplied by `decay_rate` every `decay_t`. Native: `MultiStep`, or `Exponential`.

        v(t) = b * decay_rate ** floor(t / decay_t)

    Args:
        decay_t: How long between two steps, > 0; it need not be whole.
        decay_rate: What each multiplies by, >= 0.
        warmup_t: How long it goes up first.
        warmup_lr_init: Where from, in the unit of lr, >= 0.
        warmup_prefix: Whether `decay_t` is counted from after the warm-up.
        t_in_epochs: What t counts, which here is the clock's to know.
        noise_range_t: From when on there is noise, or from when until when.
        noise_pct: How far from the value at most, as a share of it, > 0.
        noise_std: Standard deviation before that, >= 0.
        noise_seed: Which noise.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> StepLRScheduler(2, 0.5).values(6, base=1.0)
        array([1.  , 1.  , 0.5 , 0.5 , 0.25, 0.25])
    """
    given = Arguments("StepLRScheduler")
    given.flag("t_in_epochs", t_in_epochs)
    every = given.number("decay_t", decay_t, above=0.0)
    stairs = Geometric(given.number("decay_rate", decay_rate, least=0.0), every, stairs=True)
    noise = _noise(given, noise_range_t, noise_pct, noise_std, noise_seed)
    return _warmed(given, stairs, warmup_t, warmup_lr_init, warmup_prefix, noise)


def MultiStepLRScheduler(
    decay_t: Sequence[int],
    decay_rate: float = 1.0,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = True,
    t_in_epochs: bool = True,
    noise_range_t: NoiseRange = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
) -> Schedule:
    """As timm's `MultiStepLRScheduler`: multiplied by `decay_rate` one before each milestone. Native: `MultiStep`.

        v(t) = b * decay_rate ** (number of milestones <= t + 1)

    A trap: it steps at t = 29 where torch's `MultiStepLR`, and ours, step at the milestone 30.

    Args:
        decay_t: The milestones, in increasing order.
        decay_rate: What each multiplies by, >= 0.
        warmup_t: How long it goes up first.
        warmup_lr_init: Where from, in the unit of lr, >= 0.
        warmup_prefix: Whether the milestones are counted from after the warm-up.
        t_in_epochs: What t counts, which here is the clock's to know.
        noise_range_t: From when on there is noise, or from when until when.
        noise_pct: How far from the value at most, as a share of it, > 0.
        noise_std: Standard deviation before that, >= 0.
        noise_seed: Which noise.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> MultiStepLRScheduler([2, 4], 0.5)
        MultiStep((1, 3), gamma=0.5)
    """
    given = Arguments("MultiStepLRScheduler")
    given.flag("t_in_epochs", t_in_epochs)
    milestones = given.moments("decay_t", decay_t)
    rate = given.number("decay_rate", decay_rate, least=0.0)
    stairs = MultiStep([max(milestone - 1, 0) for milestone in milestones], gamma=rate)
    noise = _noise(given, noise_range_t, noise_pct, noise_std, noise_seed)
    return _warmed(given, stairs, warmup_t, warmup_lr_init, warmup_prefix, noise)


def WSDLRScheduler(
    t_initial: int,
    decay_t: int,
    lr_min: float = 0.0,
    stable_fn: str = "constant",
    stable_timescale: float | None = None,
    stable_power: float = 0.5,
    decay_fn: str | Callable[[float], float] = "1-sqrt",
    decay_power: float = 0.5,
    decay_ratio: float = 0.1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    t_in_epochs: bool = True,
    noise_range_t: NoiseRange = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
) -> Schedule:
    """As timm's `WSDLRScheduler`: up, steady or slowly down, and down to `lr_min`. Native: `WarmupStableDecay`.

        v(t) = max(lr_min + (b * stable(s) - lr_min) * decay(p), lr_min),   p = (s - t_initial + decay_t) / decay_t
        stable(s) = 1, (1 + s / timescale) ** -0.5, or (1 + s / timescale) ** -stable_power
        decay(p) = 1 - p, 1 - sqrt(p), (1 + cos(pi * p)) / 2, 1 - p ** decay_power, or (r ** p - r) / (1 - r)

    s = t - warmup_t: the warm-up always comes first. A trap: `t_initial` does not count it, where the steps of
    `WarmupStableDecay` do.

    Args:
        t_initial: How long all of it is after the warm-up, > 0.
        decay_t: How long it goes down at the last, > 0.
        lr_min: Where it goes, in the unit of lr, >= 0.
        stable_fn: `"constant"`, `"rsqrt"` or `"power"`, as above.
        stable_timescale: Of the last two, > 0; None is `warmup_t`.
        stable_power: Of the last, > 0.
        decay_fn: `"linear"`, `"1-sqrt"`, `"cosine"`, `"power"` or `"exp"`, in this order above; or a function, or a
            schedule, from 1.0 to 0.0.
        decay_power: Of `"power"`, > 0.
        decay_ratio: r, of `"exp"`, in (0, 1).
        warmup_t: How long it goes up first.
        warmup_lr_init: Where from, in the unit of lr, >= 0.
        t_in_epochs: What t counts, which here is the clock's to know.
        noise_range_t: From when on there is noise, or from when until when.
        noise_pct: How far from the value at most, as a share of it, > 0.
        noise_std: Standard deviation before that, >= 0.
        noise_seed: Which noise.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> WSDLRScheduler(8, 4, warmup_t=2)
        Linear(2, start=Absolute(0.0), end=1.0).then(Constant(steps=4)).then(Cooldown(4, end=Absolute(0.0)))
    """
    given = Arguments("WSDLRScheduler")
    given.flag("t_in_epochs", t_in_epochs)
    steps, decay = given.count("t_initial", t_initial, least=1), given.count("decay_t", decay_t, least=1)
    if decay > steps:
        raise given.refused("decay_t", decay_t, f"at most t_initial = {steps}")
    warmup = given.count("warmup_t", warmup_t)
    floor = _lr(given, "lr_min", lr_min)
    curve = _decay(given, decay_fn, decay_power, decay_ratio)
    stable = _stable(given, stable_fn, warmup if stable_timescale is None else stable_timescale, stable_power)
    main = in_turn(Constant(steps=steps - decay), Cooldown(decay, curve=curve, end=floor if stable is None else 0.0))
    if stable is not None:
        main = Blend(main, cut(stable, steps), Constant(floor, steps=0))
    if floor.value:
        main = main.clip(low=floor)
    noise = _noise(given, noise_range_t, noise_pct, noise_std, noise_seed)
    return _warmed(given, main, warmup, warmup_lr_init, True, noise)


def _stable(given: Arguments, stable_fn: str, timescale: float, power: float) -> Schedule | None:
    """What the base is multiplied by until it is to fall; None is nothing."""
    kind = given.choice("stable_fn", stable_fn, _STABLE)
    exponent = given.number("stable_power", power, above=0.0)
    if kind == "constant":
        return None
    scale = given.number("stable_timescale", timescale, above=0.0)
    if kind == "rsqrt" and scale.is_integer():
        return InverseSqrt(int(scale))
    return Derived(Endless("linear", scale, end=2.0), power=-0.5 if kind == "rsqrt" else -exponent)


def _decay(given: Arguments, decay_fn: object, power: float, ratio: float) -> Curve:
    """The way from 1 to 0."""
    power = given.number("decay_power", power, above=0.0)
    ratio = given.number("decay_ratio", ratio, above=0.0)
    if ratio >= 1.0:
        raise given.refused("decay_ratio", ratio, "a number in (0, 1)")
    if isinstance(decay_fn, Schedule):
        return decay_fn
    if callable(decay_fn):
        return Function(decay_fn, steps=1)
    kind = given.choice("decay_fn", decay_fn, _DECAYS)
    if kind == "power":
        return Derived(Linear(1, start=0.0, end=1.0), power=power, at_one=0.0, at_zero=1.0)
    return Derived(Exponential(1, end=ratio), at_zero=-ratio / (1.0 - ratio)) if kind == "exp" else kind


def _lr(given: Arguments, name: str, value: float) -> Absolute:
    """An lr, >= 0, the same in every group."""
    return Absolute(given.number(name, value, least=0.0))


def _noise(given: Arguments, noise_range: NoiseRange, pct: float, std: float, seed: int | None) -> Noise | None:
    """The noise; None is none."""
    if noise_range is None:
        return None
    ends = tuple(noise_range) if isinstance(noise_range, Sequence) else (noise_range, None)
    if len(ends) != 2:  # noqa: PLR2004 - from and until
        raise given.refused("noise_range_t", noise_range, "a number, two numbers, or None")
    return Noise(*ends, noise_pct=pct, noise_std=std, noise_seed=42 if seed is None else seed)


def _warmed(
    given: Arguments,
    main: Schedule,
    warmup_t: int,
    warmup_lr_init: float,
    warmup_prefix: bool,
    noise: Noise | None,
    up: Schedule | None = None,
) -> Schedule:
    """The warm-up, then `main` or what is left of it; noise over both; at t = 0 what the constructor sets."""
    warmup, start = given.count("warmup_t", warmup_t), _lr(given, "warmup_lr_init", warmup_lr_init)
    if warmup:
        prefix = given.flag("warmup_prefix", warmup_prefix)
        up = Linear(warmup, start=start, end=1.0) if up is None else up
        curve = in_turn(up, main if prefix else main.shift(-warmup))
    else:
        curve = main
    noisy = noise is not None and noise(0, 1.0) != 1.0
    if noise is not None:
        curve = curve * noise
    if noisy or not (warmup or _is_base_at_first(main)):
        curve = Constant(start if warmup else 1.0, steps=1).then(curve.shift(-1))
    return curve


def _is_base_at_first(schedule: Schedule) -> bool:
    return schedule.affine and [float(part[0]) for part in schedule.line([0])] == [1.0, 0.0]

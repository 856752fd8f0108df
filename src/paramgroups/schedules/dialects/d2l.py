"""Dive into Deep Learning's schedulers, by the same names.

    from paramgroups.schedules.dialects import d2l
    lr = d2l.CosineScheduler(20, base_lr=0.3, final_lr=0.01, warmup_steps=5)

Each gives what the book's class gives when it is called for the epochs 0, 1, 2, …, in the lr's own unit: every group
gets the same, whatever its base, and the ratios between groups are lost. The native shapes multiply each group's base.

Two traps of the book's own training loop, which are not these schedulers'. It calls the scheduler when an epoch is
over: epoch 0 trains with the optimizer's own lr, and each later epoch with the value of the one before. And its
schedulers remember their calls: one that was plotted has used up its milestones, and is constant when it trains. A
schedule here is a function of the step, and update k uses its value at k.

Knows the book's conventions; the curves are the native ones. From section 12.11, "Learning Rate Scheduling", of the
English edition, 11.11 of the Chinese; the package d2l has none of these classes.
"""

from __future__ import annotations

from collections.abc import Iterable

from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.dialects.conventions import Geometric, in_turn
from paramgroups.schedules.levels import Absolute
from paramgroups.schedules.phases import InverseSqrt
from paramgroups.schedules.points import MultiStep
from paramgroups.schedules.shapes import Cosine, Linear

__all__ = ["CosineScheduler", "FactorScheduler", "MultiFactorScheduler", "SquareRootScheduler"]


def SquareRootScheduler(lr: float = 0.1) -> Schedule:
    """`lr` over the square root of time. Native: `InverseSqrt(1)`, which starts from each group's own base.

        v(t) = lr * (t + 1) ** -0.5

    Args:
        lr: The lr of the first step.

    Raises:
        ScheduleArgumentError: If it is not a finite number.

    Example:
        >>> SquareRootScheduler(0.5)
        InverseSqrt(1, start=Absolute(0.5))
        >>> SquareRootScheduler(0.5).values([0, 3])
        array([0.5 , 0.25])
    """
    return InverseSqrt(1, start=_lr(Arguments("SquareRootScheduler"), "lr", lr))


def FactorScheduler(factor: float = 1, stop_factor_lr: float = 1e-7, base_lr: float = 0.1) -> Schedule:
    """`factor` times the lr at every step, not below a floor. Native: `Exponential`, or `MultiStep`.

        v(t) = max(stop_factor_lr, base_lr * factor ** (t + 1))

    A trap: the first step is already multiplied, so `base_lr` itself is never used.

    Args:
        factor: What each step multiplies by, in [0, 1].
        stop_factor_lr: The least lr.
        base_lr: The lr before the first step.

    Raises:
        ScheduleArgumentError: If an argument is not such a number.

    Example:
        >>> FactorScheduler(0.5, 0.1, 1.0).values(5)
        array([0.5  , 0.25 , 0.125, 0.1  , 0.1  ])
    """
    given = Arguments("FactorScheduler")
    ratio = given.share("factor", factor)
    start = Absolute(given.number("base_lr", base_lr) * ratio)
    return Geometric(ratio, start=start).clip(low=_lr(given, "stop_factor_lr", stop_factor_lr))


def MultiFactorScheduler(step: Iterable[int], factor: float, base_lr: float) -> Schedule:
    """`base_lr`, multiplied by `factor` at each of the given steps. Native: `MultiStep`.

        v(t) = base_lr * factor ** (number of different steps <= t)

    A trap: a step that is given twice counts once, where torch's and the native one count it twice.

    Args:
        step: The steps, in any order.
        factor: What each multiplies by, >= 0.
        base_lr: The lr before the first of them.

    Raises:
        ScheduleArgumentError: If `step` has anything but whole numbers >= 0, or another argument is not such a number.

    Example:
        >>> MultiFactorScheduler([15, 30], 0.5, 0.5)
        MultiStep((15, 30), gamma=0.5, start=Absolute(0.5))
    """
    given = Arguments("MultiFactorScheduler")
    steps = tuple(sorted({given.count("step", each) for each in given.several("step", step)}))
    gamma = given.number("factor", factor, least=0.0)
    return MultiStep(steps, gamma=gamma, start=_lr(given, "base_lr", base_lr))


def CosineScheduler(
    max_update: int,
    base_lr: float = 0.01,
    final_lr: float = 0,
    warmup_steps: int = 0,
    warmup_begin_lr: float = 0,
) -> Schedule:
    """A straight line up to `base_lr`, then half a cosine to `final_lr`. Native: `Warmup(W).then(Cosine(T - W))`.

        v(t) = warmup_begin_lr + (base_lr - warmup_begin_lr) * t / warmup_steps   while t < warmup_steps
        v(t) = final_lr + (base_lr - final_lr) * (1 + cos(pi * p)) / 2
        p = (t - warmup_steps) / (max_update - warmup_steps)

    A trap: with a warm-up the first step has `warmup_begin_lr`, by default 0, and does nothing.

    Args:
        max_update: The step from which `final_lr` holds, counted from the very start.
        base_lr: The lr after the warm-up.
        final_lr: The last lr.
        warmup_steps: How many steps lead up, fewer than `max_update`.
        warmup_begin_lr: The first lr of these.

    Raises:
        ScheduleArgumentError: If an argument is not such a number.

    Example:
        >>> CosineScheduler(20, base_lr=0.3, final_lr=0.01, warmup_steps=5)
        Linear(5, start=Absolute(0.0), end=Absolute(0.3)).then(Cosine(15, start=Absolute(0.3), end=Absolute(0.01)))
    """
    given = Arguments("CosineScheduler")
    steps, warmup = given.count("max_update", max_update, least=1), given.count("warmup_steps", warmup_steps)
    if warmup >= steps:
        raise given.refused("warmup_steps", warmup_steps, f"fewer than max_update = {max_update!r}")
    begin, base = _lr(given, "warmup_begin_lr", warmup_begin_lr), _lr(given, "base_lr", base_lr)
    cosine = Cosine(steps - warmup, start=base, end=_lr(given, "final_lr", final_lr))
    return in_turn(Linear(warmup, start=begin, end=base), cosine)


def _lr(given: Arguments, name: str, value: object) -> Absolute:
    return Absolute(given.number(name, value))

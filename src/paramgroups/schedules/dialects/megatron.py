"""Megatron-LM's schedule of learning rate and weight decay, by the name of its class.

    from paramgroups.schedules.dialects import megatron
    lr = megatron.OptimizerParamScheduler(**config)
    weight_decay = megatron.OptimizerParamScheduler(**config, drives="weight_decay")

Its values are in the hyperparameter's own unit: every group gets the same, whatever its base.

Knows Megatron's conventions; the curves are the native ones. Held against megatron-core 0.16.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from paramgroups.schedules.annealing import Cooldown
from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.dialects.conventions import in_turn
from paramgroups.schedules.levels import Absolute
from paramgroups.schedules.phases import InverseSqrt
from paramgroups.schedules.shapes import Constant, Cosine, Linear

__all__ = ["OptimizerParamScheduler"]

_WSD: Final = {"linear": "linear", "cosine": "cosine", "exponential": "exponential", "minus_sqrt": "1-sqrt"}
_RAMPS: Final[dict[str, Callable[[int, Absolute, Absolute], Schedule]]] = {
    "linear": lambda steps, start, end: Linear(steps, start=start, end=end),
    "cosine": lambda steps, start, end: Cosine(steps, start=start, end=end),
}
_STYLES: Final = ("constant", "linear", "cosine", "inverse-square-root", "WSD")


def OptimizerParamScheduler(
    init_lr: float,
    max_lr: float,
    min_lr: float,
    lr_warmup_steps: int,
    lr_decay_steps: int,
    lr_decay_style: str,
    start_wd: float,
    end_wd: float,
    wd_incr_steps: int,
    wd_incr_style: str,
    *,
    wsd_decay_steps: int | None = None,
    lr_wsd_decay_style: str | None = None,
    wd_mult: float = 1.0,
    increment: int = 1,
    drives: str = "lr",
) -> Schedule:
    """As Megatron's `OptimizerParamScheduler`: lr up, and down by its style; weight decay up.

        lr(n) = init_lr + (max_lr - init_lr) * n / W,   n <= W
        lr(n) = min_lr + (max_lr - min_lr) * w((n - W) / (N - W)),   n <= N,   w(p) = 1 - p, or (1 + cos(pi * p)) / 2
        lr(n) = max(min_lr, max_lr * sqrt(max(W, 1)) / sqrt(max(n, 1))),   n <= N   ("inverse-square-root")
        lr(n) = min_lr + (max_lr - min_lr) * w(p),   p = (n - N + D) / D   ("WSD"), max_lr before that
        wd(n) = start_wd + (end_wd - start_wd) * r,   r = n / wd_incr_steps, or (1 + cos(pi * (1 - r))) / 2

    w for "WSD" is 1 - p, (1 + cos(pi * p)) / 2, 2 * 0.5 ** p - 1, or 1 - sqrt(p). From N + 1 on the lr is `min_lr`,
    unless the style is "constant". Native: `Warmup`, then `Linear`, `Cosine`, `InverseSqrt` or `Cooldown`.

    Three traps: n counts what `step` is called with, samples as a rule, so that all lengths here are in samples, and
    `increment` says how many an update takes; from `init_lr=0.0` the first update does nothing; and the inverse square
    root falls to `min_lr` at once after N, from wherever it is, and the "WSD" decay starts in its middle where the
    warm-up leaves it no room.

    Args:
        init_lr: Where the warm-up starts, at most `max_lr`.
        max_lr: Where it goes.
        min_lr: Where the decay goes, >= 0 and at most `max_lr`.
        lr_warmup_steps: W, less than N.
        lr_decay_steps: N, the warm-up included.
        lr_decay_style: `"constant"`, `"linear"`, `"cosine"`, `"inverse-square-root"` or `"WSD"`.
        start_wd: Weight decay at the start, >= 0.
        end_wd: At the end, at least `start_wd`.
        wd_incr_steps: When that is.
        wd_incr_style: `"constant"`, where both are the same, `"linear"` or `"cosine"`.
        wsd_decay_steps: D, for "WSD".
        lr_wsd_decay_style: `"linear"`, `"cosine"`, `"exponential"` or `"minus_sqrt"`, for "WSD".
        wd_mult: What Megatron multiplies a group's weight decay by: 0.0 for a group without.
        increment: What `step` is called with after each update, > 0.
        drives: What this is the schedule of: `"lr"`, or `"weight_decay"`.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> given = {"init_lr": 0.0, "max_lr": 1.0, "min_lr": 0.1, "lr_warmup_steps": 2, "lr_decay_steps": 10,
        ...          "lr_decay_style": "WSD", "wsd_decay_steps": 4, "lr_wsd_decay_style": "minus_sqrt",
        ...          "start_wd": 0.04, "end_wd": 0.4, "wd_incr_steps": 4, "wd_incr_style": "cosine"}
        >>> OptimizerParamScheduler(**given).values([0, 1, 2, 6, 7, 8, 9, 10]).round(4)
        array([0.    , 0.5   , 1.    , 1.    , 0.55  , 0.3636, 0.2206, 0.1   ])
        >>> OptimizerParamScheduler(**given, drives="weight_decay").values(6).round(4)
        array([0.04  , 0.0927, 0.22  , 0.3473, 0.4   , 0.4   ])
    """
    given = Arguments("OptimizerParamScheduler")
    every = given.count("increment", increment, least=1)
    last = max(given.count("lr_decay_steps", lr_decay_steps, least=1), given.count("wd_incr_steps", wd_incr_steps))
    if given.choice("drives", drives, ("lr", "weight_decay")) == "lr":
        curve = _lr(
            given,
            init_lr,
            max_lr,
            min_lr,
            lr_warmup_steps,
            lr_decay_steps,
            lr_decay_style,
            wsd_decay_steps,
            lr_wsd_decay_style,
        )
    else:
        curve = _wd(given, start_wd, end_wd, wd_incr_steps, wd_incr_style)
        multiplier = given.number("wd_mult", wd_mult, least=0.0)
        curve = curve if multiplier == 1.0 else multiplier * curve
    updates = last // every + 2  # by then nothing changes any more
    return curve if every == 1 else curve.stretch(at=0, old=updates * every, new=updates)


def _lr(
    given: Arguments,
    init_lr: float,
    max_lr: float,
    min_lr: float,
    lr_warmup_steps: int,
    lr_decay_steps: int,
    lr_decay_style: str,
    wsd_decay_steps: int | None,
    lr_wsd_decay_style: str | None,
) -> Schedule:
    """The lr at each n."""
    high = Absolute(given.number("max_lr", max_lr))
    start, low = Absolute(given.number("init_lr", init_lr)), Absolute(given.number("min_lr", min_lr, least=0.0))
    for name, level in (("init_lr", start), ("min_lr", low)):
        if level.value > high.value:
            raise given.refused(name, level.value, f"at most max_lr = {high.value!r}")
    warmup, steps = given.count("lr_warmup_steps", lr_warmup_steps), given.count("lr_decay_steps", lr_decay_steps)
    if warmup >= steps:
        raise given.refused("lr_warmup_steps", warmup, f"less than lr_decay_steps = {steps}")
    style, left = given.choice("lr_decay_style", lr_decay_style, _STYLES), steps - warmup
    up = Linear(warmup, start=start, end=high)
    if style == "constant":
        return in_turn(up, Constant(high))
    if style in _RAMPS:
        return in_turn(up, _RAMPS[style](left, high, low))
    if style == "inverse-square-root":
        root = (
            InverseSqrt(max(warmup, 1), high, steps=left + 1) if warmup else InverseSqrt(1, high, steps=left).shift(1)
        )
        return in_turn(up, root.clip(low=low), Constant(low))
    decay = given.count("wsd_decay_steps", wsd_decay_steps)
    curve = _WSD[given.choice("lr_wsd_decay_style", lr_wsd_decay_style, _WSD)]
    if not decay:
        return in_turn(up, Constant(high, steps=left + 1), Constant(low))
    down: Schedule = Cooldown(decay, curve=curve, start=high, end=low)
    stable = left - decay
    if stable < 0:  # but the last of the warm-up is max_lr
        met = 1 if warmup else 0
        stable, down = met, down.shift(stable - met)
    return in_turn(up, Constant(high, steps=stable), down)


def _wd(given: Arguments, start_wd: float, end_wd: float, wd_incr_steps: int, wd_incr_style: str) -> Schedule:
    """The weight decay at each n."""
    start, end = Absolute(given.number("start_wd", start_wd, least=0.0)), Absolute(given.number("end_wd", end_wd))
    style = given.choice("wd_incr_style", wd_incr_style, ("constant", *_RAMPS))
    if end.value < start.value or (style == "constant" and end != start):
        allowed = "start_wd" if style == "constant" else "at least start_wd"
        raise given.refused("end_wd", end.value, f"{allowed} = {start.value!r}")
    if style == "constant":
        return Constant(end)
    return _RAMPS[style](given.count("wd_incr_steps", wd_incr_steps, least=1), start, end)

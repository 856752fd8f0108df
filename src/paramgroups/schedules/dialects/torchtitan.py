"""torchtitan's learning-rate schedule, by the name of its container.

    from paramgroups.schedules.dialects import torchtitan
    lr = torchtitan.LRSchedulersContainer(warmup_steps=200, training_steps=10_000, decay_ratio=0.1)

Gives a group of base b what torchtitan's `LRSchedulersContainer.Config(...).build(...)` gives it at each step.

Knows torchtitan's conventions; the curves are the native ones. Held against torchtitan 0.3.0.
"""

from __future__ import annotations

from typing import Final

from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.dialects.conventions import Endless, in_turn
from paramgroups.schedules.shapes import Constant, Warmup

__all__ = ["LRSchedulersContainer"]

_DECAYS: Final = {"linear": "linear", "sqrt": "1-sqrt", "cosine": "cosine"}


def LRSchedulersContainer(
    warmup_steps: int = 200,
    total_steps: int | None = None,
    decay_ratio: float | None = None,
    decay_type: str = "linear",
    min_lr_factor: float = 0.0,
    *,
    training_steps: int | None = None,
) -> Schedule:
    """As torchtitan's schedule: up, steady, and down over the last share of the run. Native: `WarmupStableDecay`.

        v(t) = (t + 1) / W,   t < W
        v(t) = 1,   t < W + S = T + 1 - D
        v(t) = m + (1 - m) * w((t + 1 - W - S) / D),   w(p) = 1 - p, 1 - sqrt(p), or (1 + cos(pi * p)) / 2

    T is `total_steps`, and D = round(T * decay_ratio) of them lead down, to m = `min_lr_factor` at step T, the first
    after the run.

    Two traps: the base is met one step before the warm-up is over; and nothing holds at T, so that a longer run goes on
    with an lr below 0, or with a cosine that rises.

    Args:
        warmup_steps: W, at most T.
        total_steps: T; None is `training_steps`.
        decay_ratio: The share of T that leads down, >= 0; None, and more than is left, are all that W leaves.
        decay_type: `"linear"`, `"sqrt"` or `"cosine"`, in this order above.
        min_lr_factor: m, a factor of the base.
        training_steps: How long the run is, which torchtitan hands to `build`.

    Raises:
        ScheduleArgumentError: If an argument is none of these, or there is no T.

    Example:
        >>> LRSchedulersContainer(2, 10, decay_ratio=0.5).values(11, base=1.0).round(3)
        array([0.5, 1. , 1. , 1. , 1. , 1. , 0.8, 0.6, 0.4, 0.2, 0. ])
    """
    given = Arguments("LRSchedulersContainer")
    if total_steps is None and training_steps is None:
        raise given.refused("total_steps", None, "given, or training_steps")
    if total_steps is None:
        total = given.count("training_steps", training_steps, least=1)
    else:
        total = given.count("total_steps", total_steps, least=1)
    warmup = min(given.count("warmup_steps", warmup_steps), total)
    decay = total - warmup
    if decay_ratio is not None:
        decay = min(round(total * given.number("decay_ratio", decay_ratio, least=0.0)), decay)
    curve = _DECAYS[given.choice("decay_type", decay_type, _DECAYS)]
    floor = given.number("min_lr_factor", min_lr_factor)
    up = [Warmup(warmup - 1)] if warmup else []
    stable = total + 1 - warmup - decay + len(up)  # the warm-up is there a step early
    down = Endless(curve, decay, end=floor).shift(-1) if decay else Constant()
    return in_turn(*up, Constant(steps=stable), down)

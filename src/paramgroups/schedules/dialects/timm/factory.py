"""timm's `create_scheduler_v2`: the arguments of its training script, in epochs, to the classes'.

Knows how epochs become updates; the schedulers know the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.dialects.timm.schedulers import (
    CosineLRScheduler,
    MultiStepLRScheduler,
    PolyLRScheduler,
    StepLRScheduler,
    TanhLRScheduler,
    WSDLRScheduler,
)

_NAMES: Final = ("cosine", "tanh", "poly", "step", "constant", "multistep", "wsd", "rsqrt")


def create_scheduler_v2(
    sched: str = "cosine",
    num_epochs: int = 300,
    decay_epochs: float | None = None,
    decay_milestones: Sequence[int] = (90, 180, 270),
    decay_rate: float = 0.1,
    min_lr: float = 0.0,
    warmup_lr: float = 1e-5,
    warmup_epochs: int = 0,
    warmup_prefix: bool = False,
    noise: float | Sequence[float] | None = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
    cycle_mul: float = 1.0,
    cycle_decay: float = 0.1,
    cycle_limit: int = 1,
    k_decay: float = 1.0,
    decay_fn: str | None = None,
    stable_timescale: float | None = None,
    step_on_epochs: bool = True,
    updates_per_epoch: int = 0,
) -> Schedule:
    """As timm's `create_scheduler_v2`: the schedule by name, its times in epochs, which are updates if it counts those.

    `cooldown_epochs`, which make the run longer and leave the schedule as it is, and `patience_epochs` and
    `plateau_mode`, which are for a metric, are not among the arguments. Two traps: without `warmup_prefix` a warmed-up
    curve is met in its middle, and `decay_rate` is the power of `"poly"`.

    Args:
        sched: `"cosine"`, `"tanh"`, `"poly"`, `"step"`, `"constant"`, `"multistep"`, `"wsd"` or `"rsqrt"`.
        num_epochs: How long it is, without a prefixed warm-up.
        decay_epochs: How long between two steps, 90 by default; of the last two, how long it goes down, in epochs or as
            a share in (0, 1), a fifth by default.
        decay_milestones: When it steps, for `"multistep"`.
        decay_rate: What each step multiplies by.
        min_lr: Where it goes, in the unit of lr.
        warmup_lr: Where the warm-up starts, in the unit of lr.
        warmup_epochs: How long it goes up first.
        warmup_prefix: Whether `num_epochs` are counted from after the warm-up.
        noise: From when on there is noise, or from when until when, as shares of `num_epochs`.
        noise_pct: How far from the value at most, as a share of it.
        noise_std: Standard deviation before that.
        noise_seed: Which noise.
        cycle_mul: How much longer each cycle is than the one before it.
        cycle_decay: What each cycle multiplies the base by.
        cycle_limit: How many cycles.
        k_decay: Exponent of the share of a cycle that is over, for `"cosine"` and `"poly"`.
        decay_fn: How the last two go down; None is `"1-sqrt"` for `"wsd"` and `"linear"` for `"rsqrt"`.
        stable_timescale: Of `"rsqrt"`, in epochs; None is the warm-up's.
        step_on_epochs: Whether it counts epochs (`clock="manual"`), or updates.
        updates_per_epoch: How many there are, > 0 where it counts them.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> create_scheduler_v2("cosine", 10, warmup_epochs=2, warmup_prefix=True)
        Linear(2, start=Absolute(1e-05), end=1.0).then(Cosine(10, end=Absolute(0.0)))
    """
    given = Arguments("create_scheduler_v2")
    kind = given.choice("sched", sched, _NAMES)
    unit = (
        1
        if given.flag("step_on_epochs", step_on_epochs)
        else given.count("updates_per_epoch", updates_per_epoch, least=1)
    )
    steps = given.count("num_epochs", num_epochs, least=1) * unit
    warmup = given.count("warmup_epochs", warmup_epochs) * unit
    common: dict[str, Any] = {
        "warmup_t": warmup,
        "warmup_lr_init": warmup_lr,
        "t_in_epochs": step_on_epochs,
        "noise_range_t": _noisy(noise, steps),
        "noise_pct": noise_pct,
        "noise_std": noise_std,
        "noise_seed": noise_seed,
    }
    if kind in {"wsd", "rsqrt"}:
        length = steps if given.flag("warmup_prefix", warmup_prefix) else steps - warmup
        share = 0.2 if decay_epochs is None else given.number("decay_epochs", decay_epochs, above=0.0)
        decay = round(share * length if share < 1 else share * unit)
        if not 0 < decay <= length:
            raise given.refused("decay_epochs", decay_epochs, f"a time in the {length} that the warm-up leaves")
        return WSDLRScheduler(
            t_initial=length,
            decay_t=decay,
            lr_min=min_lr,
            stable_fn="rsqrt" if kind == "rsqrt" else "constant",
            stable_timescale=None if stable_timescale is None else stable_timescale * unit,
            decay_fn=decay_fn or ("linear" if kind == "rsqrt" else "1-sqrt"),
            **common,
        )
    cycles: dict[str, Any] = {
        "t_initial": steps,
        "lr_min": min_lr,
        "cycle_mul": cycle_mul,
        "cycle_decay": cycle_decay,
        "cycle_limit": cycle_limit,
    }
    every = (90 if decay_epochs is None else given.number("decay_epochs", decay_epochs, above=0.0)) * unit
    makers: dict[str, Callable[..., Schedule]] = {
        "cosine": partial(CosineLRScheduler, **cycles, k_decay=k_decay),
        "tanh": partial(TanhLRScheduler, **cycles),
        "poly": partial(PolyLRScheduler, **cycles, k_decay=k_decay, power=decay_rate),
        "step": partial(StepLRScheduler, every, decay_rate),
        "constant": partial(StepLRScheduler, 1),
        "multistep": partial(
            MultiStepLRScheduler,
            [milestone * unit for milestone in given.moments("decay_milestones", decay_milestones)],
            decay_rate,
        ),
    }
    return makers[kind](warmup_prefix=warmup_prefix, **common)


def _noisy(noise: float | Sequence[float] | None, steps: int) -> float | list[float] | None:
    """When there is noise, in steps."""
    if noise is None:
        return None
    ends = [share * steps for share in (noise if isinstance(noise, Sequence) else [noise])]
    return ends[0] if len(ends) == 1 else ends

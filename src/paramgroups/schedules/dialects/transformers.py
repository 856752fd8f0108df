"""transformers' `get_scheduler`, by the same names.

    from paramgroups.schedules.dialects import transformers
    lr = transformers.get_scheduler("cosine", num_warmup_steps=500, num_training_steps=10_000)

Each gives a group of base b what transformers' scheduler gives it at each step: its multiplier times b.

Two traps that all of them share. The warm-up is s / W, so the first update has an lr of 0 and does nothing; `Warmup(W)`
starts above 0. And nothing stops a cosine at the end: a run that goes on sees the lr rise again, where `Cosine` holds.

Knows transformers' conventions; the curves are the native ones. Held against transformers 5.24.0.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from paramgroups.schedules.annealing import Cooldown
from paramgroups.schedules.arguments import Arguments, near
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.dialects.conventions import Endless, cut, in_turn
from paramgroups.schedules.levels import Absolute, Level
from paramgroups.schedules.phases import InverseSqrt
from paramgroups.schedules.shapes import Constant, Cosine, Linear, Polynomial, Warmup

__all__ = [
    "get_constant_schedule",
    "get_constant_schedule_with_warmup",
    "get_cosine_schedule_with_warmup",
    "get_cosine_with_hard_restarts_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "get_inverse_sqrt_schedule",
    "get_linear_schedule_with_warmup",
    "get_polynomial_decay_schedule_with_warmup",
    "get_scheduler",
    "get_wsd_schedule",
]

_WARMUPS: Final[dict[str, Callable[[int, float], Schedule]]] = {
    "linear": lambda steps, start: Linear(steps, start=start, end=1.0),
    "cosine": lambda steps, start: Cosine(steps, start=start, end=1.0),
    "1-sqrt": lambda steps, start: Polynomial(steps, power=0.5, start=start, end=1.0),
}


def get_constant_schedule() -> Schedule:
    """The base, for ever. Native: `Constant`.

    Example:
        >>> get_constant_schedule()
        Constant()
    """
    return Constant()


def get_constant_schedule_with_warmup(num_warmup_steps: int) -> Schedule:
    """Up by s / W, then the base. Native: `Warmup`.

    Args:
        num_warmup_steps: W.

    Raises:
        ScheduleArgumentError: If it is not a whole number >= 0.

    Example:
        >>> get_constant_schedule_with_warmup(4).values(6, base=1.0)
        array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
    """
    return in_turn(_warmup(Arguments("get_constant_schedule_with_warmup"), num_warmup_steps), Constant())


def get_linear_schedule_with_warmup(num_warmup_steps: int, num_training_steps: int) -> Schedule:
    """Up by s / W, then a straight line to 0 at N. Native: `Warmup(W).then(Linear("rest"))`.

    Args:
        num_warmup_steps: W.
        num_training_steps: N, the warm-up included. The line has no steps where that is not more than W.

    Raises:
        ScheduleArgumentError: If one is not a whole number >= 0.

    Example:
        >>> get_linear_schedule_with_warmup(2, 4).values(6, base=1.0)
        array([0. , 0.5, 1. , 0.5, 0. , 0. ])
    """
    given = Arguments("get_linear_schedule_with_warmup")
    steps = given.count("num_training_steps", num_training_steps)
    warmup = _warmup(given, num_warmup_steps)
    return in_turn(warmup, Linear(max(steps - _steps(warmup), 0)))


def get_cosine_schedule_with_warmup(
    num_warmup_steps: int, num_training_steps: int, num_cycles: float = 0.5
) -> Schedule:
    """Up by s / W, then so many waves of a cosine, down first. Native: `Warmup(W).then(Cosine("rest"))`.

        v(s) = (1 + cos(2 * pi * num_cycles * (s - W) / max(1, N - W))) / 2

    A trap: it rises again after N.

    Args:
        num_warmup_steps: W.
        num_training_steps: N, the warm-up included.
        num_cycles: How many waves, > 0; 0.5 is down, 1.0 is down and up again.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> get_cosine_schedule_with_warmup(2, 4).values(7, base=1.0)
        array([0. , 0.5, 1. , 0.5, 0. , 0.5, 1. ])
    """
    given = Arguments("get_cosine_schedule_with_warmup")
    return _waves(given, _warmup(given, num_warmup_steps), num_training_steps, num_cycles, 0.0)


def get_cosine_with_hard_restarts_schedule_with_warmup(
    num_warmup_steps: int, num_training_steps: int, num_cycles: float = 1
) -> Schedule:
    """Up by s / W, then half a cosine, and again from the base, so many times until N; 0 from there on.

        v(s) = (1 + cos(pi * ((num_cycles * p) mod 1))) / 2,   p = (s - W) / max(1, N - W)

    Native: `Warmup(W).then(CosineRestarts(...))`. A trap: a restart that falls on a whole step may come a step late,
    where floating point puts the product just below a whole number; that step then has an lr of nearly 0.

    Args:
        num_warmup_steps: W.
        num_training_steps: N, the warm-up included.
        num_cycles: How many times, > 0.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> get_cosine_with_hard_restarts_schedule_with_warmup(1, 5, 2).values(7, base=1.0).round(3)
        array([0. , 1. , 0.5, 1. , 0.5, 0. , 0. ])
    """
    given = Arguments("get_cosine_with_hard_restarts_schedule_with_warmup")
    warmup = _warmup(given, num_warmup_steps)
    left = max(given.count("num_training_steps", num_training_steps) - _steps(warmup), 1)
    cycles = given.number("num_cycles", num_cycles, above=0.0)
    return in_turn(warmup, cut(Endless("cosine", left, cycles=cycles, pace="restarts"), left), Constant(0.0))


def get_polynomial_decay_schedule_with_warmup(
    num_warmup_steps: int,
    num_training_steps: int,
    lr_end: float = 1e-7,
    power: float = 1.0,
    *,
    lr: float | None = None,
) -> Schedule:
    """Up by s / W, then a power of the time that is left, to `lr_end` at N.

        v(s) = b * (lr_end + (lr - lr_end) * (1 - (s - W) / (N - W)) ** power) / lr

    Native: `Warmup(W).then(Polynomial("rest", power=...))`. A trap: `lr_end` is an lr, but only in groups whose base b
    is the optimizer's default; in another it is scaled as the base is.

    Args:
        num_warmup_steps: W.
        num_training_steps: N, the warm-up included. From there on `lr_end` holds.
        lr_end: Where it goes, in the unit of lr.
        power: Exponent, > 0.
        lr: The optimizer's default lr, above `lr_end`, which transformers reads from the optimizer. Without it every
            group goes to `lr_end` itself, which is the same in groups whose base is that default.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> get_polynomial_decay_schedule_with_warmup(0, 4, lr_end=0.1, power=2).values(5, base=0.9)
        array([0.9 , 0.55, 0.3 , 0.15, 0.1 ])
    """
    given = Arguments("get_polynomial_decay_schedule_with_warmup")
    steps = given.count("num_training_steps", num_training_steps)
    warmup = _warmup(given, num_warmup_steps)
    floor = given.number("lr_end", lr_end)
    if lr is not None and given.number("lr", lr) <= floor:
        raise given.refused("lr", lr, f"a number above lr_end = {floor!r}")
    power = given.number("power", power, above=0.0)
    return in_turn(warmup, Polynomial(max(steps - _steps(warmup), 0), power=power, end=_relative(given, floor, lr)))


def get_inverse_sqrt_schedule(num_warmup_steps: int, timescale: int | None = None) -> Schedule:
    """Up by s / W, then 1 / sqrt((s - W + timescale) / timescale). Native: `Warmup(W)`, then `InverseSqrt`.

    Args:
        num_warmup_steps: W.
        timescale: Steps after which it is 1 / sqrt(2) of the base, > 0. None is W, or 10,000 where that is 0.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> get_inverse_sqrt_schedule(4).values([0, 2, 4, 16], base=1.0)
        array([0. , 0.5, 1. , 0.5])
    """
    given = Arguments("get_inverse_sqrt_schedule")
    warmup = _warmup(given, num_warmup_steps)
    scale = _steps(warmup) or 10_000
    return in_turn(warmup, InverseSqrt(scale if timescale is None else given.count("timescale", timescale, least=1)))


def get_cosine_with_min_lr_schedule_with_warmup(
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    *,
    min_lr: float | None = None,
    min_lr_rate: float | None = None,
    lr: float | None = None,
) -> Schedule:
    """Up by s / W, then so many waves between the base and a floor. Native: `Warmup`, then `Cosine` with an `end`.

    Two traps: the warm-up starts at 0 all the same, below the floor; and it rises again after N.

    Args:
        num_warmup_steps: W.
        num_training_steps: N, the warm-up included.
        num_cycles: How many waves, > 0; 0.5 is down, 1.0 is down and up again.
        min_lr: The floor in the unit of lr, >= 0; this or `min_lr_rate`.
        min_lr_rate: The floor as a factor of the base, >= 0.
        lr: The optimizer's default lr, by which `min_lr` becomes a factor. Without it the floor is `min_lr` itself in
            every group, which is the same in groups whose base is that default.

    Raises:
        ScheduleArgumentError: If an argument is none of these, or there is not exactly one floor.

    Example:
        >>> get_cosine_with_min_lr_schedule_with_warmup(1, 3, min_lr_rate=0.1).values(4, base=1.0)
        array([0.  , 1.  , 0.55, 0.1 ])
    """
    given = Arguments("get_cosine_with_min_lr_schedule_with_warmup")
    floor = _floor(given, min_lr, min_lr_rate, lr)
    return _waves(given, _warmup(given, num_warmup_steps), num_training_steps, num_cycles, floor)


def get_cosine_with_min_lr_schedule_with_warmup_lr_rate(
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    *,
    min_lr: float | None = None,
    min_lr_rate: float | None = None,
    warmup_lr_rate: float | None = None,
    lr: float | None = None,
) -> Schedule:
    """Up by (s + 1) / W, or from a rate, then so many waves between the base and a floor, a step ahead.

        v(s) = (s + 1) / W, or r + (1 - r) * s / max(1, W - 1) with r = warmup_lr_rate,   s < W
        v(s) = floor + (1 - floor) * (1 + cos(2 * pi * num_cycles * (s - W + 1) / max(1, N - W))) / 2

    Native: `Warmup(W - 1)`, then `Cosine`. Two traps: the base is met at W - 1, once, and the floor at N - 1; from
    there it rises again.

    Args:
        num_warmup_steps: W.
        num_training_steps: N, the warm-up included.
        num_cycles: How many waves, > 0; 0.5 is down, 1.0 is down and up again.
        min_lr: The floor in the unit of lr, >= 0; this or `min_lr_rate`.
        min_lr_rate: The floor as a factor of the base, >= 0.
        warmup_lr_rate: Where the warm-up starts, as a factor of the base.
        lr: The optimizer's default lr, by which `min_lr` becomes a factor; see the schedule above.

    Raises:
        ScheduleArgumentError: If an argument is none of these, or there is not exactly one floor.

    Example:
        >>> get_cosine_with_min_lr_schedule_with_warmup_lr_rate(2, 4, min_lr_rate=0.1).values(5, base=1.0)
        array([0.5 , 1.  , 0.55, 0.1 , 0.55])
    """
    given = Arguments("get_cosine_with_min_lr_schedule_with_warmup_lr_rate")
    floor = _floor(given, min_lr, min_lr_rate, lr)
    warmup = given.count("num_warmup_steps", num_warmup_steps)
    if warmup_lr_rate is None:
        up: Schedule = Warmup(max(warmup - 1, 0))
    else:
        rate = given.number("warmup_lr_rate", warmup_lr_rate)
        up = Linear(warmup - 1, start=rate, end=1.0) if warmup > 1 else Constant(rate)
    return _waves(given, cut(up, warmup), num_training_steps, num_cycles, floor, ahead=1)


def get_wsd_schedule(
    num_warmup_steps: int,
    num_decay_steps: int,
    num_training_steps: int | None = None,
    num_stable_steps: int | None = None,
    warmup_type: str = "linear",
    decay_type: str = "cosine",
    min_lr_ratio: float = 0.0,
    num_cycles: float = 0.5,
) -> Schedule:
    """Up from a floor, the base for most of the time, and down to the floor, which holds. Native: `WarmupStableDecay`.

    Two traps: where warm-up and decay do not leave room, the decay starts in its middle, right after the warm-up; and
    with `num_cycles` other than 0.5 a cosine decay does not come to the floor, but jumps there at its end.

    Args:
        num_warmup_steps: How long it goes up.
        num_decay_steps: How long it goes down.
        num_training_steps: How long all of it is; this or the next.
        num_stable_steps: How long it stays up; this counts where both are given.
        warmup_type: `"linear"`, `"cosine"` or `"1-sqrt"`.
        decay_type: Likewise.
        min_lr_ratio: The floor, a factor of the base, >= 0.
        num_cycles: How many waves a cosine decay has, > 0.

    Raises:
        ScheduleArgumentError: If an argument is none of these, or nothing says how long it stays up.

    Example:
        >>> get_wsd_schedule(2, 4, 8, decay_type="linear", min_lr_ratio=0.2).values(9, base=1.0)
        array([0.2, 0.6, 1. , 1. , 1. , 0.8, 0.6, 0.4, 0.2])
    """
    given = Arguments("get_wsd_schedule")
    warmup, decay = given.count("num_warmup_steps", num_warmup_steps), given.count("num_decay_steps", num_decay_steps)
    if num_stable_steps is not None:
        stable = given.count("num_stable_steps", num_stable_steps)
    elif num_training_steps is not None:
        stable = given.count("num_training_steps", num_training_steps) - warmup - decay
    else:
        raise given.refused("num_training_steps", None, "given, or num_stable_steps")
    floor = given.number("min_lr_ratio", min_lr_ratio, least=0.0)
    waves = 2.0 * given.number("num_cycles", num_cycles, above=0.0)
    up = _WARMUPS[given.choice("warmup_type", warmup_type, _WARMUPS)](warmup, floor)
    kind = given.choice("decay_type", decay_type, _WARMUPS)
    down: Schedule = Cooldown(decay, curve=kind, end=floor)
    if kind == "cosine" and waves != 1.0:
        down = cut(Endless(kind, max(decay, 1), cycles=waves, end=floor), decay)
    if stable < 0:
        down = down.shift(stable)
    return in_turn(up, Constant(steps=max(stable, 0)), down, Constant(floor))


_BY_NAME: Final[dict[str, Callable[..., Schedule]]] = {
    "linear": get_linear_schedule_with_warmup,
    "cosine": get_cosine_schedule_with_warmup,
    "cosine_with_restarts": get_cosine_with_hard_restarts_schedule_with_warmup,
    "polynomial": get_polynomial_decay_schedule_with_warmup,
    "constant": get_constant_schedule,
    "constant_with_warmup": get_constant_schedule_with_warmup,
    "inverse_sqrt": get_inverse_sqrt_schedule,
    "cosine_with_min_lr": get_cosine_with_min_lr_schedule_with_warmup,
    "cosine_warmup_with_min_lr": get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
    "warmup_stable_decay": get_wsd_schedule,
}
_METRIC_DRIVEN: Final = ("reduce_lr_on_plateau", "greedy")


def get_scheduler(
    name: str,
    num_warmup_steps: int | None = None,
    num_training_steps: int | None = None,
    scheduler_specific_kwargs: Mapping[str, Any] | None = None,
) -> Schedule:
    """The schedule of that name; each is a function of this module, which tells its formula and its traps.

    A trap: `num_warmup_steps` is whole here; a share of the run is the business of transformers' `TrainingArguments`,
    which takes the next whole number of steps.

    Args:
        name: `"linear"`, `"cosine"`, `"cosine_with_restarts"`, `"polynomial"`, `"constant"`, `"constant_with_warmup"`,
            `"inverse_sqrt"`, `"cosine_with_min_lr"`, `"cosine_warmup_with_min_lr"` or `"warmup_stable_decay"`. The
            metric-driven ones are a native shape, `Plateau`.
        num_warmup_steps: How long the warm-up is; all but `"constant"` need it.
        num_training_steps: How long the run is, the warm-up included; most need it.
        scheduler_specific_kwargs: Further arguments of that function. transformers takes `min_lr` and `lr_end` relative
            to the optimizer's default lr, which may be given here as `lr`.

    Raises:
        ScheduleArgumentError: If there is no such name, or an argument is missing, unknown or wrong.

    Example:
        >>> get_scheduler("linear", num_warmup_steps=2, num_training_steps=4)
        Linear(2, start=0.0, end=1.0).then(Linear(2))
    """
    given = Arguments("get_scheduler")
    if name in _METRIC_DRIVEN:
        raise given.refused("name", name, "one that no metric drives; for this one use Plateau")
    function = _BY_NAME[given.choice("name", name, _BY_NAME)]
    parameters = inspect.signature(function).parameters
    steps = {"num_warmup_steps": num_warmup_steps, "num_training_steps": num_training_steps}
    arguments: dict[str, Any] = {key: value for key, value in steps.items() if key in parameters}
    for key, value in (scheduler_specific_kwargs or {}).items():
        if key in steps or key not in parameters:
            raise given.refused(key, value, f"an argument of {name!r}{near(key, parameters)}")
        arguments[key] = value
    for key, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and arguments.get(key) is None:
            place = "" if key in steps else " among scheduler_specific_kwargs"
            raise given.refused(key, None, f"given{place}, for {name!r}")
    return function(**arguments)


def _warmup(given: Arguments, steps: int) -> Linear:
    """The way up by s / W."""
    return Linear(given.count("num_warmup_steps", steps), start=0.0, end=1.0)


def _steps(warmup: Schedule) -> int:
    return warmup.length or 0


def _waves(
    given: Arguments, warmup: Schedule, num_training_steps: int, num_cycles: float, floor: Level, *, ahead: int = 0
) -> Schedule:
    """The warm-up, then a cosine between the base and the floor, so many steps ahead."""
    left = given.count("num_training_steps", num_training_steps) - _steps(warmup)
    cycles = 2.0 * given.number("num_cycles", num_cycles, above=0.0)
    curve: Schedule = Endless("cosine", max(left, 1), cycles=cycles, end=floor)
    return in_turn(warmup, curve.shift(-ahead) if ahead else curve)


def _floor(given: Arguments, min_lr: float | None, min_lr_rate: float | None, lr: float | None) -> Level:
    if (min_lr is None) == (min_lr_rate is None):
        raise given.refused("min_lr", min_lr, "given, or min_lr_rate, one of the two")
    if min_lr_rate is not None:
        return given.number("min_lr_rate", min_lr_rate, least=0.0)
    return _relative(given, given.number("min_lr", min_lr, least=0.0), lr)


def _relative(given: Arguments, value: float, lr: float | None) -> Level:
    """An lr as transformers takes it, a factor of the optimizer's default; itself, where that is not known."""
    return Absolute(value) if lr is None else value / given.number("lr", lr, above=0.0)

"""torch's schedulers that have an lr, or a momentum, of their own to go to.

Knows their arguments and defaults, and the one-cycle that turns back; the other curves are the native ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Final, final

import numpy as np

from paramgroups.schedules.annealing import CURVES
from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.cycles import CosineRestarts, Cyclic
from paramgroups.schedules.derived import Derived
from paramgroups.schedules.dialects.conventions import Endless
from paramgroups.schedules.dialects.torch.factors import of_one
from paramgroups.schedules.function import Function
from paramgroups.schedules.levels import Absolute, Array, Level, Line, as_level, blend
from paramgroups.schedules.shapes import Cosine, Linear

_STRATEGIES: Final = {"cos": "cosine", "linear": "linear"}


def CosineAnnealingLR(T_max: float, eta_min: float = 0.0) -> Schedule:
    """A cosine from the base to `eta_min` and back up again, for ever. Native: `Cosine`, which holds its end.

        v(t) = eta_min + (base - eta_min) * (1 + cos(pi * t / T_max)) / 2

    Three traps: it climbs back after `T_max`, to the base at `2 * T_max`; `eta_min` is an lr, the same in every group,
    so a group whose base is lower *rises* to it; and built anew on resume with another `T_max`, torch's takes the saved
    one. `Cosine(T, end=0.01)` holds, and its floor is a share of each group's base.

    Args:
        T_max: Steps from the base to `eta_min`, > 0.
        eta_min: The least lr.

    Raises:
        ScheduleArgumentError: If an argument is not such a number.

    Example:
        >>> CosineAnnealingLR(2).values(6, base=1.0).round(6)
        array([1. , 0.5, 0. , 0.5, 1. , 0.5])
    """
    given = Arguments("CosineAnnealingLR")
    return Endless("cosine", given.number("T_max", T_max, above=0.0), end=_floor(given, eta_min))


def CosineAnnealingWarmRestarts(T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> Schedule:
    """A cosine from the base to `eta_min`, and again from the base, each longer. Native: `CosineRestarts`, which it is.

        v(t) = eta_min + (base - eta_min) * (1 + cos(pi * s / n)) / 2

    s is the time in the cycle, n = T_0 * T_mult ** c its length. Two traps: no whole step ever has `eta_min`, since the
    last of a cycle is the first of the next; and `eta_min` is an lr, to which a group of a lower base rises.

    Args:
        T_0: Steps of the first cycle, > 0.
        T_mult: How many times as long each is as the one before, a whole number > 0.
        eta_min: The least lr.

    Raises:
        ScheduleArgumentError: If an argument is not such a number.

    Example:
        >>> CosineAnnealingWarmRestarts(10, T_mult=2)
        CosineRestarts(10, growth=2.0)
    """
    given = Arguments("CosineAnnealingWarmRestarts")
    period, growth = given.count("T_0", T_0, least=1), given.count("T_mult", T_mult, least=1)
    return CosineRestarts(period, growth=growth, end=_floor(given, eta_min))


def CyclicLR(
    base_lr: float,
    max_lr: float,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    scale_fn: Callable[[float], float] | None = None,
    scale_mode: str = "cycle",
    cycle_momentum: bool = True,
    base_momentum: float = 0.8,
    max_momentum: float = 0.9,
    *,
    drives: str = "lr",
) -> Schedule:
    """Straight up from `base_lr` to `max_lr` and down again, over and over. Native: `Cyclic`.

        v(t) = base_lr + (max_lr - base_lr) * x * scale,   x from 0 to 1 in step_size_up, to 0 in step_size_down
        scale = 1, 1 / 2 ** c, gamma ** t, or scale_fn of the cycle, counted from 1, or of the step

    Two traps. `base_lr` and `max_lr` overwrite every group's own lr, so ratios between groups are lost; the native
    `Cyclic(up, start=0.1)` keeps them. And unless `cycle_momentum=False`, momentum is driven too, whatever it was: here
    by a second schedule, of the same arguments and `drives="momentum"`.

    Args:
        base_lr: The lr at the ends of each cycle.
        max_lr: The lr in its middle.
        step_size_up: How long the way up is, > 0.
        step_size_down: How long the way down is; None is as long.
        mode: `"triangular"`, `"triangular2"`, which halves each cycle, or `"exp_range"`.
        gamma: What each step multiplies the amplitude by in `"exp_range"`, in (0, 1].
        scale_fn: A factor of the amplitude, instead of a mode.
        scale_mode: Whether that is of the `"cycle"`, counted from 1, or of the step, `"iterations"`.
        cycle_momentum: Whether torch would drive momentum too.
        base_momentum: The least momentum, where lr is greatest.
        max_momentum: The greatest, where lr is least.
        drives: What this is the schedule of: `"lr"`, or `"momentum"`, which is also that of `"betas[0]"`.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> CyclicLR(0.1, 0.5, step_size_up=4, mode="triangular2")
        Cyclic(4, start=Absolute(0.1), peak=Absolute(0.5), decay=0.5)
        >>> CyclicLR(0.1, 0.5, step_size_up=4, drives="momentum")
        Cyclic(4, start=Absolute(0.9), peak=Absolute(0.8))
    """
    given = Arguments("CyclicLR")
    if _drives_momentum(given, drives, cycle_momentum):
        start, peak = _own(given, "max_momentum", max_momentum), _own(given, "base_momentum", base_momentum)
    else:
        start, peak = _own(given, "base_lr", base_lr), _own(given, "max_lr", max_lr)
    up = given.count("step_size_up", step_size_up, least=1)
    down = None if step_size_down is None else given.count("step_size_down", step_size_down)
    if scale_fn is None:
        halved = given.choice("mode", mode, ("triangular", "triangular2", "exp_range")) == "triangular2"
        falls = given.number("gamma", gamma) if mode == "exp_range" else 1.0
        if not 0.0 < falls <= 1.0:
            raise given.refused("gamma", gamma, "a number in (0, 1]")
        return Cyclic(up, down, start=start, peak=peak, decay=0.5 if halved else 1.0, gamma=falls)
    scale = Function(scale_fn)
    if given.choice("scale_mode", scale_mode, ("cycle", "iterations")) == "cycle":
        return Cyclic(up, down, start=start, peak=peak, scale=scale.shift(-1))
    return Derived(Cyclic(up, down, start=0.0) * scale, at_one=peak, at_zero=start)


@final
@dataclass(frozen=True, repr=False)
class Phases(Schedule):
    """From level to level, at moments that need not be whole, and past the last one by the curve's own formula.

        v(t) = w(p) * levels[i] + (1 - w(p)) * levels[i + 1],   p = (t - moments[i - 1]) / (moments[i] - moments[i - 1])

    i is the first phase whose moment is not over, or the last; moments[-1] stands for 0. w is the curve as in
    `Cooldown`. What `OneCycleLR` is made of, whose last phase ends a step before it does: a cosine then turns back up,
    and a line goes on down, below 0. `OneCycle` ends where it is said to, and holds.

    Args:
        levels: One more than there are phases.
        moments: When each phase ends.
        curve: `"cosine"` or `"linear"`.
        steps: From which step on the value holds.

    Example:
        >>> Phases((0.0, 1.0, 0.5), moments=(1.5, 4.0), curve="linear", steps=5).values(7, base=1.0).round(3)
        array([0.   , 0.667, 0.9  , 0.7  , 0.5  , 0.3  , 0.3  ])
    """

    levels: tuple[Level, ...]
    _: KW_ONLY
    moments: tuple[float, ...]
    curve: str
    steps: int

    def __post_init__(self) -> None:
        given = Arguments("Phases")
        levels = tuple(as_level(level, "levels", "Phases") for level in self.levels)
        moments = tuple(given.number("moments", moment) for moment in self.moments)
        if not moments or len(levels) != len(moments) + 1:
            raise given.refused("moments", self.moments, "one fewer than levels, and at least one")
        given.choice("curve", self.curve, _STRATEGIES.values())
        for name, value in (("levels", levels), ("moments", moments), ("steps", given.count("steps", self.steps))):
            object.__setattr__(self, name, value)

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset(map(type, self.levels))

    @property
    def _open_ended(self) -> bool:
        return False

    @property
    def _length(self) -> int:
        return self.steps

    def _line(self, times: Array, base: float) -> Line:
        now = np.minimum(times, self.steps)
        since = np.array([0.0, *self.moments[:-1]])
        phase = (now[:, None] > np.array(self.moments[:-1])).cumprod(axis=1).sum(axis=1)
        spans = np.array(self.moments) - since
        progress = np.divide(now - since[phase], spans[phase], out=np.ones_like(now), where=spans[phase] != 0)
        factors, offsets = np.array([Line.of(level) for level in self.levels]).T
        start, end = Line(factors[phase], offsets[phase]), Line(factors[phase + 1], offsets[phase + 1])
        return blend(CURVES[self.curve](progress), start, end)


def OneCycleLR(
    max_lr: float,
    total_steps: int | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    cycle_momentum: bool = True,
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
    *,
    drives: str = "lr",
) -> Schedule:
    """Up from `max_lr / div_factor` to `max_lr`, and down to a ten-thousandth of the start. Native: `OneCycle`.

        v: start -> max_lr on [0, a], max_lr -> end on [a, total_steps - 1],   a = pct_start * total_steps - 1
        v: start -> max_lr on [0, a], -> start on [a, 2a], -> end on [2a, total_steps - 1]   (three_phase)

    Four traps. `max_lr` overwrites every group's own lr, so ratios between groups are lost; the native `OneCycle` has
    each group's base for its peak. The end comes a step early: at step `total_steps` the cosine has turned back up, and
    the line is below 0, where no lr may be: `.clip(low=Absolute(0.0))` keeps it out of there. After that step torch
    raises, and this holds. And unless `cycle_momentum=False`, momentum is driven too, whatever it was: here by a second
    schedule, of the same arguments and `drives="momentum"`.

    Args:
        max_lr: The lr at the peak.
        total_steps: How long; or else the two that follow.
        epochs: How many epochs of
        steps_per_epoch: so many steps.
        pct_start: The share of the steps, in [0, 1], that leads up to the peak.
        anneal_strategy: `"cos"` or `"linear"`.
        cycle_momentum: Whether torch would drive momentum too.
        base_momentum: The least momentum, at the peak.
        max_momentum: The greatest, at both ends.
        div_factor: What `max_lr` is divided by at the start, not 0.
        final_div_factor: What that is divided by at the end, not 0.
        three_phase: Whether it comes down as it went up, before it goes on to the end.
        drives: What this is the schedule of: `"lr"`, or `"momentum"`, which is also that of `"betas[0]"`.

    Raises:
        ScheduleArgumentError: If an argument is none of these, or nothing says how long it is.

    Example:
        >>> cycle = {"max_lr": 1.0, "total_steps": 10}
        >>> OneCycleLR(**cycle).values([0, 2, 9, 10]).round(4)
        array([0.04 , 1.   , 0.   , 0.0495])
        >>> OneCycleLR(**cycle, drives="momentum").values([0, 2, 9])
        array([0.95, 0.85, 0.95])
    """
    given = Arguments("OneCycleLR")
    steps = _total(given, total_steps, epochs, steps_per_epoch)
    share, curve = given.share("pct_start", pct_start), _curve(given, anneal_strategy)
    if _drives_momentum(given, drives, cycle_momentum):
        peak, start = _own(given, "base_momentum", base_momentum), _own(given, "max_momentum", max_momentum)
        end = start
    else:
        peak = _own(given, "max_lr", max_lr)
        start = Absolute(peak.value / _divisor(given, "div_factor", div_factor))
        end = Absolute(start.value / _divisor(given, "final_div_factor", final_div_factor))
    if given.flag("three_phase", three_phase):
        moments, levels = (share * steps - 1, 2 * share * steps - 2, steps - 1), (start, peak, start, end)
        return Phases(levels, moments=moments, curve=curve, steps=steps)
    return Phases((start, peak, end), moments=(share * steps - 1, steps - 1), curve=curve, steps=steps)


@final
@dataclass(frozen=True, repr=False)
class SWALR(Schedule):
    """From the base to `swa_lr`, which holds. Native: `Cosine(N, end=Absolute(swa_lr))`, which it is, or `Linear`.

        v(t) = a * swa_lr + (1 - a) * base,   a = (1 - cos(pi * p)) / 2 or p,   p = min(t / anneal_epochs, 1)

    Two traps: `swa_lr` is the same in every group; and torch's starts from the lr that it finds, whatever the group's
    base: so it does after others in a `SequentialLR`, and in a chain of its own, as its base is what the group holds.

    Args:
        swa_lr: The lr to go to.
        anneal_epochs: How long; at 0 it is there at once.
        anneal_strategy: `"cos"` or `"linear"`.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> SWALR(0.5, anneal_epochs=2, anneal_strategy="linear").values(4, base=1.0)
        array([1.  , 0.75, 0.5 , 0.5 ])
    """

    swa_lr: float
    anneal_epochs: int = 10
    anneal_strategy: str = "cos"

    def __post_init__(self) -> None:
        given = Arguments("SWALR")
        object.__setattr__(self, "swa_lr", _own(given, "swa_lr", self.swa_lr).value)
        object.__setattr__(self, "anneal_epochs", given.count("anneal_epochs", self.anneal_epochs))
        _curve(given, self.anneal_strategy)

    @property
    def _native(self) -> Schedule:
        shape = Cosine if self.anneal_strategy == "cos" else Linear
        return shape(self.anneal_epochs, end=Absolute(self.swa_lr))

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({float, Absolute})

    @property
    def _open_ended(self) -> bool:
        return False

    @property
    def _length(self) -> int:
        return self.anneal_epochs

    def _line(self, times: Array, base: float) -> Line:
        return self._native._line(times, base)


def _floor(given: Arguments, eta_min: float) -> Level:
    """What no base goes below; 0 is so in every unit."""
    least = given.number("eta_min", eta_min)
    return Absolute(least) if least else 0.0


def _own(given: Arguments, name: str, value: float) -> Absolute:
    """A value that overwrites the groups' own."""
    return Absolute(given.number(name, of_one(given, name, value)))


def _divisor(given: Arguments, name: str, value: float) -> float:
    number = given.number(name, value)
    if not number:
        raise given.refused(name, value, "a finite number other than 0")
    return number


def _curve(given: Arguments, anneal_strategy: str) -> str:
    return _STRATEGIES[given.choice("anneal_strategy", anneal_strategy, _STRATEGIES)]


def _drives_momentum(given: Arguments, drives: str, cycle_momentum: bool) -> bool:
    cycled = given.flag("cycle_momentum", cycle_momentum)
    momentum = given.choice("drives", drives, ("lr", "momentum")) == "momentum"
    if momentum and not cycled:
        raise given.refused("cycle_momentum", cycle_momentum, "True, for there to be a momentum to drive")
    return momentum


def _total(given: Arguments, total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        return given.count("total_steps", total_steps, least=1)
    if epochs is None or steps_per_epoch is None:
        raise given.refused("total_steps", total_steps, "given, or epochs and steps_per_epoch")
    return given.count("epochs", epochs, least=1) * given.count("steps_per_epoch", steps_per_epoch, least=1)

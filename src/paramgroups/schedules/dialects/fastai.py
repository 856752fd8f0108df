"""fastai's schedules, by the same names.

    from paramgroups.schedules.dialects import fastai
    lr = fastai.fit_one_cycle()
    momentum = fastai.fit_one_cycle(drives="momentum")

fastai's schedules are functions of the share of the fit that is over. So `steps` is how long the fit is, the whole run
unless it is said; `"5 epochs"` is fastai's `n_epoch=5`. fastai never asks for the value at the end, which a fit does
not reach; here it is the end's, and holds.

A trap that all combined schedules share: fastai counts the share of a phase in float32, so that values jump about by a
few parts in 10**8; these are the very same. The native shapes compute in float64.

Knows fastai's conventions; the curves are the native ones. Held against fastai 2.8.12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule, require_schedule
from paramgroups.schedules.derived import Derived
from paramgroups.schedules.levels import Absolute, Array, Level, Line
from paramgroups.schedules.shapes import Constant, Cosine, Exponential, Linear, Shape
from paramgroups.schedules.units import Duration, Horizon

__all__ = [
    "Combined",
    "LRFinder",
    "SchedCos",
    "SchedExp",
    "SchedLin",
    "SchedNo",
    "SchedPoly",
    "combine_scheds",
    "combined_cos",
    "fit_flat_cos",
    "fit_one_cycle",
    "fit_sgdr",
]

_NEAR: Final = 1e-9  # to 1, of shares that are to make a whole
_FIT: Final = "100%"


@final
@dataclass(frozen=True, repr=False)
class Combined(Shape):
    """Schedules one after the other over `steps`, each stretched to its share: fastai's arithmetic, to the bit.

        v(t) = scheds[i]((p - since[i]) / (since[i + 1] - since[i])),   since[i] <= p = t / steps

    All of this is in float32, but the value. The native way is `.then`, with lengths instead of shares.

    Args:
        scheds: The schedules, at least one; of each, how long it is by itself does not matter.
        pcts: The share of each, >= 0, in all 1.
        steps: How long all of it is.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> Combined((Linear(1), Constant(0.5, steps=1)), (0.5, 0.5), 4).values(6, base=1.0)
        array([1. , 0.5, 0.5, 0.5, 0.5, 0.5])
    """

    scheds: Sequence[Schedule]
    pcts: Sequence[float]
    steps: Duration = _FIT

    def __post_init__(self) -> None:
        super().__post_init__()
        given = Arguments("Combined")
        shares = [given.number("pcts", share, least=0.0) for share in given.several("pcts", self.pcts)]
        listed = [require_schedule(part, "scheds", given.where) for part in given.several("scheds", self.scheds)]
        parts = [part.resolve(Horizon(steps=1)) for part in listed]
        for part in parts:
            if not part.length or part.driven_by_metric:
                raise given.refused("scheds", self.scheds, "schedules that last some steps, and that no metric drives")
        if not parts or len(shares) != len(parts) or abs(math.fsum(shares) - 1.0) > _NEAR:
            raise given.refused("pcts", self.pcts, f"a share for each of the {len(parts)} schedules, in all 1")
        object.__setattr__(self, "scheds", tuple(parts))
        object.__setattr__(self, "pcts", tuple(shares))

    def _children(self) -> tuple[Schedule, ...]:
        return (*self.scheds,)

    def _line(self, times: Array, base: float) -> Line:
        since = np.cumsum(np.array([0.0, *self.pcts], np.float32), dtype=np.float64).astype(np.float32)
        progress, last = self._progress(times).astype(np.float32), len(self.scheds) - 1
        places = np.minimum(np.searchsorted(since, progress, side="right") - 1, last)
        spans = np.maximum(np.diff(since), np.finfo(np.float32).tiny)  # in one of no length there is no moment
        local = ((progress - since[places]) / spans[places]).astype(np.float64)
        over = times >= self._length
        local, places = np.where(over, 1.0, local), np.where(over, last, places)
        factor, offset = np.empty_like(times), np.empty_like(times)
        for place, part in enumerate(self.scheds):
            own = places == place
            if own.any():
                factor[own], offset[own] = part._line(local[own] * part._length, base)
        return Line(factor, offset)


def SchedLin(start: float, end: float, *, steps: Duration = _FIT) -> Schedule:
    """As fastai's `SchedLin`: a straight line. Native: `Linear`.

    Args:
        start: Where it starts, in the hyperparameter's own unit.
        end: Where it goes, likewise.
        steps: How long the fit is.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> SchedLin(0.0, 1.0, steps=4).values(5)
        array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    return Linear(steps, **_ends("SchedLin", start, end))


def SchedCos(start: float, end: float, *, steps: Duration = _FIT) -> Schedule:
    """As fastai's `SchedCos`: half a cosine. Native: `Cosine`.

    Args:
        start: Where it starts, in the hyperparameter's own unit.
        end: Where it goes, likewise.
        steps: How long the fit is.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> SchedCos(0.0, 1.0)
        Cosine('100%', start=Absolute(0.0), end=Absolute(1.0))
    """
    return Cosine(steps, **_ends("SchedCos", start, end))


def SchedNo(start: float, end: float, *, steps: Duration = _FIT) -> Schedule:
    """As fastai's `SchedNo`: `start`, and `end` is not looked at. Native: `Constant`.

    Args:
        start: The value, in the hyperparameter's own unit.
        end: Any number.
        steps: How long the fit is.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> SchedNo(0.1, 1.0)
        Constant(Absolute(0.1), steps='100%')
    """
    return Constant(_ends("SchedNo", start, end)["start"], steps=steps)


def SchedExp(start: float, end: float, *, steps: Duration = _FIT) -> Schedule:
    """As fastai's `SchedExp`: a geometric curve. Native: `Exponential`.

    Args:
        start: Where it starts, in the hyperparameter's own unit, not 0.
        end: Where it goes, likewise, of the same sign.
        steps: How long the fit is.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> SchedExp(0.01, 1.0, steps=2).values(3)
        array([0.01, 0.1 , 1.  ])
    """
    return Exponential(steps, **_ends("SchedExp", start, end))


def SchedPoly(start: float, end: float, power: float, *, steps: Duration = _FIT) -> Schedule:
    """As fastai's `SchedPoly`: a power of the time that is over. Native: `Polynomial`, of the time that is left.

        v(p) = start + (end - start) * p ** power

    Args:
        start: Where it starts, in the hyperparameter's own unit.
        end: Where it goes, likewise.
        power: Exponent, > 0.
        steps: How long the fit is.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> SchedPoly(0.0, 1.0, 2, steps=4).values(5)
        array([0.    , 0.0625, 0.25  , 0.5625, 1.    ])
    """
    ends = _ends("SchedPoly", start, end)
    exponent = Arguments("SchedPoly").number("power", power, above=0.0)
    return Derived(Linear(steps, start=0.0, end=1.0), power=exponent, at_one=ends["end"], at_zero=ends["start"])


def combine_scheds(pcts: Sequence[float], scheds: Sequence[Schedule], *, steps: Duration = _FIT) -> Schedule:
    """As fastai's `combine_scheds`: each for its share of the fit. Native: `.then`.

    Args:
        pcts: The share of each, >= 0, in all 1.
        scheds: Schedules of this module, or our own; how long each is by itself does not matter.
        steps: How long the fit is.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> combine_scheds([0.25, 0.75], [SchedLin(0.0, 1.0), SchedCos(1.0, 0.0)], steps=8).values(9).round(3)
        array([0.   , 0.5  , 1.   , 0.933, 0.75 , 0.5  , 0.25 , 0.067, 0.   ])
    """
    return Combined(scheds, pcts, steps)


def combined_cos(pct: float, start: float, middle: float, end: float, *, steps: Duration = _FIT) -> Schedule:
    """As fastai's `combined_cos`: half a cosine from `start` to `middle`, then one to `end`. Native: `OneCycle`.

    Args:
        pct: The share of the first, in [0, 1].
        start: Where it starts, in the hyperparameter's own unit.
        middle: Where it goes first, likewise.
        end: Where it goes then, likewise.
        steps: How long the fit is.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> combined_cos(0.5, 0.0, 1.0, 0.5, steps=4).values(5)
        array([0.  , 0.5 , 1.  , 0.75, 0.5 ])
    """
    first, second = _ends("combined_cos", start, middle), _ends("combined_cos", middle, end)
    share = Arguments("combined_cos").share("pct", pct)
    return _two_cosines(share, first["start"], first["end"], second["end"], steps)


def fit_one_cycle(
    lr_max: float | slice | None = None,
    div: float = 25.0,
    div_final: float = 1e5,
    pct_start: float = 0.25,
    moms: Sequence[float] = (0.95, 0.85, 0.95),
    *,
    drives: str = "lr",
    steps: Duration = _FIT,
    group: int = 0,
    groups: int = 1,
) -> Schedule:
    """As fastai's `Learner.fit_one_cycle`: half a cosine up, and half a one down. Native: `OneCycle`.

    A trap: the end is `div_final` below the peak, not, as torch's `OneCycleLR` has it, below the start.

    Args:
        lr_max: The peak: in the unit of lr, the same for all groups; None, each group's base; `slice(a, b)`, from a for
            the first group to b for the last in equal ratios; `slice(b)`, b for the last and b / 10 for all others.
        div: What the peak is divided by at the start, > 0.
        div_final: What it is divided by at the end, > 0.
        pct_start: The share of the fit, in [0, 1], that leads up.
        moms: Momentum at the start, at the peak and at the end.
        drives: What this is the schedule of: `"lr"`, or `"momentum"`, fastai's `mom`, which is also that of
            `"betas[0]"`.
        steps: How long the fit is.
        group: Which group, from 0, where the peak is a slice.
        groups: How many there are.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> fit_one_cycle(steps=100).values([0, 25, 100], base=1.0)
        array([4.e-02, 1.e+00, 1.e-05])
        >>> [fit_one_cycle(slice(1e-4, 1e-2), steps=100, group=group, groups=3)(25) for group in range(3)]
        [0.0001, 0.001, 0.01]
    """
    given = Arguments("fit_one_cycle")
    share = given.share("pct_start", pct_start)
    if given.choice("drives", drives, ("lr", "momentum")) == "momentum":
        levels = [Absolute(given.number("moms", momentum)) for momentum in given.several("moms", moms)]
        if len(levels) != 3:  # noqa: PLR2004 - start, peak and end
            raise given.refused("moms", moms, "three numbers")
        start, middle, end = levels
        return _two_cosines(share, start, middle, end, steps)
    peak = _peak(given, "lr_max", lr_max, group, groups)
    low, last = (
        _scaled(peak, given.number(name, divisor, above=0.0))
        for name, divisor in (("div", div), ("div_final", div_final))
    )
    return _two_cosines(share, low, peak, last, steps)


def fit_flat_cos(
    lr: float | slice | None = None,
    div_final: float = 1e5,
    pct_start: float = 0.75,
    *,
    steps: Duration = _FIT,
    group: int = 0,
    groups: int = 1,
) -> Schedule:
    """As fastai's `Learner.fit_flat_cos`: flat, then half a cosine down. Native: `Constant`, then `Cosine`.

    Args:
        lr: Where it is flat, as `lr_max` in `fit_one_cycle`.
        div_final: What that is divided by at the end, > 0.
        pct_start: The share of the fit, in [0, 1], that is flat.
        steps: How long the fit is.
        group: Which group, from 0, where `lr` is a slice.
        groups: How many there are.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> fit_flat_cos(div_final=10, pct_start=0.5, steps=4).values(5, base=1.0)
        array([1.  , 1.  , 1.  , 0.55, 0.1 ])
    """
    given = Arguments("fit_flat_cos")
    share = given.share("pct_start", pct_start)
    peak = _peak(given, "lr", lr, group, groups)
    return _two_cosines(share, peak, peak, _scaled(peak, given.number("div_final", div_final, above=0.0)), steps)


def fit_sgdr(
    n_cycles: int,
    cycle_len: int,
    lr_max: float | slice | None = None,
    cycle_mult: int = 2,
    *,
    steps: Duration = _FIT,
    group: int = 0,
    groups: int = 1,
) -> Schedule:
    """As fastai's `Learner.fit_sgdr`: half a cosine down to 0, and again, each longer. Native: `CosineRestarts`.

    Args:
        n_cycles: How many, > 0.
        cycle_len: How many epochs the first has, > 0; only ratios count here, for `steps` is all of it.
        lr_max: Where each starts, as in `fit_one_cycle`.
        cycle_mult: How much longer each is than the one before it, a whole number > 1.
        steps: How long the fit is: cycle_len * (cycle_mult ** n_cycles - 1) / (cycle_mult - 1) epochs.
        group: Which group, from 0, where `lr_max` is a slice.
        groups: How many there are.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> fit_sgdr(2, 1, steps=6).values(7, base=1.0).round(3)
        array([1.   , 0.5  , 1.   , 0.854, 0.5  , 0.146, 0.   ])
    """
    given = Arguments("fit_sgdr")
    cycles, length = given.count("n_cycles", n_cycles, least=1), given.count("cycle_len", cycle_len, least=1)
    ratio = given.count("cycle_mult", cycle_mult, least=2)
    epochs = length * (ratio**cycles - 1) // (ratio - 1)
    peak = _peak(given, "lr_max", lr_max, group, groups)
    shares = tuple(length * ratio**cycle / epochs for cycle in range(cycles))
    return Combined((Cosine(1, start=peak, end=_scaled(peak, math.inf)),) * cycles, shares, steps)


def LRFinder(start_lr: float = 1e-7, end_lr: float = 10.0, num_it: int = 100) -> Schedule:
    """As fastai's `LRFinder`, as `lr_find` uses it: a geometric curve up. Native: `Exponential`.

    Args:
        start_lr: Where it starts, in the unit of lr, > 0.
        end_lr: Where it goes, likewise.
        num_it: How many steps it takes, > 0; fewer than 6 count as 6.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> LRFinder()
        Exponential(100, start=Absolute(1e-07), end=Absolute(10.0))
    """
    given = Arguments("LRFinder")
    start, end = given.number("start_lr", start_lr, above=0.0), given.number("end_lr", end_lr, above=0.0)
    return SchedExp(start, end, steps=max(given.count("num_it", num_it, least=1), 6))


def _ends(where: str, start: float, end: float) -> dict[str, Absolute]:
    given = Arguments(where)
    return {name: Absolute(given.number(name, value)) for name, value in (("start", start), ("end", end))}


def _two_cosines(share: float, start: Level, middle: Level, end: Level, steps: Duration) -> Schedule:
    halves = Cosine(1, start=start, end=middle), Cosine(1, start=middle, end=end)
    return Combined(halves, (share, 1.0 - share), steps)


def _scaled(level: Level, divisor: float) -> Level:
    return Absolute(level.value / divisor) if isinstance(level, Absolute) else level / divisor


def _peak(given: Arguments, name: str, lr: float | slice | None, group: int, groups: int) -> Level:
    """The peak of one group, as fastai's `set_hyper` spreads it."""
    count = given.count("groups", groups, least=1)
    place = given.count("group", group)
    if place >= count:
        raise given.refused("group", group, f"less than groups = {count}")
    if not isinstance(lr, slice):
        return 1.0 if lr is None else Absolute(given.number(name, lr))
    last = given.number(name, lr.stop)
    if not lr.start:
        return Absolute(last if place == count - 1 else last / 10)
    first = given.number(name, lr.start)
    if count == 1:
        return Absolute(last)
    if first * last <= 0:
        raise given.refused(name, lr, "a slice of two numbers of one sign")
    return Absolute(first * ((last / first) ** (1 / (count - 1))) ** place)

"""torch's schedulers that multiply a group's lr by a factor of the step, and by nothing else.

Knows their arguments and defaults; the curves are the native ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.dialects.conventions import Geometric, Unending
from paramgroups.schedules.function import Function
from paramgroups.schedules.levels import Array, Line
from paramgroups.schedules.points import MultiStep
from paramgroups.schedules.shapes import Constant, Linear, Polynomial

_A_GROUP = "one for each group is a schedule for each: Scheduler(optimizer, {'head': {'lr': %s(...)}})"


def of_one(given: Arguments, name: str, value: Any) -> Any:
    """`value`, where it is not a list of one for each group, which torch would take."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        raise given.refused(name, value, f"one for all groups; {_A_GROUP % given.where}")
    return value


def LambdaLR(lr_lambda: Callable[[float], float]) -> Schedule:
    """The base times a function of the step. Native: `Function`, which it is.

        v(t) = base * lr_lambda(t)

    A trap: chained after another scheduler, torch's sets the lr anew from the base, and wipes out what the other did. A
    native product keeps both: `Warmup(500) * Function(f)`.

    Args:
        lr_lambda: From a step to a factor, one for all groups.

    Raises:
        ScheduleArgumentError: If it is not callable, or a list.

    Example:
        >>> def halve(step):
        ...     return 0.5 ** (step // 10)
        >>> LambdaLR(halve)
        Function(halve)
    """
    return Function(_function("LambdaLR", lr_lambda))


@final
@dataclass(frozen=True, repr=False)
class MultiplicativeLR(Unending):
    """The base, multiplied at every step by a function of it: O(k). Native: the product itself, as `Function`.

        v(t) = base * lr_lambda(1) * lr_lambda(2) * ... * lr_lambda(t)

    Two traps: `lr_lambda(0)` is never asked for; and a function that returns what `LambdaLR`'s would, the whole factor
    and not that of one step, makes the lr vanish.

    Args:
        lr_lambda: From a step to what that step multiplies by, one for all groups.

    Raises:
        ScheduleArgumentError: If it is not callable, or a list.
        UndefinedValueError: On evaluation, if it returns anything but a finite real number.

    Example:
        >>> MultiplicativeLR(lambda step: 0.5).values(4, base=1.0)
        array([1.   , 0.5  , 0.25 , 0.125])
    """

    lr_lambda: Callable[[float], float]

    def __post_init__(self) -> None:
        super().__post_init__()
        _function("MultiplicativeLR", self.lr_lambda)

    @property
    def closed_form(self) -> bool:
        return False

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({float})

    def _line(self, times: Array, base: float) -> Line:
        steps = times.astype(np.int64)
        ratios = Function(self.lr_lambda).values(range(1, int(steps.max(initial=0)) + 1), base=1.0)
        return Line(np.cumprod([1.0, *ratios])[steps], 0.0)


def StepLR(step_size: int, gamma: float = 0.1) -> Schedule:
    """The base, multiplied by `gamma` every `step_size` steps. Native: `MultiStep`, which ends.

        v(t) = base * gamma ** floor(t / step_size)

    A trap: it is built anew on resume with `last_epoch=k`, and falls once more; a schedule has no state to lose.

    Args:
        step_size: How many steps from fall to fall, > 0.
        gamma: What each multiplies by, >= 0.

    Raises:
        ScheduleArgumentError: If an argument is not such a number.

    Example:
        >>> StepLR(2, gamma=0.5).values(6, base=1.0)
        array([1.  , 1.  , 0.5 , 0.5 , 0.25, 0.25])
    """
    given = Arguments("StepLR")
    steps = given.count("step_size", step_size, least=1)
    return Geometric(given.number("gamma", gamma, least=0.0), steps, stairs=True)


def MultiStepLR(milestones: Iterable[int], gamma: float = 0.1) -> Schedule:
    """The base, multiplied by `gamma` at each milestone. Native: `MultiStep`, which it is.

        v(t) = base * gamma ** (number of milestones <= t)

    A trap: a milestone given twice counts twice.

    Args:
        milestones: The steps, in any order.
        gamma: What each multiplies by, >= 0.

    Raises:
        ScheduleArgumentError: If `milestones` has anything but whole numbers >= 0, or `gamma` is not such a number.

    Example:
        >>> MultiStepLR([30, 80])
        MultiStep((30, 80))
    """
    given = Arguments("MultiStepLR")
    steps = tuple(sorted(given.count("milestones", each) for each in given.several("milestones", milestones)))
    return MultiStep(steps, gamma=given.number("gamma", gamma, least=0.0))


def ConstantLR(factor: float = 1.0 / 3, total_iters: int = 5) -> Schedule:
    """A share of the base for some steps, then all of it. Native: `Constant(factor, steps=N).then(...)`.

        v(t) = base * factor if t < total_iters else base

    A trap: with `total_iters=0` the factor stays for ever, since it is the step `total_iters` that takes it back. (As a
    later part of a `SequentialLR`, torch's is the base then; this is not.)

    Args:
        factor: The share, in [0, 1].
        total_iters: For how many steps.

    Raises:
        ScheduleArgumentError: If an argument is not such a number.

    Example:
        >>> ConstantLR(0.5, total_iters=2)
        Constant(0.5, steps=2).then(Constant())
    """
    given = Arguments("ConstantLR")
    share, steps = given.share("factor", factor), given.count("total_iters", total_iters)
    return Constant(share, steps=steps).then(Constant()) if steps else Constant(share)


def LinearLR(start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5) -> Schedule:
    """A straight line from one share of the base to another, which holds. Native: `Linear`, or `Warmup`.

        v(t) = base * (start_factor + (end_factor - start_factor) * min(t / total_iters, 1))

    Three traps: by default it starts at a third; with `total_iters=0` it stays at the start for ever; and a `LambdaLR`
    that is chained after it wipes it out.

    Args:
        start_factor: Share at step 0, in (0, 1].
        end_factor: Share from step `total_iters` on, in [0, 1].
        total_iters: How long.

    Raises:
        ScheduleArgumentError: If an argument is not such a number.

    Example:
        >>> LinearLR(0.1, total_iters=500)
        Linear(500, start=0.1, end=1.0)
    """
    given = Arguments("LinearLR")
    start, end = given.share("start_factor", start_factor), given.share("end_factor", end_factor)
    if not start:
        raise given.refused(
            "start_factor", start_factor, "a number in (0, 1]; from 0 it is Linear(N, start=0.0, end=1.0)"
        )
    steps = given.count("total_iters", total_iters)
    return Linear(steps, start=start, end=end) if steps else Constant(start)


def ExponentialLR(gamma: float) -> Schedule:
    """The base, multiplied by `gamma` at every step. Native: `Exponential`, which comes to a level, and holds it.

        v(t) = base * gamma ** t

    A trap: it never ends, and after a few hundred steps at 0.9 there is no lr left to speak of.

    Args:
        gamma: What each step multiplies by, >= 0.

    Raises:
        ScheduleArgumentError: If it is not such a number.
        UndefinedValueError: On evaluation, if a gamma above 1 has made it infinite.

    Example:
        >>> ExponentialLR(0.5).values(4, base=1.0)
        array([1.   , 0.5  , 0.25 , 0.125])
    """
    return Geometric(Arguments("ExponentialLR").number("gamma", gamma, least=0.0))


def PolynomialLR(total_iters: int = 5, power: float = 1.0) -> Schedule:
    """A power of the time that is left, down to 0. Native: `Polynomial`, which has an `end` as well.

        v(t) = base * (1 - min(t / total_iters, 1)) ** power

    Two traps: with `total_iters=0` the base stays for ever; and the last lr is 0, with no floor.

    Args:
        total_iters: How long.
        power: Exponent, >= 0; at 0 the base stays for ever.

    Raises:
        ScheduleArgumentError: If an argument is not such a number.

    Example:
        >>> PolynomialLR(100, power=2.0)
        Polynomial(100, power=2.0)
    """
    given = Arguments("PolynomialLR")
    steps, exponent = given.count("total_iters", total_iters), given.number("power", power, least=0.0)
    return Polynomial(steps, power=exponent) if steps and exponent else Constant()


def _function(where: str, given: Any) -> Callable[[float], float]:
    if not callable(of_one(Arguments(where), "lr_lambda", given)):
        raise ScheduleArgumentError("lr_lambda", given, where, "a callable from a step to a number")
    return given  # type: ignore[no-any-return]  # that it is callable is all that can be told

"""A live torch scheduler as a schedule, from its present step on.

Knows where torch's schedulers keep their arguments and how far they are; what curve that comes to, the dialect knows.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from paramgroups.errors import ScheduleArgumentError, UnconvertibleError
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.dialects.torch import curves, factors
from paramgroups.schedules.dialects.torch.composed import ChainedScheduler, Composed, SequentialLR, made
from paramgroups.schedules.dialects.torch.replay import Group
from paramgroups.schedules.levels import Absolute
from paramgroups.schedules.shapes import Cosine, Linear

Reader: TypeAlias = Callable[[Any, int, str], Schedule]
"""From a scheduler, the place of a group and what it drives there, to its curve from its step 0."""

_HOMES = ("torch.optim.lr_scheduler", "torch.optim.swa_utils")
_CYCLED = ("CyclicLR", "OneCycleLR")  # drive momentum too
_NEAR, _NEAR_OF_BASE = 1e-6, 1e-9  # far above what rounding adds up to, 1e-12 of the base in 150,000 steps


def from_torch(scheduler: Any, drives: str = "lr", *, group: int | None = None) -> Schedule:
    """A live torch scheduler as a schedule: at step k, what torch's would give k steps from now.

        v(k, base) = the lr of a group of that `initial_lr` after k more calls of scheduler.step()

    Its bases are the groups' `initial_lr`. `Scheduler(optimizer, lr=from_torch(scheduler), adopt=True)` takes them, and
    goes on from where torch's stands, which is to be stepped no more. Composed schedulers are taken whole; functions as
    they are, where they can be saved. A `OneCycleLR` or `CyclicLR` that drives momentum too is two schedules, of which
    `momentum=from_torch(scheduler, "momentum")` is the second; for Adam's the keyword is `**{"betas[0]": ...}`.

    Args:
        scheduler: Of one of the classes of this dialect, and no subclass.
        drives: What of it is wanted, `"lr"` or `"momentum"`.
        group: Whose, by its place in `optimizer.param_groups`; None is all, which then have to have the same curve.

    Returns:
        A schedule of this dialect, at its present step.

    Raises:
        UnconvertibleError: If it is of no such class, its function cannot be saved, its groups have different curves, a
            part of it was stepped alone, or a group's lr is not the one that it gives, as after a change by hand.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> for _ in range(3):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> from_torch(scheduler).values(4, base=0.1)
        array([0.05  , 0.025 , 0.025 , 0.0125])
    """
    _check_kind(scheduler)
    places = _places(scheduler, group)
    whole, *others = (_read(scheduler, place, drives) for place in places)
    step = _checked_step(scheduler, whole)
    for place, schedule in enumerate(others, 1):
        if schedule != whole:
            problem = f"group 0 has {whole!r}, and group {place} has {schedule!r}"
            remedy = "Take each by itself: {'head': {'lr': from_torch(scheduler, group=1)}, ...}."
            raise _refused(scheduler, problem, remedy)
    for place in places:
        _check_value(scheduler, place, drives, whole, step)
    return whole.shift(-step) if step else whole


def _refused(scheduler: Any, problem: str, remedy: str) -> UnconvertibleError:
    return UnconvertibleError(type(scheduler).__name__, problem, remedy)


def _check_kind(scheduler: Any) -> None:
    """It has to be a scheduler of a class of torch's, that steps drive.

    Raises:
        UnconvertibleError: It is none.
    """
    from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

    if isinstance(scheduler, ReduceLROnPlateau):
        remedy = "Write the native one, and let it observe: Scheduler(optimizer, lr=Plateau(0.1, patience=10))."
        raise _refused(scheduler, "a metric drives it, and no step", remedy)
    if not isinstance(scheduler, LRScheduler):
        raise _refused(scheduler, "it is no scheduler of torch", "If it wraps one, give that: wrapper.scheduler.")
    _reader(scheduler)


def _places(scheduler: Any, group: int | None) -> Sequence[int]:
    """Where the groups in question are.

    Raises:
        UnconvertibleError: There is none there, or it came after the scheduler, which knows nothing of it.
    """
    groups = scheduler.optimizer.param_groups
    places = range(len(groups)) if group is None else [group]
    for place in places:
        if place not in range(len(groups)):
            problem = f"there is no group {place!r}, for its optimizer has {len(groups)}"
            raise _refused(scheduler, problem, "Count from 0.")
        if "initial_lr" not in groups[place]:
            problem = f"group {place} has no initial_lr: it came after the scheduler"
            raise _refused(scheduler, problem, "Take the others: {'body': {'lr': from_torch(scheduler, group=0)}}.")
    return places


def _read(scheduler: Any, place: int, drives: str) -> Schedule:
    """The curve of a scheduler in one group, from its step 0."""
    name = type(scheduler).__name__
    if drives != "lr" and name not in _CYCLED:
        raise _refused(scheduler, f"it does not drive {drives}", f"Only a {' or a '.join(_CYCLED)} does, by itself.")
    if name == "SWALR":
        return _from_its_start(scheduler, place)
    try:
        return _reader(scheduler)(scheduler, place, drives)
    except ScheduleArgumentError as error:
        raise _refused(scheduler, str(error).partition("\n")[0].rstrip("."), "Write what is meant natively.") from error


def _reader(scheduler: Any) -> Reader:
    """How its class is read, where that is torch's own and none derived from it."""
    kind = type(scheduler)
    if kind.__module__ not in _HOMES or kind.__name__ not in _READERS:
        problem = f"{kind.__module__}.{kind.__qualname__} is no class of torch's, so its values may be anything"
        raise _refused(scheduler, problem, "Write its curve with the shapes, or by step: Function(f).")
    return _READERS[kind.__name__]


def _arguments(call: Callable[..., Schedule], *names: str) -> Reader:
    """The reader of a class that keeps its arguments by their names."""
    return lambda scheduler, *_: call(**{name: getattr(scheduler, name) for name in names})


def _function(call: Callable[..., Schedule]) -> Reader:
    return lambda scheduler, place, _: call(_saved(scheduler, scheduler.lr_lambdas[place]))


def _parts(scheduler: Any, place: int, drives: str) -> list[Schedule]:
    return [_reader(each)(each, place, drives) for each in scheduler._schedulers]


def _saved(scheduler: Any, function: Callable[[float], float]) -> Callable[[float], float]:
    try:
        pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        name = getattr(function, "__name__", repr(function))
        problem = f"its function {name} cannot be saved, so no run could be resumed with it"
        remedy = "Define it at the top of a module, or write Function(f) yourself."
        raise _refused(scheduler, problem, remedy) from error
    return function


def _cyclic(scheduler: Any, place: int, drives: str) -> Schedule:
    up = scheduler.step_ratio * scheduler.total_size
    names = ("mode", "gamma", "scale_mode", "cycle_momentum")
    options = {name: getattr(scheduler, name) for name in names}
    if scheduler.cycle_momentum:
        momenta = (scheduler.base_momentums[place], scheduler.max_momentums[place])
        options |= {"base_momentum": float(momenta[0]), "max_momentum": float(momenta[1])}
    return curves.CyclicLR(
        float(scheduler.base_lrs[place]),
        float(scheduler.max_lrs[place]),
        step_size_up=round(up, 6),  # of a product that is off by a rounding
        step_size_down=round(scheduler.total_size - up, 6),
        scale_fn=scheduler._scale_fn_custom and _saved(scheduler, scheduler._scale_fn_custom),
        drives=drives,
        **options,
    )


def _one_cycle(scheduler: Any, place: int, drives: str) -> Schedule:
    if drives != "lr" and not scheduler.cycle_momentum:
        problem = f"it was made with cycle_momentum=False, and does not drive {drives}"
        raise _refused(scheduler, problem, "Ask for its lr alone.")
    group, phases = scheduler.optimizer.param_groups[place], scheduler._schedule_phases
    keys = [*(phase[f"start_{drives}"] for phase in phases), phases[-1][f"end_{drives}"]]
    return curves.Phases(
        tuple(Absolute(float(group[key])) for key in keys),
        moments=tuple(phase["end_step"] for phase in phases),
        curve="cosine" if scheduler._anneal_func_type == "cos" else "linear",
        steps=scheduler.total_steps,
    )


def _swa(scheduler: Any, place: int, *_: str) -> curves.SWALR:
    quarter = 0.25  # of the way, where the two differ
    strategy = "linear" if scheduler.anneal_func(quarter) == quarter else "cos"
    swa_lr = float(scheduler.optimizer.param_groups[place]["swa_lr"])
    return curves.SWALR(swa_lr, scheduler.anneal_epochs, strategy)


def _from_its_start(scheduler: Any, place: int) -> Schedule:
    """The curve of one that stands alone, from the lr that it started from, which need not be the group's first."""
    swa, group = _swa(scheduler, place), scheduler.optimizer.param_groups[place]
    factor, offset = (float(part[0]) for part in swa.line([_clock(scheduler)]))
    start = (float(group["lr"]) - offset) / factor if factor else float(group["initial_lr"])
    if _same(start, float(group["initial_lr"]), start):
        return swa
    shape = Cosine if swa.anneal_strategy == "cos" else Linear
    return shape(swa.anneal_epochs, start=Absolute(start), end=Absolute(swa.swa_lr))


def _clock(scheduler: Any) -> int:
    """How many steps a scheduler counts; `SWALR` has a count of its own, and a chain that of its first."""
    match type(scheduler).__name__:
        case "SWALR":
            return int(scheduler._step_count) - 1
        case "ChainedScheduler":
            return _clock(scheduler._schedulers[0])
    return int(scheduler.last_epoch)


def _clocks(scheduler: Any) -> Iterator[int]:
    """Those of all in it, as a replay has them."""
    if type(scheduler).__name__ != "ChainedScheduler":
        yield _clock(scheduler)
    for each in getattr(scheduler, "_schedulers", ()):
        yield from _clocks(each)


def _checked_step(scheduler: Any, whole: Schedule) -> int:
    """How far it is.

    Raises:
        UnconvertibleError: Its parts are not where so many steps of the whole would have taken them.
    """
    step = _clock(scheduler)
    if isinstance(whole, Composed):
        twin = made(whole, Group())
        for _ in range(step):
            twin.step()
        due, found = list(twin.clocks()), list(_clocks(scheduler))
        if due != found:
            problem = f"its parts count {found} steps, and after {step} of the whole they would count {due}"
            raise _refused(scheduler, problem, "Step the whole alone, and no part of it.")
    return step


def _check_value(scheduler: Any, place: int, drives: str, whole: Schedule, step: int) -> None:
    """What stands in a group has to be what the schedule gives there.

    Raises:
        UnconvertibleError: Something else has written it.
    """
    group = scheduler.optimizer.param_groups[place]
    found = float(group[drives] if drives in group else group["betas"][0])
    base = float(group["initial_lr"])
    due = whole(step, base)
    if not _same(due, found, base):
        problem = f"group {place} has {drives} {found!r}, where it gives {due!r} at its step {step} from {base!r}"
        remedy = (
            "Something else has written there. Write back what is due; or make a schedule whose base is what stands "
            "there: Scheduler(optimizer, lr=..., adopt=True)."
        )
        raise _refused(scheduler, problem, remedy)


def _same(due: float, found: float, base: float) -> bool:
    return math.isclose(due, found, rel_tol=_NEAR, abs_tol=_NEAR_OF_BASE * abs(base))


_READERS: Final[dict[str, Reader]] = {
    "ChainedScheduler": lambda *read: ChainedScheduler(_parts(*read)),
    "ConstantLR": _arguments(factors.ConstantLR, "factor", "total_iters"),
    "CosineAnnealingLR": _arguments(curves.CosineAnnealingLR, "T_max", "eta_min"),
    "CosineAnnealingWarmRestarts": _arguments(curves.CosineAnnealingWarmRestarts, "T_0", "T_mult", "eta_min"),
    "CyclicLR": _cyclic,
    "ExponentialLR": _arguments(factors.ExponentialLR, "gamma"),
    "LambdaLR": _function(factors.LambdaLR),
    "LinearLR": _arguments(factors.LinearLR, "start_factor", "end_factor", "total_iters"),
    "MultiStepLR": lambda scheduler, *_: factors.MultiStepLR(scheduler.milestones.elements(), scheduler.gamma),
    "MultiplicativeLR": _function(factors.MultiplicativeLR),
    "OneCycleLR": _one_cycle,
    "PolynomialLR": _arguments(factors.PolynomialLR, "total_iters", "power"),
    "SWALR": _swa,
    "SequentialLR": lambda scheduler, *read: SequentialLR(_parts(scheduler, *read), scheduler._milestones),
    "StepLR": _arguments(factors.StepLR, "step_size", "gamma"),
}

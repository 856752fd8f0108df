"""Which schedule drives which hyperparameter of which group: what a user wrote, put on an optimizer's groups.

Knows names, globs and groups; knows no time. An optimizer may have several schedulers where their claims are disjoint.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from types import CodeType
from typing import Any, TypeAlias

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import SequentialLR

from paramgroups import expressions
from paramgroups.errors import ClaimError, ClockError, HyperparameterValueError, UnknownHyperparameterError, nearest
from paramgroups.hyperparameters import RESERVED, own_copy, split
from paramgroups.lanes import Lane
from paramgroups.params import labels
from paramgroups.schedules import Horizon, Schedule
from paramgroups.views import lookup

Schedules: TypeAlias = Mapping[str, Mapping[str, Schedule | None]]
"""Group (its name, a rule's name or a glob) -> hyperparameter -> schedule; None leaves it alone."""

Assignments: TypeAlias = list[tuple[str | None, dict[str, Schedule | None]]]
"""The same in the order in which they apply, resolved; for None instead of a name, every group that has it."""


_NEAR = 1e-6  # a scheduler of torch, which multiplies at every step, is off by less than that
_SEQUENCE = inspect.unwrap(SequentialLR.__init__).__code__


def resolve(schedules: Schedules, keywords: Mapping[str, Schedule | None], horizon: Horizon | None) -> Assignments:
    """What a user wrote, in order and resolved: keywords first, since the mapping wins over them.

    Raises:
        TypeError: what is given is no schedule.
        ScheduleError: a duration cannot be resolved.
    """
    if not isinstance(schedules, Mapping) or not all(isinstance(own, Mapping) for own in schedules.values()):
        raise TypeError(
            f"{schedules!r} does not say which hyperparameter of which group it drives.\n"
            "Write Scheduler(optimizer, lr=Cosine(1000)), or by group: {'head': {'lr': Cosine(1000)}}."
        )
    found: Assignments = []
    for key, own in [(None, keywords), *schedules.items()]:
        whole = {path: None if given is None else _whole(path, given, horizon) for path, given in own.items()}
        if whole:
            found.append((key, whole))
    return found


def lanes_for(optimizer: Optimizer, assignments: Assignments, *, adopt: bool = False) -> list[list[Lane]]:
    """For each group of the optimizer a lane for each hyperparameter that is driven, its base what stands there now.

    With `adopt`, the base of an lr that a scheduler of torch has driven is where that started, `initial_lr`, if from
    there the schedule gives the lr that stands there now: it goes on from torch's.

    Raises:
        GroupNameError: no group is called so.
        UnknownHyperparameterError: none of the groups has the hyperparameter.
        HyperparameterValueError: what is to be driven is no number.
    """
    groups = optimizer.param_groups
    wanted: list[dict[str, Schedule | None]] = [{} for _ in groups]
    for key, own in assignments:
        selected: Sequence[int] = range(len(groups)) if key is None else lookup(optimizer, key)
        for path, schedule in own.items():
            name = split(path)[0]
            having = [index for index in selected if name in groups[index] and name not in RESERVED]
            if not having:
                known = sorted({key for group in groups for key in group} - RESERVED)
                where = "the scheduler" if key is None else f"the scheduler's {key!r}"
                raise UnknownHyperparameterError(path, where, type(optimizer).__name__, nearest(name, known), known)
            for index in having:
                wanted[index][path] = schedule
    return [
        [
            Lane(label.name, path, schedule, _base(group, path, label.name, schedule if adopt else None))
            for path, schedule in own.items()
            if schedule
        ]
        for label, group, own in zip(labels(optimizer), groups, wanted, strict=True)
    ]


def written(assignments: Assignments) -> list[list[Any]]:
    """Assignments as JSON could hold them, schedules by their code: what `read_back` reads."""
    return [[key, {path: repr(given) if given else None for path, given in own.items()}] for key, own in assignments]


def read_back(saved: Iterable[tuple[str | None, Mapping[str, str | None]]]) -> Assignments:
    """The assignments that were written.

    Raises:
        ExpressionError: a schedule is written in no vocabulary of ours, as one that holds code.
    """
    return [
        (key, {path: None if code is None else expressions.read(code) for path, code in own.items()})
        for key, own in saved
    ]


def check_unpatched(optimizer: object, *, adopt: bool) -> None:
    """No scheduler of torch may be attached to an optimizer, or to what wraps it: it leaves its mark on `step`.

    Raises:
        ClaimError: one was, and is not to be adopted.
    """
    patched = getattr(optimizer, "__dict__", {}).get("step")
    if patched is not None and not adopt and hasattr(patched, "_wrapped_by_lr_sched"):
        way_out = "Two would overwrite each other: use one. If torch's is no longer stepped, pass adopt=True."
        raise ClaimError("The optimizer", "a scheduler of torch", way_out)


def check_not_in_sequence(asker: CodeType) -> None:
    """No SequentialLR of torch may ask for the optimizer of a scheduler: it goes on to set its time.

    It asks before it changes anything, and as a ChainedScheduler does, which is harmless: hence by who asks.

    Raises:
        ClockError: one does.
    """
    if asker is _SEQUENCE:
        raise ClockError(
            "Torch's SequentialLR tells its schedulers the time, which is counted here.",
            "Chain schedules instead: Scheduler(optimizer, lr=Warmup(500).then(Cosine(9500))).",
        )


def separate(optimizer: Optimizer, lanes: Iterable[Iterable[Lane]]) -> None:
    """Give what is driven tensors of its own: torch shares a default tensor between all groups, and the next one."""
    driven = [{split(lane.path)[0] for lane in own} for own in lanes]
    pairs = list(zip(optimizer.param_groups, driven, strict=True))
    shared = {each for group, own in pairs for key in group.keys() - own - {"params"} for each in _tensors(group[key])}
    for group, own in pairs:
        for name in own:
            if shared & _tensors(group[name]):
                group[name] = own_copy(group[name])
            shared |= _tensors(group[name])
            if _tensors(group[name]) & _tensors(optimizer.defaults.get(name)):
                optimizer.defaults[name] = own_copy(optimizer.defaults[name])


def _tensors(value: object) -> set[int]:
    """The tensors in a hyperparameter, by identity."""
    items = value if isinstance(value, (tuple, list)) else (value,)
    return {id(item) for item in items if isinstance(item, Tensor)}


def _whole(path: str, given: object, horizon: Horizon | None) -> Schedule:
    if not isinstance(given, Schedule):
        raise TypeError(
            f"{path} is given {given!r}, which is no schedule.\n"
            "Write a shape such as Cosine(1000); a number is Constant(Absolute(0.1)), a callable Function(f)."
        )
    schedule = given if horizon is None else given.resolve(horizon)
    schedule.values([0.0], base=1.0)  # raises where a duration is still relative
    return schedule


def _base(group: Mapping[str, Any], path: str, label: str, adopted: Schedule | None) -> float:
    key, index = split(path)
    value = group[key]
    if index is not None:
        value = value[index] if isinstance(value, (tuple, list)) and index < len(value) else None
    one_number = isinstance(value, Tensor) and value.numel() == 1
    if isinstance(value, bool) or not (isinstance(value, (int, float)) or one_number):
        raise HyperparameterValueError(path, value, f"group {label!r}", "a number for a schedule to drive it")
    present = float(value)
    if adopted is not None and path == "lr" and "initial_lr" in group:
        initial = float(group["initial_lr"])
        if math.isclose(adopted(0, initial), present, rel_tol=_NEAR, abs_tol=_NEAR * abs(initial)):
            return initial
    return present

"""The groups of a live optimizer as they are to be, and the one act that makes them so: all of it, or nothing.

Knows of which present groups each is made, and what they must have in common; what it is good for, `regroup` knows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, final

from torch import Tensor, nn
from torch.optim import Optimizer

from paramgroups import hyperparameters
from paramgroups.claims import Assignments, lanes_for, separate
from paramgroups.driver import Driver, attached, notice_all, rewrite_all
from paramgroups.errors import AlgorithmError, DuplicateNameError, GroupNameError, RegroupError, UnequalGroupsError
from paramgroups.hyperparameters import ALGORITHM, RESERVED, algorithms_of, own_copy
from paramgroups.inheritance import past_of
from paramgroups.journal import Rebase, Reschedule
from paramgroups.lanes import Lane
from paramgroups.optim.composite import Composite
from paramgroups.params import Label, Param, check_group_name, labels, model_of, names_of, register
from paramgroups.schedules import Schedule
from paramgroups.views import lookup, view

_BASE = "base of "
_DRIVEN = ("schedule of ", "override of ")
_APART = "What is driven differently stays apart; an override is ended by scheduler.release(...)."


@final
@dataclass
class Target:
    """A group as it is to be.

    Args:
        label: what it is called.
        params: what it holds.
        sources: the present groups, all alike, from which it has its hyperparameters and its past; none if it is new.
        planned: hyperparameters that it has besides, as bases of its schedules.
        written: hyperparameters that are written by hand once it is there.
    """

    label: Label
    params: list[Tensor]
    sources: list[int]
    planned: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)


def present(optimizer: Optimizer) -> list[Target]:
    """The groups as they are, when all that was done by hand is taken in."""
    notice_all(optimizer)
    pairs = enumerate(zip(labels(optimizer), optimizer.param_groups, strict=True))
    return [Target(label, list(group["params"]), [index]) for index, (label, group) in pairs]


def arrange(
    optimizer: Optimizer,
    targets: Sequence[Target],
    *,
    model: nn.Module | None = None,
    params: Iterable[Param] = (),
    way_out: str = "",
) -> None:
    """Put the groups as they are to be, or leave all as it is.

    Optimizer state stays with its parameter, and is dropped with it. A group has the past of its first source.

    Args:
        optimizer: no wrapper.
        targets: made from what `present` gave, in order; those that were left empty disappear.
        model: to be remembered; the one that is known where absent.
        params: of that model, with the names that it gives.
        way_out: what to do where groups that come together differ, in what is `{given}`.

    Raises:
        InvalidNameError, DuplicateNameError: of a group's name.
        UnequalGroupsError: the sources of one differ in what it is not given.
        UnknownHyperparameterError, HyperparameterValueError: of what one is given.
        SchedulerError, RegroupError: an attached scheduler refuses.
    """
    former = list(chain.from_iterable(group["params"] for group in optimizer.param_groups))
    targets = [each for each in targets if each.params or not _had_any(optimizer, each)]
    _check_names(optimizer, targets)
    for each in targets:
        _check_alike(optimizer, each, way_out)
        source = optimizer.param_groups[each.sources[0]] if each.sources else None
        check_values(optimizer, each.written, each.label.name, source)
    names = names_of(optimizer).parameters
    if model is not None:
        names = names | {param.parameter: param.name for param in params}
    with _all_or_nothing(optimizer):
        _put_in_place(optimizer, targets, names, model_of(optimizer) if model is None else model)
        for driver in attached(optimizer):
            _plan_bases(driver, targets)
        for index, each in enumerate(targets):
            for key, value in each.written.items():
                view(optimizer)[index][key] = value
        notice_all(optimizer)
    kept = set(map(id, chain.from_iterable(each.params for each in targets)))
    for parameter in former:
        if id(parameter) not in kept:
            optimizer.state.pop(parameter, None)


def _had_any(optimizer: Optimizer, target: Target) -> bool:
    return any(optimizer.param_groups[index]["params"] for index in target.sources)


def _put_in_place(
    optimizer: Optimizer, targets: Sequence[Target], names: Mapping[Tensor, str], model: nn.Module | None
) -> None:
    """Groups, names and schedules, and the past of each group."""
    groups = _dicts(optimizer, targets, names)
    if isinstance(optimizer, Composite):
        for group in groups:
            optimizer.check(group)
    optimizer.param_groups[:] = groups
    register(optimizer, names, [(each.params, each.label) for each in targets], model)
    for driver in attached(optimizer):
        _follow(driver, targets)
    for group, each in zip(groups, targets, strict=True):
        for key, value in each.planned.items():
            _put(group, key, value)
    rewrite_all(optimizer)


def check_values(
    optimizer: Optimizer, values: Mapping[str, Any], label: str, source: Mapping[str, Any] | None = None
) -> None:
    """Accept hyperparameters that a group of this optimizer can have: one that has those of `source`, or a new one.

    Raises:
        UnknownHyperparameterError, HyperparameterValueError: it cannot.
        AlgorithmError: it would be updated by another algorithm than it is.
    """
    where = f"group {label!r}"
    algorithms = algorithms_of(optimizer)
    if algorithms is not None and source is not None and ALGORITHM in values:
        raise AlgorithmError(
            f"What is to be {where} is updated by {source[ALGORITHM]!r}, and would be by {values[ALGORITHM]!r}.",
            "A group keeps its algorithm: move(optimizer, ..., to=...) puts parameters into a group of another, and "
            "remove(...) with add(..., algorithm=...) makes one.",
        )
    there: list[Mapping[str, Any]] = [optimizer.defaults, *optimizer.param_groups]
    kind: hyperparameters.Kinds = type(optimizer)
    if algorithms is not None:
        there = [source or {ALGORITHM: values.get(ALGORITHM, optimizer.defaults.get(ALGORITHM))}]
        kind = algorithms.get(there[0][ALGORITHM], algorithms)
    for key, value in values.items():
        name = hyperparameters.split(key)[0]
        if name in RESERVED or not any(name in group for group in there):
            hyperparameters.check_name(key, where, kind)
        hyperparameters.check_value(key, hyperparameters.plain(value), where)
        hyperparameters.check_length(key, value, optimizer.defaults.get(key), where)


@contextmanager
def _all_or_nothing(optimizer: Optimizer) -> Iterator[None]:
    """Put back groups, names and what schedulers know of them, where not all succeeds."""
    groups = [(group, dict(group)) for group in optimizer.param_groups]
    table = copy.copy(names_of(optimizer))
    put_back = [standing(driver) for driver in attached(optimizer)]
    try:
        yield
    except BaseException:
        for group, content in groups:
            group.clear()
            group.update(content)
        optimizer.param_groups[:] = [group for group, _ in groups]
        vars(names_of(optimizer)).update(vars(table))
        for each in put_back:
            each()
        raise


def standing(driver: Driver) -> Callable[[], None]:
    """What puts a driver back to where it stands now: it knows the state and the groups that are there by then."""
    assignments, journal, step = driver.assignments, list(driver.journal), driver.clock.step
    lanes = [[lane.after({}, lane.entries) for lane in own] for own in driver.lanes]

    def put_back() -> None:
        driver.assignments, driver.journal, driver.lanes, driver.clock.step = assignments, journal, lanes, step
        driver.rewrite()
        driver.tell()

    return put_back


def _dicts(optimizer: Optimizer, targets: Iterable[Target], names: Mapping[Tensor, str]) -> list[dict[str, Any]]:
    """The dict that each group is to be: that of its first source where it can be, and no two with one tensor."""
    former = list(optimizer.param_groups)
    torch_names = dict(names)
    for group in former:
        torch_names.update(zip(group["params"], group.get("param_names", ()), strict=False))
    claimed: set[int] = set()
    found = []
    for each in targets:
        if not each.sources:
            found.append(_added(optimizer, each, names))
            continue
        source = each.sources[0]
        group = former[source]
        if source in claimed or each.written:
            group = {key: value if key in RESERVED else own_copy(value) for key, value in group.items()}
        group["params"] = each.params
        if "param_names" in group:
            group["param_names"] = [torch_names[parameter] for parameter in each.params]
        claimed.add(source)
        found.append(group)
    return found


def _added(optimizer: Optimizer, target: Target, names: Mapping[Tensor, str]) -> dict[str, Any]:
    """The dict that torch makes of a group that is new, with tensors of its own; it is in no list yet."""
    label, params = target.label.name, list[Any](target.params)
    if any("param_names" in group for group in optimizer.param_groups):
        params = [(names.get(parameter, f"{label}.{index}"), parameter) for index, parameter in enumerate(params)]
    former = list(optimizer.param_groups)
    optimizer.param_groups.clear()  # its parameters may be there, in a group of another algorithm
    try:
        optimizer.add_param_group({"params": params, "name": label, **target.planned})
        group = optimizer.param_groups.pop()
    finally:
        optimizer.param_groups[:] = former
    return {key: value if key in RESERVED else own_copy(value) for key, value in group.items()}


def _put(group: dict[str, Any], key: str, value: Any) -> None:
    """A value into a group, as a tensor of its own where one stands there."""
    there = own_copy(group.get(key))
    group[key] = own_copy(value)
    if isinstance(there, Tensor) and not isinstance(value, Tensor):
        group[key] = there.fill_(value)


def _follow(driver: Driver, targets: Sequence[Target]) -> None:
    """Drive each group as its first source was, under whatever name, and with its past; what is new, as its name says.

    Raises:
        RegroupError: its name alone does not find it.
        ClaimError: another scheduler drives what is new.
    """
    optimizer, former = driver.optimizer, driver.lanes
    pasts = [past_of(each.label.name, former[each.sources[0]]) if each.sources else None for each in targets]
    driver.assignments, lanes = _kept(optimizer, driver.assignments, former, targets)
    driver._check_claims(lanes)
    separate(optimizer, lanes)
    driver.go_to(driver.clock.step, lanes, pasts)


def _kept(
    optimizer: Optimizer, given: Assignments, former: Sequence[Iterable[Lane]], targets: Sequence[Target]
) -> tuple[Assignments, list[list[Lane]]]:
    """The schedules that were given, and after them what keeps each group driven as it was; and the lanes they make.

    Raises:
        RegroupError: a name finds other groups, too.
    """
    assignments = [(key, own) for key, own in given if key is None or _found(optimizer, key)]
    lanes = lanes_for(optimizer, assignments)
    found = list(map(_schedules, lanes))
    wanted = [
        _schedules(former[each.sources[0]]) if each.sources else own for each, own in zip(targets, found, strict=True)
    ]
    if found != wanted:
        paths = {path for own in (*found, *wanted) for path in own}
        for index in _each_found(optimizer, [i for i, own in enumerate(found) if own != wanted[i]]):
            there = [path for path in paths if hyperparameters.split(path)[0] in optimizer.param_groups[index]]
            assignments.append((targets[index].label.name, {path: wanted[index].get(path) for path in there}))
        lanes = lanes_for(optimizer, assignments)
    for each, own, made in zip(targets, wanted, lanes, strict=True):
        if own != _schedules(made):
            raise RegroupError(
                f"Group {each.label.name!r} would be driven by other schedules: a rule that is called so finds others.",
                "Give it a name that no rule has.",
            )
    return assignments, lanes


def _schedules(lanes: Iterable[Lane]) -> dict[str, Schedule | None]:
    return {lane.path: lane.first.schedule for lane in lanes}


def _each_found(optimizer: Optimizer, indices: Iterable[int]) -> list[int]:
    """These groups and all that their names find, and so on; those whose names find many come first."""
    names = [label.name for label in labels(optimizer)]
    found: dict[int, list[int]] = {}
    left = list(indices)
    while left:
        index = left.pop()
        found[index] = _found(optimizer, names[index])
        left += [other for other in found[index] if other not in found]
    return sorted(found, key=lambda index: -len(found[index]))


def _found(optimizer: Optimizer, key: str) -> list[int]:
    """The groups that a name finds, if any."""
    try:
        return lookup(optimizer, key)
    except GroupNameError:
        return []


def _plan_bases(driver: Driver, targets: Sequence[Target]) -> None:
    """What a plan says of a driven hyperparameter is its base; a tail that was given since goes on as it is."""
    entries = []
    for lane, target in ((lane, each) for own, each in zip(driver.lanes, targets, strict=True) for lane in own):
        planned = hyperparameters.split(lane.path)[0] in target.planned
        if planned and not any(isinstance(entry, Reschedule) for entry in lane.entries):
            old, new = lane.last.base, hyperparameters.read(target.planned, lane.path)
            if new != old:
                entries.append((lane, Rebase(**lane.at(driver.clock.step), old=old, new=new)))
    if entries:
        driver.enter(entries)


def _check_names(optimizer: Optimizer, targets: Iterable[Target]) -> None:
    """New names can be names, and no two groups have one."""
    there = {label.name for label in labels(optimizer)}
    owners: dict[str, int] = {}
    for index, each in enumerate(targets):
        if each.label.name not in there:
            check_group_name(each.label.name)
        first = owners.setdefault(each.label.name, index)
        if first != index:
            raise DuplicateNameError(each.label.name, [f"group {first}", f"group {index}"])


def _check_alike(optimizer: Optimizer, target: Target, way_out: str) -> None:
    """Groups that come together differ in nothing but what is given."""
    if not target.sources[1:]:
        return
    names, given = labels(optimizer), target.planned.keys() | target.written.keys()
    facts = {names[index].name: _facts(optimizer, index) for index in target.sources}
    first = facts[names[target.sources[0]].name]
    differing = {}
    for title in dict.fromkeys(title for own in facts.values() for title in own):
        path = title.removeprefix(_BASE)
        each = {name: own.get(title) for name, own in facts.items()}
        if any(value != first.get(title) for value in each.values()) and not {path, path.partition("[")[0]} & given:
            differing[title] = each
    if differing:
        apart = any(title.startswith(_DRIVEN) for title in differing)
        wanted = dict.fromkeys(title.removeprefix(_BASE).partition("[")[0] for title in differing)
        remedy = _APART if apart else way_out.format(given=", ".join(f"{name}=..." for name in wanted))
        raise UnequalGroupsError(target.label.name, differing, remedy)


def _facts(optimizer: Optimizer, index: int) -> dict[str, object]:
    """All that holds for a group: each value, and of what is driven the base, the schedule and what overrides it."""
    facts = {
        key: hyperparameters.without_tensors(value)
        for key, value in optimizer.param_groups[index].items()
        if key not in RESERVED
    }
    for driver in attached(optimizer):
        lanes = driver.lanes[index]
        in_force = past_of("", lanes).in_force(driver.clock.step)
        for lane in lanes:
            facts.pop(lane.path, None)
            facts[f"{_BASE}{lane.path}"] = lane.last.base
            facts[f"schedule of {lane.path}"] = (lane.last.schedule, lane.last.origin)
            facts[f"override of {lane.path}"] = in_force[lane.path][2]
    return facts

"""A live optimizer's groups split, merged, moved, renamed, added, removed, or made those of a plan.

Knows which parameters and groups are meant, and what they come to; how that is done, `arrangement` knows.

Everything follows its parameter: optimizer state, the bases of schedules, the clock. All of it happens, or, with an
error, nothing. What is given by keyword is written by hand once the group stands, so that a scheduler takes it for an
edit; what a plan says, and what a group of new parameters is given, is what schedules multiply.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.optim import Optimizer

from paramgroups.arrangement import Target, arrange, check_values, present
from paramgroups.build import fix
from paramgroups.collector import paused
from paramgroups.errors import (
    DuplicateParameterError,
    ForeignParameterError,
    RegroupError,
    listing,
)
from paramgroups.holds import settle
from paramgroups.hyperparameters import plain
from paramgroups.params import Label, Param, known, model_of, named, unwrapped
from paramgroups.plan.audit import selected
from paramgroups.plan.grouping import Grouping
from paramgroups.plan.rules import Plan, select_code
from paramgroups.selectors import Selector, selector
from paramgroups.views import view

Select: TypeAlias = Selector | str
"""A selector, or a glob over whole dotted parameter names."""


@paused()
def split(
    optimizer: Optimizer, select: Select, *, name: str, model: nn.Module | None = None, **hyperparameters: Any
) -> None:
    """Put the selected parameters into a group of their own, right after the group from which they come.

    Args:
        optimizer: any optimizer, wrapped or not.
        select: which of its parameters. From several groups they come only where these are alike.
        name: of the new group, which is also found by the rules of the group it comes from.
        model: whose parameters they are; needed where nobody has named them.
        **hyperparameters: what is written there by hand, once it stands.

    Raises:
        NothingSelectedError: the optimizer has no such parameter.
        UnequalGroupsError: they come from groups that differ in what is not given.
        UnknownModelError, ForeignParameterError: the model is not known, or another's.
        InvalidNameError, DuplicateNameError, UnknownHyperparameterError, HyperparameterValueError: of what is given.
        SchedulerError: an attached scheduler refuses.

    Example:
        >>> import torch
        >>> from paramgroups.plan import Rule
        >>> net = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
        >>> optimizer = Plan(lr=0.1, weight_decay=0.01).build(net, torch.optim.AdamW)
        >>> split(optimizer, "*.bias", name="biases", weight_decay=0.0)
        >>> [(group.name, group.weight_decay, group.parameter_names) for group in view(optimizer)]
        [('default', 0.01, ['body.weight', 'head.weight']), ('biases', 0.0, ['body.bias', 'head.bias'])]
    """
    optimizer = unwrapped(optimizer)
    targets = present(optimizer)
    params, chosen = _selected(optimizer, select, model)
    sources = [index for index, each in enumerate(targets) if not chosen.keys().isdisjoint(map(id, each.params))]
    _free(targets, [name])
    rules = [rule for index in sources for rule in targets[index].label.rules]
    own = [param.parameter for param in chosen.values()]
    new = Target(Label(name, _unique([*rules, name])), own, sources, written=hyperparameters)
    _leave(targets, chosen)
    targets.insert(sources[0] + 1, new)
    way_out = f"Give what is to hold, split(..., name={name!r}, {{given}}), or split each group by itself."
    arrange(optimizer, targets, model=model, params=params, way_out=way_out)


def merge(optimizer: Optimizer, *groups: str | int, name: str | None = None, **hyperparameters: Any) -> None:
    """Put groups together, into the place of the first.

    Args:
        optimizer: any optimizer, wrapped or not.
        *groups: names, names of rules, globs or indices. What found one of them finds the merged group.
        name: of the merged group; that of the first where absent.
        **hyperparameters: what is written there by hand, once it stands; needed where the groups differ.

    Raises:
        GroupNameError, GroupIndexError: there is no such group.
        UnequalGroupsError: the groups differ in what is not given.
        InvalidNameError, DuplicateNameError, UnknownHyperparameterError, HyperparameterValueError: of what is given.
        SchedulerError: an attached scheduler refuses.

    Example:
        >>> import torch
        >>> net = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
        >>> optimizer = torch.optim.SGD([{"params": m.parameters(), "name": k} for k, m in net.items()], lr=0.1)
        >>> merge(optimizer, "body", "head", name="all")
        >>> view(optimizer).names
        ['all']
    """
    optimizer = unwrapped(optimizer)
    targets = present(optimizer)
    sources = list(dict.fromkeys(index for key in groups for index in view(optimizer)[key].indices))
    if not sources:
        raise TypeError("merge() is given no group.\nName those to put together: merge(optimizer, 'body', 'head').")
    _free(targets, [] if name is None else [name])
    former = [targets[index] for index in sources]
    rules = _unique(rule for each in former for rule in (*each.label.rules, each.label.name))
    params = [parameter for each in former for parameter in each.params]
    label = Label(former[0].label.name if name is None else name, rules)
    targets[sources[0]] = Target(label, params, sources, written=hyperparameters)
    kept = [each for index, each in enumerate(targets) if index not in sources[1:]]
    arrange(optimizer, kept, way_out="Give what is to hold: merge(..., {given}).")


@paused()
def move(optimizer: Optimizer, select: Select, to: str | int, *, model: nn.Module | None = None) -> None:
    """Put the selected parameters into another group, whose hyperparameters and schedules they take.

    Args:
        optimizer: any optimizer, wrapped or not.
        select: which of its parameters; what is there already stays. A group that is left empty disappears.
        to: the name or index of the group.
        model: whose parameters they are; needed where nobody has named them.

    Raises:
        NothingSelectedError: the optimizer has no such parameter.
        GroupNameError, GroupIndexError: there is no such group.
        RegroupError: `to` finds several.
        UnknownModelError, ForeignParameterError: the model is not known, or another's.

    Example:
        >>> import torch
        >>> from paramgroups.plan import Rule
        >>> net = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
        >>> optimizer = Plan(Rule("head.*", lr=0.1), lr=0.01).build(net, torch.optim.SGD)
        >>> move(optimizer, "body.bias", to="head")
        >>> view(optimizer)["head"].parameter_names
        ['head.weight', 'head.bias', 'body.bias']
    """
    optimizer = unwrapped(optimizer)
    targets = present(optimizer)
    params, chosen = _selected(optimizer, select, model)
    goal = targets[_one(optimizer, to)]
    moving = chosen.keys() - set(map(id, goal.params))
    _leave(targets, moving)
    goal.params += [param.parameter for param in chosen.values() if id(param.parameter) in moving]
    arrange(optimizer, targets, model=model, params=params)


def rename(optimizer: Optimizer, old: str | int | Mapping[str, str], new: str | None = None) -> None:
    """Call groups otherwise. Nothing else changes, and other rules find them as before.

    Args:
        optimizer: any optimizer, wrapped or not.
        old: the name or index of a group, or a mapping of old names to new, all at once.
        new: its new name.

    Raises:
        GroupNameError, GroupIndexError: there is no such group.
        RegroupError: one name finds several.
        InvalidNameError, DuplicateNameError: of a new name.
        SchedulerError: an attached scheduler refuses.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)]}], lr=0.1)
        >>> rename(optimizer, {"group0": "body", "group1": "head"})
        >>> view(optimizer).names
        ['body', 'head']
    """
    optimizer = unwrapped(optimizer)
    targets = present(optimizer)
    names: Mapping[Any, Any] = old if isinstance(old, Mapping) else {old: new}
    _free(targets, list(names.values()))
    for index, name in [(_one(optimizer, key), name) for key, name in names.items()]:
        targets[index].label = Label(name, targets[index].label.rules)
    arrange(optimizer, targets)


@paused()
def add(
    optimizer: Optimizer,
    what: Select | Iterable[Tensor],
    *,
    name: str,
    model: nn.Module | None = None,
    **hyperparameters: Any,
) -> None:
    """Make a group of parameters that are in none: new ones, or thawed.

    Args:
        optimizer: any optimizer, wrapped or not.
        what: parameters, or which of the model's; of those selected, the ones in a group stay where they are.
        name: of the new group.
        model: whose parameters they are; needed where nobody has named them.
        **hyperparameters: what the group starts with; the optimizer's defaults where absent.

    Raises:
        NothingSelectedError: the model has no such parameter.
        RegroupError: all that are selected are in groups, or one is frozen.
        DuplicateParameterError: a parameter that is handed over is in a group.
        UnknownModelError, ForeignParameterError: the model is not known, or another's.
        InvalidNameError, DuplicateNameError, UnknownHyperparameterError, HyperparameterValueError: of what is given.
        SchedulerError: an attached scheduler refuses.

    Example:
        >>> import torch
        >>> from paramgroups.freezing import thaw
        >>> from paramgroups.plan import Rule
        >>> net = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
        >>> optimizer = Plan(Rule("body.*", frozen=True), lr=0.1).build(net, torch.optim.SGD)
        >>> thaw(net, "body.*")
        >>> add(optimizer, "body.*", name="body", lr=0.001)
        >>> [(group.name, group.lr) for group in view(optimizer)]
        [('default', 0.1), ('body', 0.001)]
    """
    optimizer = unwrapped(optimizer)
    targets = present(optimizer)
    model = model_of(optimizer) if model is None else model
    own = _tensors(what)
    if own is None or model is not None:
        known(optimizer, model)
    params = () if model is None else named(model)
    places = {parameter: each.label.name for each in targets for parameter in each.params}
    if own is None:
        own = _ungrouped(selector(what), params, places)  # type: ignore[arg-type]  # what it is not, it refuses
    _check_new(own, name, {param.parameter: param.name for param in params}, places)
    check_values(optimizer, hyperparameters, name)
    _free(targets, [name])
    planned = {key: plain(value) for key, value in hyperparameters.items()}
    new = Target(Label(name, (name,)), own, [], planned=planned)
    arrange(optimizer, [*targets, new], model=model, params=params)
    if model is not None:
        settle(model)  # norms of what was thawed by hand go on, too


@paused()
def remove(optimizer: Optimizer, select: Select, *, model: nn.Module | None = None) -> None:
    """Take the selected parameters out of the optimizer, and drop its state for them.

    Args:
        optimizer: any optimizer, wrapped or not.
        select: which of its parameters, but not all. A group that is left empty disappears.
        model: whose parameters they are; needed where nobody has named them.

    Raises:
        NothingSelectedError: the optimizer has no such parameter.
        RegroupError: none would be left.
        UnknownModelError, ForeignParameterError: the model is not known, or another's.
        SchedulerError: an attached scheduler refuses.

    Example:
        >>> import torch
        >>> net = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
        >>> optimizer = Plan(lr=0.1).build(net, torch.optim.SGD)
        >>> remove(optimizer, "body.*")
        >>> view(optimizer)["*"].parameter_names
        ['head.weight', 'head.bias']
    """
    optimizer = unwrapped(optimizer)
    targets = present(optimizer)
    params, chosen = _selected(optimizer, select, model)
    _leave(targets, chosen)
    if not any(each.params for each in targets):
        raise RegroupError(
            f"remove({select!r}) selects all {len(chosen)} parameters of the optimizer, which needs one.",
            f"Keep some, remove(optimizer, {select!r} & ~Named('head.*')), or let the optimizer go.",
        )
    arrange(optimizer, targets, model=model, params=params)


@paused()
def apply(plan: Plan, optimizer: Optimizer, model: nn.Module) -> Grouping:
    """Turn the groups of `optimizer` into those of `plan`; see `Plan.apply`."""
    optimizer = unwrapped(optimizer)
    targets = present(optimizer)
    known(optimizer, model)  # no parameter of another model
    grouping = plan.on(model, type(optimizer))
    homes = {parameter: index for index, each in enumerate(targets) for parameter in each.params}
    planned = []
    for group in grouping.groups:
        own = [param.parameter for param in group.params]
        sources = list(dict.fromkeys(homes[parameter] for parameter in own if parameter in homes))
        planned.append(Target(Label(group.name, group.rules), own, sources, planned=group.hyperparameters))
    way_out = "Let the plan say it: Plan(..., {given}), or a rule for these parameters."
    arrange(optimizer, planned, model=model, params=grouping.params, way_out=way_out)
    fix(grouping, model, optimizer)
    return grouping


def _selected(
    optimizer: Optimizer, select: Select, model: nn.Module | None
) -> tuple[Sequence[Param], dict[int, Param]]:
    """The parameters of `optimizer`, and those of them that are selected, by identity."""
    params = known(optimizer, model)
    return params, {id(param.parameter): param for param in selected(selector(select), params)}


def _tensors(what: object) -> list[Tensor] | None:
    """The parameters that were handed over; None where they are to be selected."""
    if isinstance(what, Tensor):
        return [what]
    if isinstance(what, (Selector, str, nn.Module)) or not isinstance(what, Iterable):
        return None
    found = list(what)
    return found if all(isinstance(each, Tensor) for each in found) else None


def _ungrouped(select: Selector, params: Sequence[Param], places: Mapping[Tensor, str]) -> list[Tensor]:
    """The selected parameters that are in no group, at least one."""
    chosen = selected(select, params)
    found = [param.parameter for param in chosen if param.parameter not in places]
    if not found:
        groups = _unique(places[param.parameter] for param in chosen)
        raise RegroupError(
            f"Every parameter that {select_code(select)} selects is in a group: {listing(groups)}.",
            "To put them elsewhere: move(optimizer, ..., to=...), or split(optimizer, ..., name=...).",
        )
    return found


def _check_new(params: Sequence[Tensor], name: str, names: Mapping[Tensor, str], places: Mapping[Tensor, str]) -> None:
    """Accept parameters that can make a group `name`: the model's, in no group, not frozen, each once."""
    if not params:
        raise RegroupError(
            f"Group {name!r} is given no parameter.",
            "Pass parameters, module.parameters() say, which can be gone through once; or a selector.",
        )
    seen = dict(places)
    for number, parameter in enumerate(params):
        shown = names.get(parameter, f"number {number}, shape {tuple(parameter.shape)}")
        if names and parameter not in names:
            raise ForeignParameterError(f"what is added as {name!r} ({shown})", list(names.values()))
        if parameter in seen:
            raise DuplicateParameterError(shown, [f"group {seen[parameter]!r}", f"what is added as {name!r}"])
        if not parameter.requires_grad:
            raise RegroupError(
                f"The parameter {shown!r} is frozen: its requires_grad is False, so group {name!r} would not train it.",
                "Thaw it first: pg.thaw(model, select), or parameter.requires_grad_(True).",
            )
        seen[parameter] = name


def _one(optimizer: Optimizer, key: str | int) -> int:
    """The index of the group that is called `key`, or that alone is found by it."""
    groups = view(optimizer)
    if key in groups.names:
        return groups.names.index(str(key))
    found = groups[key]
    if len(found) > 1:
        raise RegroupError(f"{key!r} finds {len(found)} groups: {listing(found.names)}.", "Name one of them.")
    return found.indices[0]


def _leave(targets: Iterable[Target], leaving: Container[int]) -> None:
    """Take parameters, by identity, out of the groups in which they are."""
    for each in targets:
        each.params = [parameter for parameter in each.params if id(parameter) not in leaving]


def _free(targets: Iterable[Target], names: Container[str]) -> None:
    """Let new names find nothing but what is called so from now on."""
    for each in targets:
        each.label = Label(each.label.name, tuple(rule for rule in each.label.rules if rule not in names))


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))

"""A plan, a model and an optimizer class make an optimizer: audited, named, validated.

Knows how to construct; what the groups are is the plan's work.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.optim import Optimizer

from paramgroups import hyperparameters
from paramgroups.agreement import Statement, agreed
from paramgroups.announcements import announce
from paramgroups.errors import CollidingArgumentError, FreezeError, MissingHyperparameterError, described
from paramgroups.holds import discarding, hold, moment, processes, settle
from paramgroups.hyperparameters import ALGORITHM
from paramgroups.optim.composable import constructed
from paramgroups.optim.composite import Composite, checked
from paramgroups.params import Label, register
from paramgroups.plan.grouping import Grouping
from paramgroups.plan.rules import LayerDecay, Plan, Rule
from paramgroups.sharding import watch

if TYPE_CHECKING:
    from paramgroups.agreement import Ranks

_SPELLED_OUT = 3  # a merged group names this many of its groups, and counts the others


def groups(model: nn.Module, *rules: Rule | LayerDecay, **defaults: Any) -> list[dict[str, Any]]:
    """The parameters of `model` as a list of group dicts for the constructor of any optimizer, in one line.

    Args:
        model: whose parameters are grouped.
        *rules: as for `Plan`.
        **defaults: hyperparameters of every parameter, before any rule.

    Raises:
        PlanError: see its subclasses.
        FreezeError: a rule thaws something, which takes more than groups.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
        >>> made = torch.optim.AdamW(groups(net, Rule("1.*", weight_decay=0.0), lr=1e-3, weight_decay=0.1))
        >>> [(group["name"], group["weight_decay"]) for group in made.param_groups]
        [('default', 0.1), ('1', 0.0)]
    """
    grouping = Plan(*rules, **defaults).on(model)
    if grouping.thaws:
        later = ", ".join(f"rule {each.rule!r} until {moment(each.when)}" for each in grouping.thaws)
        raise FreezeError(
            f"Groups alone freeze nothing until later, as {later} says.",
            "Let the plan make the optimizer, Plan(...).build(model, AdamW), and then pg.Timetable(...).",
        )
    return grouping.param_groups()


def build(
    plan: Plan,
    model: nn.Module,
    kinds: type[Optimizer] | Mapping[str, type[Optimizer]],
    *,
    merge: bool = False,
    default: str | None = None,
    ranks: Ranks = True,
    **kwargs: Any,
) -> Optimizer:
    """An optimizer with the plan's groups; see `Plan.build`."""
    with agreed(ranks) as account:
        if isinstance(kinds, Mapping):
            kinds = checked(kinds)
        elif default is not None:
            hyperparameters.check_name("default", "build", kinds)
            kwargs, default = kwargs | {"default": default}, None
        optimizer, grouping = _built(plan, model, kinds, kwargs, merge=merge, default=default)
        if account.wanted:
            account.statements = statements(grouping, optimizer)
    fix(grouping, model, optimizer)
    if processes() > 1:
        watch(optimizer)
    return optimizer


def _built(
    plan: Plan,
    model: nn.Module,
    kinds: type[Optimizer] | Mapping[str, type[Optimizer]],
    kwargs: dict[str, Any],
    *,
    merge: bool,
    default: str | None,
) -> tuple[Optimizer, Grouping]:
    """The optimizer, with names, and what the plan came to; the model is left as it is."""
    for key, value in kwargs.items():
        hyperparameters.check_name(key, "build", kinds)
        hyperparameters.check_value(key, hyperparameters.plain(value), "build")
        if key in plan.defaults:
            raise CollidingArgumentError(key, plan.defaults[key], value)
    if default is not None and ALGORITHM in plan.defaults:
        raise CollidingArgumentError(ALGORITHM, plan.defaults[ALGORITHM], default)
    grouping = Plan(*plan.rules, **plan.defaults | kwargs).on(model, kinds, default=default)
    dicts = grouping.param_groups()
    labels = [Label(group.name, group.rules) for group in grouping.groups]
    if merge:
        dicts, labels = _merged(dicts, labels)
    if isinstance(kinds, Mapping):
        own = {key: value for key, value in grouping.plan.defaults.items() if key != ALGORITHM}
        optimizer: Optimizer = Composite(dicts, kinds, grouping.plan.defaults.get(ALGORITHM), **own)
    else:
        optimizer = _single(kinds, dicts, grouping, kwargs)
    names = {param.parameter: param.name for param in grouping.params}
    register(optimizer, names, [(own["params"], label) for own, label in zip(dicts, labels, strict=True)], model)
    return optimizer, grouping


def statements(grouping: Grouping, optimizer: Optimizer) -> list[Statement]:
    """What the processes have to agree on: the class, every group's values, and where every parameter is, in order."""
    places = [(f"in group {group.name!r}", group.params) for group in grouping.groups]
    places += [(each.reason, (each.param,)) for each in grouping.frozen]
    found = [("the optimizer", described(type(optimizer)))]
    found += [(f"parameter {param.name!r}", place) for place, params in places for param in params]
    found += [(f"the shape of {param.name!r}", str(tuple(param.parameter.shape))) for param in grouping.params]
    for later in grouping.thaws:
        until = f"{later.when!r}, with warm-up {later.warmup!r}"
        found += [(f"until when {param.name!r} is frozen", until) for param in later.params]
    for group in optimizer.param_groups:
        found += [(f"{key} of group {group['name']!r}", value) for key, value in exactly(group)]
    return found


def _single(
    kind: type[Optimizer], dicts: list[dict[str, Any]], grouping: Grouping, arguments: Container[str]
) -> Optimizer:
    """An optimizer of one class."""
    defaults = grouping.plan.defaults | _required(kind, grouping)
    for own in dicts:  # each by itself: a class checks only those values that are given to its constructor
        values = {key: value for key, value in own.items() if key not in hyperparameters.RESERVED}
        constructed(kind, own["params"][:1], defaults | values, f"group {own['name']!r}")
    make: Callable[..., Optimizer] = kind
    optimizer = make(dicts, **{key: hyperparameters.own_copy(value) for key, value in defaults.items()})
    for own in optimizer.param_groups:
        for key in [key for key in own if key in arguments and key not in optimizer.defaults]:
            del own[key]  # an argument of the constructor that is no hyperparameter, such as SAM's base_optimizer
    return optimizer


def fix(grouping: Grouping, model: nn.Module, optimizer: Optimizer) -> None:
    """Let nothing move what the plan has frozen, for good or for now, nor the statistics of norms in it."""
    for each in grouping.frozen:
        each.fix()
    for later in grouping.thaws:
        hold(later.params, later.why, discarding(later.params, optimizer))
    announce(optimizer, grouping.thaws)
    if grouping.frozen or grouping.thaws:
        settle(model)


def _required(optimizer_class: type[Optimizer], grouping: Grouping) -> dict[str, Any]:
    """For what the class has no default and the plan neither, a value that every group overrides with its own."""
    found = {}
    for name, default in hyperparameters.of_class(optimizer_class).items():
        if default is hyperparameters.REQUIRED and name not in grouping.plan.defaults:
            for group in grouping.groups:
                if name not in group.hyperparameters:
                    raise MissingHyperparameterError(name, optimizer_class.__name__, group.name)
                found[name] = group.hyperparameters[name]
    return found


def _merged(dicts: list[dict[str, Any]], labels: list[Label]) -> tuple[list[dict[str, Any]], list[Label]]:
    """Groups of equal values put into one, which every rule of each still finds."""
    alike: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for index, group in enumerate(dicts):
        alike.setdefault(exactly(group), []).append(index)
    merged, merged_labels = [], []
    for members in alike.values():
        names = [labels[i].name for i in members]
        left = len(names) - _SPELLED_OUT
        name = "-and-".join(names[:_SPELLED_OUT] + ([f"{left}-more"] if left > 0 else []))
        rules = dict.fromkeys(key for i in members for key in (*labels[i].rules, labels[i].name))
        params = [parameter for i in members for parameter in dicts[i]["params"]]
        merged.append({**dicts[members[0]], "params": params, "name": name})
        merged_labels.append(Label(name, tuple(rules) if len(members) > 1 else labels[members[0]].rules))
    return merged, merged_labels


def exactly(group: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """A group's hyperparameters as what is equal for groups of equal values only."""
    return tuple((key, _exact(value)) for key, value in sorted(group.items()) if key not in hyperparameters.RESERVED)


def _exact(value: Any) -> str:
    """A value as text in which only equal values are alike."""
    if isinstance(value, Tensor):
        value = value.tolist()
    return repr(float(value) if type(value) is int else value)

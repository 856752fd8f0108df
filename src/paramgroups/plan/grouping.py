"""What a plan comes to on one model: named groups, what is frozen and why, and how each value came about.

Knows the cascade's results and shows them; knows nothing of optimizers but their hyperparameters' names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, final

from torch import nn
from torch.optim import Optimizer

from paramgroups import hyperparameters
from paramgroups.collector import paused
from paramgroups.holds import Hold, hold, holds_of, moment, told
from paramgroups.params import Param, find, named
from paramgroups.plan import audit
from paramgroups.plan.cascade import History, match, resolve
from paramgroups.plan.rules import Plan, Rule, Times
from paramgroups.schedules import Duration, Schedule
from paramgroups.tables import Table, show, struck


@final
@dataclass(frozen=True)
class Group:
    """Parameters to which the same rules contributed, and the values they share.

    Each parameter has its own history: rules that were wholly overridden made no group, but they are part of it.
    """

    name: str
    rules: tuple[str, ...]
    params: tuple[Param, ...] = field(repr=False)
    histories: tuple[History, ...] = field(repr=False)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Name -> value, as resolved."""
        return {key: steps[-1].result for key, steps in self.histories[0].items()}

    @property
    def numel(self) -> int:
        """Number of elements."""
        return sum(param.numel for param in self.params)


@final
@dataclass(frozen=True)
class Frozen:
    """A parameter that is in no group, and why: `frozen by rule 'stem'` or `frozen by the model`."""

    param: Param
    reason: str

    def fix(self) -> None:
        """Let it not train, for good."""
        why = self.reason.removeprefix("frozen by ")
        if why == _BY_MODEL:
            self.param.parameter.grad = None
        else:
            hold([self.param], Hold(why, for_good=True))


@final
@dataclass(frozen=True)
class Thawing:
    """Parameters that a rule freezes until later: they are in groups from the start.

    Args:
        rule: its name.
        when: until when they are frozen.
        warmup: how their lr joins then, if not at once.
        params: those of which no later rule says another time.
    """

    rule: str
    when: Duration
    warmup: Duration | Schedule | None
    params: tuple[Param, ...] = field(repr=False)

    @property
    def why(self) -> Hold:
        """Why they are frozen."""
        return Hold(f"rule {self.rule!r} until {moment(self.when)}")


@final
@dataclass(frozen=True, repr=False)
class Grouping:
    """Every parameter of a model in exactly one group, or frozen and in none; made by `Plan.on`. Prints as a table.

    Example:
        >>> from paramgroups.plan import Rule
        >>> model = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
        >>> grouping = Plan(Rule("head.*", lr=Times(10)), Rule("*.bias", frozen=True), lr=0.01).on(model)
        >>> [(group.name, group.hyperparameters) for group in grouping.groups]
        [('default', {'lr': 0.01}), ('head', {'lr': 0.1})]
        >>> [frozen.reason for frozen in grouping.frozen]
        ["frozen by rule 'bias'", "frozen by rule 'bias'"]
    """

    plan: Plan
    groups: tuple[Group, ...]
    frozen: tuple[Frozen, ...]
    thaws: tuple[Thawing, ...] = ()

    @property
    def params(self) -> tuple[Param, ...]:
        """Every parameter of the model, those of the groups first."""
        return tuple(p for group in self.groups for p in group.params) + tuple(each.param for each in self.frozen)

    def param_groups(self) -> list[dict[str, Any]]:
        """The groups as a list of dicts, for the constructor of any optimizer; no two share a tensor value."""
        return [
            {
                "params": [param.parameter for param in group.params],
                "name": group.name,
                **{key: hyperparameters.own_copy(value) for key, value in group.hyperparameters.items()},
            }
            for group in self.groups
        ]

    def group_of(self, name: str) -> str | None:
        """The name of the group that holds the parameter `name`, None where it is frozen.

        Raises:
            ParameterNameError: the model has no such parameter.
        """
        param = find(self.params, name)
        return next((group.name for group in self.groups if param in group.params), None)

    def explain(self, name: str) -> Table:
        """How each hyperparameter of one parameter came about: its value, then each contribution, in order.

        Contributions that something later replaced are struck out.

        Raises:
            ParameterNameError: the model has no such parameter.

        Example:
            >>> from paramgroups.plan import Rule
            >>> model = nn.ModuleDict({"head": nn.Linear(2, 2)})
            >>> print(Plan(Rule("head.*", lr=Times(10)), lr=0.01).on(model).explain("head.bias"))
            head.bias: 2 elements in group head
            hyperparameter  value  given     by
            lr                0.1
                                   0.01      plan default
                                   × 10      Rule('head.*', lr=Times(10))
        """
        param = find(self.params, name)
        tied = f", tied with {', '.join(param.names[1:])}" if len(param.names) > 1 else ""
        title = f"{param.name}: {param.numel:,} elements{tied}"
        for each in self.frozen:
            if each.param is param:
                return Table((), (), f"{title}, {each.reason}")
        group = next(group for group in self.groups if param in group.params)
        rows: list[tuple[str, ...]] = []
        for key, steps in group.histories[group.params.index(param)].items():
            rows.append((key, show(steps[-1].result), "", ""))
            for step in steps:
                times = isinstance(step.given, Times)
                given = f"× {show(step.given.factor)}" if times else show(step.given)
                rows.append(("", "", struck(given) if step.overridden else given, step.source))
        held = "".join(f", frozen by {each.reason}" for each in self._holds()(param))
        return Table(("hyperparameter", "value", "given", "by"), tuple(rows), f"{title} in group {group.name}{held}")

    def diff(self, other: Grouping) -> Table:
        """What is different in `other`: parameters that are in another group, and values that changed.

        Example:
            >>> from paramgroups.plan import Rule
            >>> model = nn.ModuleDict({"head": nn.Linear(2, 2)})
            >>> before = Plan(lr=0.01).on(model)
            >>> print(before.diff(Plan(Rule("*.bias", name="bias", lr=0.02), lr=0.01).on(model)))
            parameter  group           changes
            head.bias  default → bias  lr: 0.01 → 0.02
        """
        mine, theirs = self._by_parameter(), other._by_parameter()
        rows = []
        for name in dict.fromkeys([*mine, *theirs]):
            (group, values), (new_group, new_values) = mine.get(name, _ABSENT), theirs.get(name, _ABSENT)
            changes = [
                f"{key}: {show(values.get(key, '—'))} → {show(new_values.get(key, '—'))}"
                for key in dict.fromkeys([*values, *new_values])
                if show(values.get(key, "—")) != show(new_values.get(key, "—"))
            ]
            if group != new_group or changes:
                moved = group if group == new_group else f"{group} → {new_group}"
                rows.append((name, moved, ", ".join(changes)))
        return Table(("parameter", "group", "changes"), tuple(rows), "" if rows else "The groupings are equal.")

    def table(self) -> Table:
        """One row a group (name, tensors, elements, share of the model, values), then what is frozen, and why."""
        total = max(1, sum(param.numel for param in self.params))
        keys = list(dict.fromkeys(key for group in self.groups for key in group.hyperparameters))
        rows = [
            (
                group.name,
                *_size(group.params, total),
                *(show(group.hyperparameters[key]) if key in group.hyperparameters else "—" for key in keys),
            )
            for group in self.groups
        ]
        for reason in dict.fromkeys(each.reason for each in self.frozen):
            params = tuple(each.param for each in self.frozen if each.reason == reason)
            rows.append((reason, *_size(params, total), *("—" for _ in keys)))
        held = told(((group.name, group.params) for group in self.groups), self._holds())
        return Table(("group", "tensors", "elements", "share", *keys), tuple(rows), notes=held)

    def __repr__(self) -> str:
        frozen = f"; {len(self.frozen)} frozen" if self.frozen else ""
        return f"<Grouping of {_count(len(self.groups), 'group')}, {_count(len(self.params), 'parameter')}{frozen}>"

    def __str__(self) -> str:
        return str(self.table())

    def __rich__(self) -> Any:
        return self.table().__rich__()

    def _holds(self) -> Callable[[Param], Iterable[Hold]]:
        """Of each parameter, why it is frozen, or will be once the optimizer is built."""
        planned = {id(param): each.why for each in self.thaws for param in each.params}
        if not planned:
            return holds_of
        return lambda param: dict.fromkeys([*([planned[id(param)]] if id(param) in planned else ()), *holds_of(param)])

    def _by_parameter(self) -> dict[str, tuple[str, dict[str, Any]]]:
        found = {p.name: (group.name, group.hyperparameters) for group in self.groups for p in group.params}
        return found | {each.param.name: (each.reason, {}) for each in self.frozen}


_BY_MODEL = "the model"
_ABSENT: tuple[str, dict[str, Any]] = ("(absent)", {})


@paused()
def group(
    plan: Plan, model: nn.Module, optimizer_class: type[Optimizer] | None = None, at: audit.At = nullcontext
) -> Grouping:
    """The grouping that `plan` comes to on `model`; see `Plan.on`."""
    params = named(model)
    audit.check_names(plan, optimizer_class, at)
    matches = match(plan, params)
    audit.check_matches(plan, matches, params, at)
    defaults = {} if optimizer_class is None else hyperparameters.of_class(optimizer_class)
    class_defaults = {key: value for key, value in defaults.items() if value is not hyperparameters.REQUIRED}
    for key, value in plan.defaults.items():
        with at(None):
            hyperparameters.check_length(key, value, defaults.get(key), "the plan's defaults")
    groups: dict[tuple[str, ...], list[tuple[Param, History]]] = {}
    frozen = []
    by_model = set()
    thaws: dict[str, tuple[Rule, list[Param]]] = {}
    for param, resolved in zip(params, resolve(plan, matches, params, class_defaults), strict=True):
        if resolved.frozen is not None:
            frozen.append(Frozen(param, f"frozen by rule {resolved.frozen!r}"))
        elif not param.parameter.requires_grad and (why := _for_good(param)):
            frozen.append(Frozen(param, f"frozen by {why}"))
            by_model.add(param.name)
        else:
            groups.setdefault(resolved.rules, []).append((param, resolved.history))
            if resolved.thaw is not None:
                thaws.setdefault(resolved.thaw[0], (resolved.thaw[1], []))[1].append(param)
    audit.check_groups(list(groups), [each.reason for each in frozen])
    if by_model:
        audit.warn_of_frozen(plan, matches, [param.name in by_model for param in params])
    made = tuple(
        Group(".".join(rules) or "default", rules, *zip(*members, strict=True)) for rules, members in groups.items()
    )
    numbers = {variant.code: number for number, (variants, _) in enumerate(matches) for variant in variants}
    for each in made:
        for key, steps in each.histories[0].items():
            with at(numbers.get(steps[-1].source)):
                hyperparameters.check_value(key, steps[-1].result, f"group {each.name!r}")
                hyperparameters.check_length(key, steps[-1].result, defaults.get(key), f"group {each.name!r}")
    later = [Thawing(name, rule.thaw or 0, rule.warmup, tuple(own)) for name, (rule, own) in thaws.items()]
    return Grouping(plan, made, tuple(frozen), tuple(later))


def _for_good(param: Param) -> str | None:
    """Who left a parameter that requires no gradients out of every group; None where it is only held for a time."""
    held = holds_of(param)
    return next((each.reason for each in held if each.for_good), None if held else _BY_MODEL)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _size(params: tuple[Param, ...], total: int) -> tuple[str, str, str]:
    elements = sum(param.numel for param in params)
    return f"{len(params):,}", f"{elements:,}", f"{elements / total:.1%}"

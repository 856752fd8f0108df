"""The checks a plan must pass on a model before anything is made of it.

Knows what is a mistake, and names it; knows nothing of how values are resolved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch.optim import Optimizer

from paramgroups.errors import DuplicateNameError, NothingToTrainError, UnmatchedRuleError
from paramgroups.hyperparameters import check_name
from paramgroups.params import Param
from paramgroups.plan.cascade import Matches
from paramgroups.plan.rules import Plan, Rule, select_code


def check_names(plan: Plan, optimizer_class: type[Optimizer] | None) -> None:
    """Every hyperparameter of the plan is one of the optimizer's; without a class, none is a near miss.

    Raises:
        UnknownHyperparameterError: one is.
    """
    for name in plan.defaults:
        check_name(name, "the plan's defaults", optimizer_class)
    for rule in plan.rules:
        for name in rule.hyperparameters if isinstance(rule, Rule) else (rule.hyperparameter,):
            check_name(name, repr(rule), optimizer_class)


def check_matches(plan: Plan, matches: Sequence[Matches], params: Sequence[Param]) -> None:
    """Every rule matches a parameter, unless it is optional, and no two would give a group the same name.

    Raises:
        UnmatchedRuleError: one matches none.
        DuplicateNameError: two do: a rule's name is that of a `LayerDecay`'s layer.
    """
    for rule, (_, chosen) in zip(plan.rules, matches, strict=True):
        if not (chosen >= 0).any() and not (isinstance(rule, Rule) and rule.optional):
            names = [name for param in params for name in param.names]
            raise UnmatchedRuleError(repr(rule), select_code(rule.select), names)
    sources: dict[str, str] = {}
    for variant in (variant for variants, _ in matches for variant in variants):
        if variant.name in sources:
            raise DuplicateNameError(variant.name, [sources[variant.name], variant.code])
        sources[variant.name] = variant.code


def check_groups(groups: Sequence[tuple[str, ...]], frozen: Sequence[str]) -> None:
    """There is a group, and no two have one name.

    Args:
        groups: for each group the names of the rules that made it.
        frozen: for each frozen parameter the reason.

    Raises:
        NothingToTrainError: everything is frozen.
        DuplicateNameError: two groups made by different rules have one name.
    """
    if not groups:
        raise NothingToTrainError(dict(Counter(frozen)))
    owners: dict[str, tuple[str, ...]] = {}
    for rules in groups:
        name = ".".join(rules) or "default"
        if owners.setdefault(name, rules) != rules:
            made = [
                f"the group of rules {list(each)}" if each else "the default group" for each in (owners[name], rules)
            ]
            raise DuplicateNameError(name, made)

"""The checks a plan must pass on a model before anything is made of it.

Knows what is a mistake, and names it; knows nothing of how values are resolved.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import compress
from typing import TypeAlias

import numpy as np
from torch.optim import Optimizer

from paramgroups.errors import DuplicateNameError, NothingSelectedError, NothingToTrainError, UnmatchedRuleError
from paramgroups.hyperparameters import check_name
from paramgroups.params import Param
from paramgroups.plan.cascade import Matches
from paramgroups.plan.rules import LayerDecay, Plan, Rule, select_code
from paramgroups.selectors import Named, Selector, Within, meaning, parts

At: TypeAlias = Callable[[int | None], AbstractContextManager[object]]
"""Around a check of the rule of that number, or of the plan as a whole: `nullcontext` lets the mistake out at once, and
what keeps it for later lets the checks go on."""


class FrozenRuleWarning(UserWarning):
    """A rule matches only parameters that the model itself has frozen, so that it does nothing."""


def check_names(plan: Plan, optimizer_class: type[Optimizer] | None, at: At) -> None:
    """Every hyperparameter of the plan is one of the optimizer's; without a class, none is a near miss.

    Raises:
        UnknownHyperparameterError: one is.
    """
    for name in plan.defaults:
        with at(None):
            check_name(name, "the plan's defaults", optimizer_class)
    for number, rule in enumerate(plan.rules):
        for name in rule.hyperparameters if isinstance(rule, Rule) else (rule.hyperparameter,):
            with at(number):
                check_name(name, repr(rule), optimizer_class)


def check_matches(plan: Plan, matches: Sequence[Matches], params: Sequence[Param], at: At) -> None:
    """Every rule matches a parameter, unless it is optional, and no two would give a group the same name.

    Raises:
        UnmatchedRuleError: one matches none.
        DuplicateNameError: two do: a rule's name is that of a `LayerDecay`'s layer.
    """
    for number, (rule, (_, chosen)) in enumerate(zip(plan.rules, matches, strict=True)):
        if not (chosen >= 0).any() and not (isinstance(rule, Rule) and rule.optional):
            with at(number):
                raise _unmatched(rule, params)
    sources: dict[str, str] = {}
    for variant in (variant for variants, _ in matches for variant in variants):
        if variant.name in sources:
            raise DuplicateNameError(variant.name, [sources[variant.name], variant.code])
        sources[variant.name] = variant.code


def selected(select: Selector, params: Sequence[Param]) -> list[Param]:
    """Those of `params` that are selected, at least one.

    Raises:
        NothingSelectedError: there is none.
    """
    found = list(compress(params, select.mask(params).tolist()))
    if not found:
        raise NothingSelectedError(select_code(select), *_dead(select, params))
    return found


def _unmatched(rule: Rule | LayerDecay, params: Sequence[Param]) -> UnmatchedRuleError:
    return UnmatchedRuleError(repr(rule), *_dead(rule.select, params))


def _dead(select: Selector, params: Sequence[Param]) -> tuple[list[str], list[str], list[str], list[str]]:
    """What to say of a selector that matches nothing: all names, and of which parts of it that is true alone."""
    dead = [part for part in parts(select) if not part.mask(params).any()]
    return (
        [name for param in params for name in param.names],
        [glob for part in dead if isinstance(part, Named) for glob in part.globs],
        [glob for part in dead if isinstance(part, Within) for glob in part.globs],
        [meaning(part) for part in dead if not isinstance(part, (Named, Within))],
    )


def warn_of_frozen(plan: Plan, matches: Sequence[Matches], frozen_by_model: Sequence[bool]) -> None:
    """Warn of each rule that has no effect since the model itself has frozen all that it matches.

    Args:
        plan: whose rules may be such; one that freezes for good, or is optional, is not.
        matches: from `match`.
        frozen_by_model: for each parameter whether it is left out for the model's sake alone.
    """
    frozen = np.asarray(frozen_by_model, dtype=np.bool_)
    for rule, (_, chosen) in zip(plan.rules, matches, strict=True):
        quiet = isinstance(rule, Rule) and (rule.optional or (rule.frozen and rule.thaw is None))
        hits = chosen >= 0
        if not quiet and hits.any() and frozen[hits].all():
            count = int(hits.sum())
            warnings.warn(
                f"{rule!r} does nothing: the model has frozen all {count} of the parameters it matches "
                "(requires_grad is False).\nCall requires_grad_(True) on them before the plan is put on the model; "
                "if they are frozen on purpose, drop the rule or write Rule(..., optional=True).",
                FrozenRuleWarning,
                stacklevel=5,  # the caller of Plan.on
            )


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

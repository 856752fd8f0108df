"""The hyperparameters that a recipe names, each held against those that its optimizer has.

Knows where in the data names stand; reads it before it is validated, so that a slip is told together with the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paramgroups.errors import UnknownHyperparameterError, nearest
from paramgroups.hyperparameters import Kinds, check_name, split
from paramgroups.recipe.problems import Problem
from paramgroups.recipe.sections import RuleEntry


def misnamed(data: Mapping[str, Any], optimizer: Kinds) -> list[Problem]:
    """The names that are no hyperparameter of the optimizer; where that is not known, the near misses.

    Example:
        >>> import torch
        >>> misnamed({"plan": {"defaults": {"momentun": 0.9}}}, torch.optim.SGD)
        [('plan.defaults.momentun', "it is no hyperparameter of SGD. Did you mean 'momentum'?")]
    """
    found = ((path, _mistake(name, path, others, optimizer)) for path, name, others in _names_in(data))
    return [(path, mistake) for path, mistake in found if mistake]


def _mistake(name: str, path: str, others: tuple[str, ...], optimizer: Kinds) -> str:
    try:
        check_name(split(name)[0], path, optimizer)
    except UnknownHyperparameterError as error:
        meant = [*nearest(name, others), *error.near]
        near = f"Did you mean {' or '.join(map(repr, meant))}?"
        hint = near if meant else f"The known ones: {', '.join(error.known)}."
        return f"it is no hyperparameter of {error.optimizer}. {hint}"
    except ValueError as error:
        return str(error)
    return ""


def _names_in(data: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Path, name, and what else may stand at that place."""
    plan = _mapping(data.get("plan"))
    for name in _mapping(plan.get("defaults")):
        yield f"plan.defaults.{name}", str(name), ()
    rules = plan.get("rules")
    for number, rule in enumerate(rules if isinstance(rules, list) else []):
        fields = tuple(RuleEntry.model_fields)
        if "layer_decay" in _mapping(rule):
            yield f"plan.rules.{number}.hyperparameter", str(rule.get("hyperparameter", "lr")), ()
        else:
            for name in _mapping(rule).keys() - set(fields):
                yield f"plan.rules.{number}.{name}", str(name), fields
    for key, value in _mapping(data.get("schedules")).items():
        if isinstance(value, Mapping):
            for name in value:
                yield f"schedules.{key}.{name}", str(name), ()
        else:
            yield f"schedules.{key}", str(key), ()


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}

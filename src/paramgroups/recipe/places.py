"""Where paths lead in a recipe as it is written: in which order fields stand, and what is left without some.

Knows mappings, lists and paths; of what fields mean only which of them are hyperparameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from paramgroups.errors import HyperparameterValueError
from paramgroups.hyperparameters import ALGORITHM, check_value
from paramgroups.recipe.sections import RuleEntry


def in_order(paths: Iterable[str], data: Mapping[str, Any]) -> list[str]:
    """The paths in the order in which their fields are written; what is missing comes after what is there.

    Example:
        >>> in_order(["seed", "model.width", "model", "data"], {"data": "digits", "model": {"width": 3}})
        ['data', 'model', 'model.width', 'seed']
    """
    return sorted(paths, key=lambda path: [place for _, _, place in _way(data, path)])


def without(data: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """A copy without the fields at these paths; a hyperparameter is kept, at a harmless value, as a rule goes by it.

    Example:
        >>> without({"seed": "x", "plan": {"rules": [{"select": "head.*", "lr": -1}]}}, ["seed", "plan.rules.0.lr"])
        {'plan': {'rules': [{'select': 'head.*', 'lr': 0.0}]}}
    """
    left = deepcopy(dict(data))
    for path in paths:
        inside, key, _ = _way(left, path)[-1] if path else (None, None, 0)
        if not isinstance(inside, dict) or key not in inside:
            continue
        given = path.startswith("plan.defaults.") or (path.startswith("plan.rules.") and "layer_decay" not in inside)
        if given and key not in RuleEntry.model_fields and key != ALGORITHM:
            inside[key] = _harmless(str(key))
        else:
            del inside[key]
    return left


def _way(data: Any, path: str) -> list[tuple[Any, Any, float]]:
    """Step by step to a field: in what, under which key, the how manyth there; what is not there is the last."""
    way: list[tuple[Any, Any, float]] = []
    while path:
        keys = list(data) if isinstance(data, Mapping) else list(range(len(data))) if isinstance(data, list) else []
        fitting = [key for key in keys if f"{path}.".startswith(f"{key}.")]
        if not fitting:
            return [*way, (data, None, math.inf)]
        key = max(fitting, key=lambda key: len(str(key)))  # a group's name may have dots
        way.append((data, key, keys.index(key)))
        data, path = data[key], path[len(str(key)) + 1 :]
    return way


def _harmless(name: str) -> Any:
    """A value of which nobody complains: a number, or no numbers where there are to be several."""
    try:
        check_value(name, 0.0, "the recipe")
    except HyperparameterValueError:
        return []
    return 0.0

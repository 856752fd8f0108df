"""What rules come to: for each parameter the rules that match it, and how each hyperparameter was resolved.

Knows rules and selectors; knows nothing of groups, optimizers or how results are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from paramgroups.errors import NothingToScaleError
from paramgroups.hyperparameters import own_copy
from paramgroups.params import Param
from paramgroups.plan.depth import layers
from paramgroups.plan.rules import LayerDecay, Plan, Rule, Times


@final
@dataclass(frozen=True)
class Contribution:
    """What one rule gave to one hyperparameter, and what stood after it."""

    source: str
    given: Any
    result: Any
    overridden: bool = False


@final
@dataclass(frozen=True)
class Resolved:
    """What the rules came to for the parameters that the same rules match.

    Args:
        rules: the names of the rules that contributed, in order.
        frozen: the rule that froze the parameters, if one did.
        history: hyperparameter -> its contributions in order; the last one's `result` is the value.
    """

    rules: tuple[str, ...]
    frozen: str | None
    history: Mapping[str, tuple[Contribution, ...]]


@final
@dataclass(frozen=True)
class _Variant:
    """One thing a rule does: a `Rule` has one, a `LayerDecay` one for each layer."""

    name: str
    code: str
    values: Mapping[str, Any]
    frozen: bool = False
    always_contributes: bool = False


_Matches = NDArray[np.int16]  # for each parameter the variant that applies to it, -1 where none does


def match(plan: Plan, params: Sequence[Param]) -> list[tuple[list[_Variant], _Matches]]:
    """For each rule of the plan its variants, and which of them applies to each parameter."""
    return [_apply(rule, label, params) for rule, label in zip(plan.rules, plan.labels, strict=True)]


def resolve(
    plan: Plan,
    matches: Sequence[tuple[list[_Variant], _Matches]],
    params: Sequence[Param],
    class_defaults: Mapping[str, Any],
) -> list[Resolved]:
    """What the plan comes to for each parameter; parameters that the same rules match share one `Resolved`.

    Args:
        plan: whose defaults stand before any rule.
        matches: from `match`.
        params: the parameters, in the order of `matches`.
        class_defaults: what a `Times` multiplies where nothing else stands.

    Raises:
        NothingToScaleError: a `Times` met nothing, there neither.
    """
    rows = np.stack([chosen for _, chosen in matches], axis=1) if matches else np.empty((len(params), 0), np.int16)
    known: dict[bytes, Resolved] = {}
    found = []
    for row, param in zip(np.ascontiguousarray(rows), params, strict=True):
        key = row.tobytes()
        if key not in known:
            variants = [matches[i][0][variant] for i, variant in enumerate(row) if variant >= 0]
            known[key] = _cascade(plan, variants, param.name, class_defaults)
        found.append(known[key])
    return found


def _apply(rule: Rule | LayerDecay, label: str, params: Sequence[Param]) -> tuple[list[_Variant], _Matches]:
    mask = rule.select.mask(params)
    if isinstance(rule, Rule):
        variant = _Variant(label, repr(rule), rule.hyperparameters, rule.frozen, rule.name is not None)
        return [variant], np.where(mask, np.int16(0), np.int16(-1))
    chosen = np.full(len(params), -1, np.int16)
    selected = [param for param, hit in zip(params, mask, strict=True) if hit]
    if not selected:
        return [], chosen
    depths = layers(selected, rule.depth)
    top = max(depths)
    width = max(2, len(str(top)))
    chosen[mask] = depths
    return [
        _Variant(
            f"{label}{layer:0{width}d}",
            repr(rule),
            {rule.hyperparameter: Times(rule.scale(layer, top))},
            always_contributes=True,
        )
        for layer in range(top + 1)
    ], chosen


def _cascade(plan: Plan, variants: Sequence[_Variant], parameter: str, class_defaults: Mapping[str, Any]) -> Resolved:
    frozen = next((variant.name for variant in variants if variant.frozen), None)
    history: dict[str, list[Contribution]] = {
        key: [Contribution("plan default", value, value)] for key, value in plan.values
    }
    givers: dict[str, list[_Variant | None]] = {key: [None] for key in history}
    for variant in variants:
        for key, given in variant.values.items():
            steps = history.setdefault(key, [])
            by = givers.setdefault(key, [])
            if not isinstance(given, Times):
                steps.append(Contribution(variant.code, given, given))
            else:
                if not steps:
                    if key not in class_defaults:
                        raise NothingToScaleError(key, variant.code, parameter)
                    steps.append(Contribution("optimizer default", class_defaults[key], class_defaults[key]))
                    by.append(None)
                steps.append(Contribution(variant.code, given, _scaled(key, steps[-1].result, given, variant)))
            by.append(variant)
    standing: set[str] = set()
    final_history = {}
    for key, steps in history.items():
        last_value = max(i for i, step in enumerate(steps) if not isinstance(step.given, Times))
        final_history[key] = tuple(
            Contribution(step.source, step.given, step.result, overridden=i < last_value)
            for i, step in enumerate(steps)
        )
        standing.update(giver.name for giver in givers[key][last_value:] if giver is not None)
    rules = tuple(v.name for v in variants if v.always_contributes or v.name in standing)
    return Resolved(rules, frozen, final_history)


def _scaled(key: str, value: Any, times: Times, variant: _Variant) -> Any:
    if isinstance(value, (tuple, list, bool, str)) or value is None:
        raise TypeError(
            f"{variant.code} multiplies {key}, which is {value!r}, no number.\n"
            f"Write the value itself: Rule(..., {key}=...)."
        )
    return own_copy(value) * times.factor

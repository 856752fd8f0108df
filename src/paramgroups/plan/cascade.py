"""What rules come to: for each parameter the rules that match it, and how each hyperparameter was resolved.

Knows rules and selectors; knows nothing of groups, optimizers or how results are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from paramgroups.errors import HyperparameterValueError, NothingToScaleError
from paramgroups.params import Param
from paramgroups.plan.depth import layers
from paramgroups.plan.rules import LayerDecay, Plan, Rule, Times


@final
@dataclass(frozen=True)
class Contribution:
    """What was given to one hyperparameter, and what stood after it.

    Args:
        source: the code of the rule, or `plan default`, `optimizer default`.
        given: a value, or a `Times`.
        result: what stood then.
        rule: the name of the rule, if it was one.
        overridden: whether a later value replaced it.
    """

    source: str
    given: Any
    result: Any
    rule: str | None = None
    overridden: bool = False


History: TypeAlias = Mapping[str, tuple[Contribution, ...]]
"""Hyperparameter -> what was given to it, in order; the last one's `result` is its value."""


@final
@dataclass(frozen=True)
class Resolved:
    """What the rules came to for the parameters that the same rules match.

    Args:
        rules: the names of the rules that contributed, in order; none where the parameters are frozen.
        frozen: the rule that froze the parameters for good, if one did.
        thaw: the last rule that says when they are to be thawed, and its name, if one does.
        history: how each hyperparameter came about.
    """

    rules: tuple[str, ...]
    frozen: str | None
    thaw: tuple[str, Rule] | None
    history: History


@final
@dataclass(frozen=True)
class Variant:
    """One thing a rule does: a `Rule` has one, a `LayerDecay` one for each layer."""

    name: str
    code: str
    values: Mapping[str, Any]
    thaw: Rule | None = None
    frozen: bool = False
    always_contributes: bool = False


Matches: TypeAlias = tuple[list[Variant], NDArray[np.int32]]
"""What a rule does, and for each parameter which of that applies to it: an index, -1 where none does."""


def match(plan: Plan, params: Sequence[Param]) -> list[Matches]:
    """For each rule of the plan its variants, and which of them applies to each parameter."""
    return [_apply(rule, label, params) for rule, label in zip(plan.rules, plan.labels, strict=True)]


def resolve(
    plan: Plan,
    matches: Sequence[Matches],
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
    rows = np.stack([chosen for _, chosen in matches], axis=1) if matches else np.empty((len(params), 0), np.int32)
    known: dict[bytes, Resolved] = {}
    found = []
    for row, param in zip(np.ascontiguousarray(rows), params, strict=True):
        key = row.tobytes()
        if key not in known:
            variants = [matches[i][0][variant] for i, variant in enumerate(row) if variant >= 0]
            known[key] = _cascade(plan, variants, param.name, class_defaults)
        found.append(known[key])
    return found


def _apply(rule: Rule | LayerDecay, label: str, params: Sequence[Param]) -> Matches:
    mask = rule.select.mask(params)
    if isinstance(rule, Rule):
        thaw = None if rule.thaw is None else rule
        for_good, named = rule.frozen and not thaw, rule.name is not None
        variant = Variant(label, repr(rule), rule.hyperparameters, thaw, for_good, named or thaw is not None)
        return [variant], np.where(mask, np.int32(0), np.int32(-1))
    chosen = np.full(len(params), -1, np.int32)
    selected = [param for param, hit in zip(params, mask, strict=True) if hit]
    if not selected:
        return [], chosen
    depths = layers(selected, rule.depth)
    used = {depth: variant for variant, depth in enumerate(sorted(set(depths)))}
    top = max(used)
    width = max(2, len(str(top)))
    stem = f"{label}-" if label[-1].isdigit() else label  # layer07, and layer-2-07 of a second one
    chosen[mask] = [used[depth] for depth in depths]
    return [
        Variant(
            f"{stem}{layer:0{width}d}",
            repr(rule),
            {rule.hyperparameter: Times(rule.scale(layer, top))},
            always_contributes=True,
        )
        for layer in used
    ], chosen


def _cascade(plan: Plan, variants: Sequence[Variant], parameter: str, class_defaults: Mapping[str, Any]) -> Resolved:
    frozen = next((variant.name for variant in variants if variant.frozen), None)
    if frozen is not None:
        return Resolved((), frozen, None, {})
    history = {key: [Contribution("plan default", value, value)] for key, value in plan.values}
    for variant in variants:
        for key, given in variant.values.items():
            steps = history.setdefault(key, [])
            if isinstance(given, Times) and not steps:
                if key not in class_defaults:
                    raise NothingToScaleError(key, variant.code, parameter)
                steps.append(Contribution("optimizer default", class_defaults[key], class_defaults[key]))
            result = _scaled(key, steps[-1].result, given, variant) if isinstance(given, Times) else given
            steps.append(Contribution(variant.code, given, result, variant.name))
    final = {key: _struck_out(steps) for key, steps in history.items()}
    standing = {step.rule for steps in final.values() for step in steps if not step.overridden}
    rules = tuple(variant.name for variant in variants if variant.always_contributes or variant.name in standing)
    thaws = [(variant.name, variant.thaw) for variant in variants if variant.thaw is not None]
    return Resolved(rules, None, thaws[-1] if thaws else None, final)


def _scaled(key: str, value: Any, times: Times, variant: Variant) -> Any:
    if isinstance(value, (tuple, list, bool, str)) or value is None:
        allowed = f"a value itself, since what stands, {value!r}, is no number"
        raise HyperparameterValueError(key, times, variant.code, allowed)
    return value * times.factor


def _struck_out(steps: Sequence[Contribution]) -> tuple[Contribution, ...]:
    """The same contributions, those before the last value overridden."""
    last = max(i for i, step in enumerate(steps) if not isinstance(step.given, Times))
    return tuple(replace(step, overridden=i < last) for i, step in enumerate(steps))

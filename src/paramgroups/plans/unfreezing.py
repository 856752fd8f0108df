"""Gradual unfreezing: what comes later than the head, and how its lr joins.

Knows layers and durations; what is frozen meanwhile, and thawed when, a `Timetable` sees to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any

from torch import nn

from paramgroups.errors import HyperparameterValueError
from paramgroups.params import Param, named
from paramgroups.plan.depth import layers
from paramgroups.plan.rules import Plan, Rule, Times
from paramgroups.schedules import Duration, Piecewise, Schedule
from paramgroups.schedules.units import multiple
from paramgroups.selectors import Named, Selector, Within


def ulmfit(
    model: nn.Module,
    depth: Mapping[str, int] | Callable[[Param], int] | None = None,
    *,
    lr: float,
    decay: float = 2.6,
    every: Duration = "1 epoch",
    warmup: Duration | Schedule | None = None,
    **defaults: Any,
) -> Plan:
    """Layers unfrozen one after the other from the top, each with a smaller lr than the one above it.

        lr of layer l = lr / decay ** (top - l),   thawed at (top - l) * every

    Howard & Ruder (2018), ULMFiT, arXiv:1801.06146, sec. 3.2 ("discriminative fine-tuning") and 3.3 ("gradual
    unfreezing"). Their slanted triangular lr is a schedule: `Warmup("10%").then(Linear("rest"))`, say.

    Args:
        model: whose layers are meant.
        depth: as for `LayerDecay`: None to infer the layers, a mapping from globs to layers, or a function.
        lr: of the top layer.
        decay: what the lr of a layer is divided by for the next below, at least 1.
        every: how long until the next layer is thawed.
        warmup: how the lr of a layer joins, as for `Rule`.
        **defaults: hyperparameters of every parameter.

    Raises:
        HyperparameterValueError: `decay` is less than 1.
        DepthError: the layers cannot be told.
        DurationError: the last layer would be thawed after the end of the run.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1))
        >>> for rule in ulmfit(net, lr=0.01).rules:
        ...     print(rule)
        Rule(Within('0'), name='layer00', frozen=True, thaw='2 epochs', lr=Times(0.14792899408284022))
        Rule(Within('1'), name='layer01', frozen=True, thaw='1 epoch', lr=Times(0.3846153846153846))
        Rule(Within('2'), name='layer02')
    """
    if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not decay >= 1:
        raise HyperparameterValueError("decay", decay, "ulmfit", "a number of at least 1")
    params = named(model)
    depths = layers(params, tuple(depth.items()) if isinstance(depth, Mapping) else depth)
    by_name = {param.name: layer for param, layer in zip(params, depths, strict=True)}
    found = []
    for below, layer in enumerate(sorted(set(depths), reverse=True)):
        words: dict[str, Any] = {"name": f"layer{layer:02d}"}
        if below:
            words |= {
                "frozen": True,
                "thaw": multiple(every, below, "ulmfit"),
                "warmup": warmup,
                "lr": Times(decay**-below),
            }
        found.append(Rule(_selector([name for name in by_name if by_name[name] == layer], by_name), **words))
    return Plan(*reversed(found), lr=lr, **defaults)


def backbone_ramp(
    select: Selector | str = "backbone.*",
    *,
    at: Duration,
    lr: float,
    ratio: float = 0.1,
    factor: float = 2.0,
    every: Duration = "1 epoch",
    **defaults: Any,
) -> Plan:
    """A backbone thawed at one moment, whose lr joins at a fraction and grows up to that of the rest.

        lr of the backbone = lr of the rest * min(1, ratio * factor ** n),   n = how often `every` has passed since

    With an lr that stands still this is Lightning's `BackboneFinetuning`, value for value. Under a schedule
    Lightning multiplies what the backbone's lr was before, and this what the schedule gives by then.

    Args:
        select: the backbone.
        at: when it is thawed.
        lr: of the rest.
        ratio: the first factor, in (0, 1].
        factor: how it grows, more than 1.
        every: how often.
        **defaults: further hyperparameters of every parameter.

    Raises:
        HyperparameterValueError: `ratio` or `factor` is out of range.

    Example:
        >>> for rule in backbone_ramp(at="10 epochs", lr=0.001, ratio=0.25).rules:
        ...     print(rule.thaw, rule.warmup)
        10 epochs Piecewise(((0, 0.25), ('1 epoch', 0.5), ('2 epochs', 1.0)), interpolation='constant')
    """
    for name, value, fits, allowed in (
        ("ratio", ratio, 0 < ratio <= 1, "a number in (0, 1]"),
        ("factor", factor, factor > 1, "a number more than 1"),
    ):
        if not fits:
            raise HyperparameterValueError(name, value, "backbone_ramp", allowed)
    points: list[tuple[Duration, float]] = [(0, float(ratio))]
    for passed in count(1):
        if points[-1][1] >= 1:
            break
        points.append((multiple(every, passed, "backbone_ramp"), min(1.0, points[-1][1] * factor)))
    ramp = Piecewise(points, "constant")
    return Plan(Rule(select, name="backbone", frozen=True, thaw=at, warmup=ramp), lr=lr, **defaults)


def _selector(names: Iterable[str], every: Iterable[str]) -> Selector:
    """What selects just these names: whole modules where all of one is meant, and the others one by one."""
    left, others = list(names), set(every) - set(names)
    modules: list[str] = []
    alone: list[str] = []
    while left:
        steps = left[0].split(".")[:-1]
        paths = (".".join(steps[:end]) for end in range(1, len(steps) + 1))
        whole = next((path for path in paths if not any(name.startswith(f"{path}.") for name in others)), None)
        (alone if whole is None else modules).append(left[0] if whole is None else whole)
        left = [name for name in left[1:] if whole is None or not name.startswith(f"{whole}.")]
    found: list[Selector] = [Within(*modules)] if modules else []
    found += [Named(*alone)] if alone else []
    return found[0] if len(found) == 1 else found[0] | found[1]

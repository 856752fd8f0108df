"""An optimizer's or a plan's groups as plain facts.

Knows where they are read off; what is wrong with them is the checks' to know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch import nn
from torch.optim import Optimizer

from paramgroups.build import exactly
from paramgroups.hyperparameters import ALGORITHM, RESERVED, Kinds, algorithms_of, number
from paramgroups.linter.curves import Curve
from paramgroups.params import Param, known, labels, model_of
from paramgroups.plan import Grouping
from paramgroups.plan.algorithms import Algorithms
from paramgroups.plan.depth import is_head
from paramgroups.selectors import BIASES, EMBEDDINGS, NORMS


@final
@dataclass(frozen=True, eq=False)
class Members:
    """One group.

    Args:
        name: its name.
        params: its parameters; none where nobody said whose they are.
        values: its hyperparameters.
        curves: the curve of each hyperparameter that is driven.
        deliberate: the names of those whose weight decay comes from a rule for norms, biases and embeddings alone.
    """

    name: str
    params: tuple[Param, ...]
    values: Mapping[str, Any]
    curves: Mapping[str, Curve] = field(default_factory=dict)
    deliberate: Collection[str] = frozenset()

    @property
    def places(self) -> list[str]:
        """Which it is."""
        return [f"group {self.name}"]

    @property
    def decay(self) -> float:
        """The greatest weight decay that it has in the run; NaN where it has none."""
        curve = self.curves.get("weight_decay")
        return curve.peak if curve is not None else number(self.values.get("weight_decay"))

    def decayed(self, kind: Callable[[Param], bool]) -> list[str]:
        """The names of those of a kind that are decayed, without that being said of them."""
        found = self.params if self.decay > 0 else ()
        return [param.name for param in found if kind(param) and param.name not in self.deliberate]


@final
@dataclass(frozen=True, eq=False)
class Layout:
    """All groups together.

    Args:
        groups: in order.
        kind: the class of the optimizer, or of several algorithms each, where that is known.
        left_alone: the names of groups whose lr is to be left alone.
    """

    groups: tuple[Members, ...]
    kind: Kinds = None
    left_alone: Collection[str] = frozenset()

    @property
    def places(self) -> list[str]:
        """What they are."""
        return [f"{len(self.groups)} groups"]

    @property
    def distinct(self) -> int:
        """How many there were if those of equal values and curves were one."""
        return len({(exactly(group.values), _driven(group)) for group in self.groups})

    def is_muon(self, group: Members) -> bool:
        """Whether Muon updates a group: by the class of its algorithm, or that one's name where no class is known."""
        algorithm, kind = group.values.get(ALGORITHM), self.kind
        if isinstance(kind, Mapping):
            kind = kind.get(str(algorithm))
        elif algorithm is not None:
            return str(getattr(algorithm, "__name__", algorithm)).lower() == "muon"
        return kind is not None and any(base.__name__ == "Muon" for base in kind.__mro__)


def _driven(group: Members) -> tuple[tuple[str, int], ...]:
    """What drives a group; those that are driven alike share their curves."""
    return tuple(sorted((path, id(curve)) for path, curve in group.curves.items()))


def of_grouping(
    grouping: Grouping,
    kind: Kinds = None,
    curves: Iterable[Curve] = (),
    left_alone: Collection[str] = frozenset(),
) -> Layout:
    """The groups of a plan on a model, with the defaults of the optimizer's class."""
    known = Algorithms(kind)
    meant, driven = _deliberate(grouping), _by_group(curves)
    groups = []
    for each in grouping.groups:
        values = known.defaults(each.hyperparameters) | each.hyperparameters
        groups.append(Members(each.name, each.params, values, driven.get(each.name, {}), meant))
    return Layout(tuple(groups), kind, left_alone)


def of_optimizer(
    optimizer: Optimizer,
    model: nn.Module | None = None,
    curves: Iterable[Curve] = (),
    left_alone: Collection[str] = frozenset(),
) -> Layout:
    """The groups of an optimizer; whose parameters they hold is known by the model, or from who named them.

    Raises:
        ForeignParameterError: they are not the model's.
    """
    found = known(optimizer, model) if model is not None or model_of(optimizer) is not None else ()
    params, driven = {id(param.parameter): param for param in found}, _by_group(curves)
    groups = [
        Members(
            label.name,
            tuple(params[id(each)] for each in group["params"] if id(each) in params),
            {key: value for key, value in group.items() if key not in RESERVED},
            driven.get(label.name, {}),
        )
        for label, group in zip(labels(optimizer), optimizer.param_groups, strict=True)
    ]
    return Layout(tuple(groups), algorithms_of(optimizer) or type(optimizer), left_alone)


def _by_group(curves: Iterable[Curve]) -> dict[str, dict[str, Curve]]:
    """Group -> hyperparameter -> curve."""
    found: dict[str, dict[str, Curve]] = {}
    for curve in curves:
        for group in curve.groups:
            found.setdefault(group, {})[curve.path] = curve
    return found


def is_norm_or_bias(param: Param) -> bool:
    """Whether it is of a norm layer, or a bias."""
    return NORMS(param) or BIASES(param)


def is_embedding(param: Param) -> bool:
    """Whether it is an embedding wherever it is used: one that is tied to the head is not."""
    return all(EMBEDDINGS(Param(param.parameter, (site,))) for site in param.sites)


def is_output(param: Param) -> bool:
    """Whether it is the matrix of a module that is called as heads are, and not one of many numbered ones."""
    *above, owner = param.module_path.split(".")
    return param.ndim > 1 and is_head(owner) and not any(step.isdigit() for step in above)


def _deliberate(grouping: Grouping) -> frozenset[str]:
    """The parameters whose weight decay a rule gives that gives one to norms, biases and embeddings alone."""
    given: dict[str, list[Param]] = {}
    for group in grouping.groups:
        for param, history in zip(group.params, group.histories, strict=True):
            for step in history.get("weight_decay", ()):
                if step.rule is not None and not step.overridden and number(step.result) > 0:
                    given.setdefault(step.rule, []).append(param)
    meant = [own for own in given.values() if all(is_norm_or_bias(param) or is_embedding(param) for param in own)]
    return frozenset(param.name for own in meant for param in own)

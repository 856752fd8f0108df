"""What became of each rule of a plan on a model, as plain facts.

Knows how they are read off a grouping's histories; what is wrong with them is the checks' to know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from paramgroups.plan import Grouping, Times
from paramgroups.plan.cascade import History, match


class Lost(NamedTuple):
    """What a rule gave to a parameter, and which later rule replaced it."""

    parameter: str
    hyperparameter: str
    given: Any
    by: str


@final
@dataclass(frozen=True, eq=False)
class Ruling:
    """One rule that gives values, on parameters that are trained, or that another rule has frozen.

    Args:
        code: how it is written.
        reach: the names of the parameters that it matches.
        stands: whether anything that it gives stands, on any of them.
        lost: what does not.
        frozen: why others of them are in no group.
        others: the code of each rule of the plan, and the parameters that it matches.
    """

    code: str
    reach: frozenset[str]
    stands: bool
    lost: tuple[Lost, ...]
    frozen: tuple[str, ...]
    others: Mapping[str, frozenset[str]]

    @property
    def places(self) -> list[str]:
        """Which it is."""
        return [self.code]


def rulings(grouping: Grouping) -> Iterator[Ruling]:
    """Each such rule of a grouping's plan, in order."""
    names, rules = [param.name for param in grouping.params], grouping.plan.rules
    matches = match(grouping.plan, grouping.params)
    hits = [frozenset(name for name, which in zip(names, chosen, strict=True) if which >= 0) for _, chosen in matches]
    others = {repr(rule): hit for rule, hit in zip(rules, hits, strict=True)}
    histories = {p.name: h for group in grouping.groups for p, h in zip(group.params, group.histories, strict=True)}
    reasons = {each.param.name: each.reason for each in grouping.frozen if "by rule" in each.reason}
    for rule, hit, (variants, _) in zip(rules, hits, matches, strict=True):
        trained = {name: histories[name] for name in names if name in hit and name in histories}
        frozen = tuple(reasons[name] for name in names if name in hit and name in reasons)
        if any(variant.values for variant in variants) and (trained or frozen):
            stands, lost = _outcome({variant.name for variant in variants}, trained)
            yield Ruling(repr(rule), hit, stands, lost, frozen, others)


def _outcome(labels: Collection[str], histories: Mapping[str, History]) -> tuple[bool, tuple[Lost, ...]]:
    """Whether anything stands that the rule of these labels gave, and what does not."""
    stands, lost = False, []
    for name, history in histories.items():
        for key, steps in history.items():
            last = next(step for step in reversed(steps) if not isinstance(step.given, Times))
            for step in steps:
                if step.rule in labels:
                    stands = stands or not step.overridden
                    lost += [Lost(name, key, step.given, last.source)] if step.overridden else []
    return stands, tuple(lost)

"""Checks of groups and of the rules that made them: what is decayed, what Muon gets, what a rule comes to.

Knows plain facts; pure functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from paramgroups.errors import listing
from paramgroups.linter.findings import Said, finds
from paramgroups.linter.layouts import Layout, Members, is_embedding, is_norm_or_bias, is_output
from paramgroups.linter.rulings import Ruling
from paramgroups.plan import Times
from paramgroups.selectors import EMBEDDINGS
from paramgroups.tables import number

_WORTH: Final = 8  # groups that merging has to save, to be worth a word
_SHOWN: Final = 3  # names in a sentence


@finds("PG201", "warning", "weight decay on norms or biases", Members)
def decayed_norms(group: Members) -> Iterator[Said]:
    """A norm's scale and a bias gain nothing from being pulled to 0; AdamW does it by default.

    So does a schedule of `Absolute` levels in a group whose own value is 0. Not told: a decay that a rule gives to
    nothing but norms, biases and embeddings.
    """
    names = group.decayed(is_norm_or_bias)
    if names:
        yield Said(
            f"weight decay of {number(group.decay)} on norms or biases, {len(names)} in all: {listing(names, _SHOWN)}",
            _spare(group, "Rule(NORMS | BIASES, weight_decay=0.0)"),
        )


@finds("PG202", "note", "weight decay on embeddings", Members)
def decayed_embeddings(group: Members) -> Iterator[Said]:
    """A row is pulled to 0 at every step, and learns only when its token comes up; many train so, many spare them.

    Not told: an embedding that is the head as well, and a decay that a rule gives to nothing but such parameters.
    """
    names = group.decayed(is_embedding)
    if names:
        yield Said(
            f"weight decay of {number(group.decay)} on embeddings, {len(names)} in all: {listing(names, _SHOWN)}",
            _spare(group, "Rule(EMBEDDINGS, weight_decay=0.0)"),
        )


def _spare(group: Members, rule: str) -> str:
    """What to do about a weight decay: of its schedule, where the group's own value is 0 already."""
    curve = group.curves.get("weight_decay")
    if curve is not None and curve.base == 0:
        return "Write its schedule in factors, by which a group at 0 stays at 0"
    return f"Spare them, {rule}, after the rules that decay"


@finds("PG203", "warning", "embeddings or head given to Muon", Layout)
def muon_at_the_ends(layout: Layout) -> Iterator[Said]:
    """Muon is made for the matrices in between; rows of embeddings and of the head are tokens, or classes.

    A head is told by its name: `head`, `lm_head`, `classifier`, `fc`, ….
    """
    for group in layout.groups:
        names = [param.name for param in group.params if EMBEDDINGS(param) or is_output(param)]
        if names and layout.is_muon(group):
            yield Said(f"Muon gets {listing(names, _SHOWN)}", "Give embeddings and head to AdamW", *group.places)


@finds("PG204", "warning", "a rule wholly overridden", Ruling)
def dead_rule(rule: Ruling) -> Iterator[Said]:
    """Later rules win, and they replace or freeze all that this one gives.

    The more special rule comes last.
    """
    if not rule.stands:
        by = [*dict.fromkeys(lost.by for lost in rule.lost), *dict.fromkeys(rule.frozen)]
        over = f"they have it from {'; '.join(by[:_SHOWN])}" if rule.lost else "; ".join(by[:_SHOWN])
        yield Said(
            f"nothing that it gives stands on any of the {len(rule.reach)} parameters it matches: {over}",
            "Drop it, or write it after what overrides it",
        )


@finds("PG205", "warning", "an absolute that discards a Times", Ruling)
def discarded_times(rule: Ruling) -> Iterator[Said]:
    """A value replaces all that stands, a `Times` of an earlier rule included; where two overlap, that goes unseen.

    Not told: a later rule for a part of what the earlier one matches, which is how exceptions are written.
    """
    lost: dict[tuple[str, str], list[str]] = {}
    for each in rule.lost if rule.stands else ():
        special = rule.others.get(each.by, frozenset()) <= rule.reach
        if isinstance(each.given, Times) and each.given.factor != 1.0 and not special:
            lost.setdefault((each.by, each.hyperparameter), []).append(each.parameter)
    for (by, hyperparameter), names in lost.items():
        yield Said(
            f"{by} replaces its Times for {hyperparameter} on {len(names)} parameters: {listing(names, _SHOWN)}",
            "Write that rule before this one, or with a Times, where the factor is to hold",
        )


@finds("PG206", "note", "more groups than distinct values", Layout)
def mergeable(layout: Layout) -> Iterator[Said]:
    """Optimizers of torch pay for each group in every step.

    `plan.build(..., merge=True)` puts groups of equal values into one, which all their names still find. Told from
    eight groups that are too many.
    """
    count, distinct = len(layout.groups), layout.distinct
    if count - distinct >= _WORTH:
        yield Said(
            f"they have {distinct} different sets of values",
            "Build with merge=True, or merge them by regroup.merge; their names stay",
        )

"""Whose past is whose: which saved or former groups the parameters of each present group come from.

Knows names, parameters, bases and journal entries; knows no schedule and no clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from torch.optim import Optimizer

from paramgroups.errors import StateMismatchError
from paramgroups.journal import (
    Edit,
    Entry,
    Observe,
    Override,
    Rebase,
    Release,
    Reschedule,
    Restart,
    Stretch,
    Thaw,
    from_json,
    to_json,
)
from paramgroups.lanes import Lane
from paramgroups.params import labels, parameter_names
from paramgroups.schedules import Horizon

VERSION = 1


@final
@dataclass(frozen=True)
class Past:
    """A group as it was: its name, the base of each driven hyperparameter, and what the journal says of it."""

    group: str
    bases: Mapping[str, float]
    entries: tuple[Entry, ...]

    def in_force(self, step: int) -> dict[str, list[Any]]:
        """For each hyperparameter what still counts at update `step`: the base, what became of time, an override."""
        found: dict[str, list[Any]] = {path: [base, (), None] for path, base in self.bases.items()}
        for entry in self.entries:
            now = found.setdefault(entry.hyperparameter, [None, (), None])
            match entry:
                case Edit() | Rebase():
                    now[0] = entry.new
                case Reschedule():
                    now[:2] = entry.base, (replace(entry, group=""),)
                case Restart() | Stretch() | Observe() | Thaw():
                    now[1] = (*now[1], replace(entry, group=""))
                case Override():
                    over = entry.until is not None and entry.until <= step
                    now[2] = None if over else (entry.value, entry.scale, entry.until)
                case Release():
                    now[2] = None
        return found


def past_of(group: str, lanes: Iterable[Lane]) -> Past:
    """The past of a group that these lanes drive."""
    own = list(lanes)
    entries = sorted((entry for lane in own for entry in lane.entries), key=lambda entry: entry.step)
    return Past(group, {lane.path: lane.first.base for lane in own}, tuple(entries))


def inherit(
    pasts: Sequence[Past],
    members: Sequence[Iterable[Hashable]],
    homes: Mapping[Any, int],
    step: int,
    bases: Sequence[Mapping[str, float]] | None = None,
) -> list[Past | None]:
    """The past of each present group; None for one whose parameters are all new.

    Args:
        pasts: the former groups.
        members: the parameters of each present group, or their names.
        homes: parameter, or name -> which of `pasts` it was in.
        step: the next update.
        bases: for each present group what holds instead of the bases of the past, if anything does.

    Raises:
        StateMismatchError: a group holds parameters whose pasts come to different things from here on.
    """
    found: list[Past | None] = []
    for place, own in enumerate(members):
        sources = [pasts[index] for index in sorted({homes[member] for member in own if member in homes})]
        if bases is not None:
            sources = [replace(source, bases=bases[place]) for source in sources]
        if any(source.in_force(step) != sources[0].in_force(step) for source in sources[1:]):
            names = ", ".join(repr(source.group) for source in sources)
            raise StateMismatchError(
                f"A group holds parameters of {names}, whose bases or edits differ.",
                "Keep them in groups of their own, or give them the same base first: scheduler.rebase(...), and "
                "scheduler.release(...) what was overridden.",
            )
        found.append(sources[0] if sources else None)
    return found


def of_the_run(pasts: Iterable[Past | None], lane: Lane) -> list[Entry]:
    """What the journal says of the whole run, for a lane that joins it: a new end, and each metric observed.

    Every lane that it concerns was told the same, since it joined; the one that was told most, all of it.
    """
    told: list[Entry] = []
    for kind in (Stretch, Observe) if lane.first.schedule.driven_by_metric else (Stretch,):
        by_lane: defaultdict[tuple[int, str], list[Entry]] = defaultdict(list)
        for index, past in enumerate(pasts):
            for entry in past.entries if past else ():
                if isinstance(entry, kind):
                    by_lane[index, entry.hyperparameter].append(entry)
        most: list[Entry] = max(by_lane.values(), key=len, default=[])
        told += most
    return [replace(entry, hyperparameter=lane.path) for entry in sorted(told, key=lambda entry: entry.step)]


def to_state(
    optimizer: Optimizer, step: int, lanes: Sequence[Sequence[Lane]], journal: Sequence[Entry]
) -> dict[str, Any]:
    """Position, bases and journal as JSON could hold them, each group with the names of its parameters."""
    groups = [
        {
            "name": label.name,
            "parameters": parameter_names(optimizer, group),
            "size": len(group["params"]),
            "bases": {lane.path: lane.first.base for lane in own},
        }
        for label, group, own in zip(labels(optimizer), optimizer.param_groups, lanes, strict=True)
    ]
    return {"version": VERSION, "step": step, "groups": groups, "journal": [to_json(entry) for entry in journal]}


def from_state(
    state: Mapping[str, Any], optimizer: Optimizer, bases: Sequence[Mapping[str, float]] | None = None
) -> tuple[int, list[Past | None]]:
    """The step of a saved state, and the past of each present group of `optimizer`.

    Args:
        state: what `to_state` gave.
        optimizer: whose groups are meant.
        bases: for each group what holds instead of the saved bases, if anything does.

    Raises:
        StateMismatchError: it is no state of ours, or does not fit the optimizer.
    """
    step, saved = checked(state)
    pasts = saved_pasts(state)
    names = [parameter_names(optimizer, group) for group in optimizer.param_groups]
    homes = {name: index for index, group in enumerate(saved) for name in group["parameters"] or ()}
    found = inherit(pasts, [own or () for own in names], homes, step, bases)
    nameless = [index for index, own in enumerate(names) if own is None]
    former = [index for index, group in enumerate(saved) if group["parameters"] is None]
    if len(nameless) != len(former):  # some were named since, or are no longer: no names tell them apart
        nameless, former = list(range(len(names))), list(range(len(saved)))
    check_sizes([saved[index]["size"] for index in former], [optimizer.param_groups[index] for index in nameless])
    for index, source in zip(nameless, former, strict=True):
        found[index] = pasts[source] if bases is None else replace(pasts[source], bases=bases[index])
    return step, found


def saved_pasts(state: Mapping[str, Any]) -> list[Past]:
    """The past of each group in a saved state."""
    entries = [from_json(entry) for entry in state["journal"]]
    return [
        Past(
            group["name"],
            {path: float(base) for path, base in group["bases"].items()},
            tuple(entry for entry in entries if entry.group == group["name"]),
        )
        for group in state["groups"]
    ]


def check_sizes(sizes: Sequence[int], groups: Iterable[Mapping[str, Any]]) -> None:
    """Groups may be taken for the former ones by position where each has as many parameters.

    Raises:
        StateMismatchError: one has not.
    """
    present = [len(group["params"]) for group in groups]
    if present != list(sizes):
        raise StateMismatchError(
            f"The groups had {list(sizes)} parameters, and now have {present}.",
            "Parameters without names are found by position: build the same groups, or name them before saving and "
            "before loading, pg.name_groups(optimizer, model).",
        )


def checked(state: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """The step of a saved state, and its groups.

    Raises:
        StateMismatchError: it is no state of ours.
    """
    wanted: dict[str, Callable[[Any], bool]] = {
        "version": lambda value: isinstance(value, int),
        "step": lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        "groups": lambda value: isinstance(value, list) and all(set(group) >= _GROUP_KEYS for group in value),
        "journal": lambda value: isinstance(value, list),
    }
    wrong = [key for key, fits in wanted.items() if key not in state or not fits(state[key])]
    if wrong:
        raise StateMismatchError(
            f"This is no state of a paramgroups Scheduler: {', '.join(wrong)} is missing or malformed.",
            "Load what Scheduler.state_dict() returned. A torch scheduler's state holds no bases and no journal.",
        )
    if state["version"] != VERSION:
        raise StateMismatchError(
            f"The state has version {state['version']}, and this version of paramgroups reads {VERSION}.",
            "Load it with the version that wrote it.",
        )
    return state["step"], state["groups"]


_GROUP_KEYS = {"name", "parameters", "size", "bases"}


def continued(horizon: Horizon | None, pasts: Iterable[Past | None]) -> Horizon | None:
    """The horizon after what the journal says of it; the scheduler has to be made with the one before.

    Raises:
        StateMismatchError: it was not.
    """
    entries = {entry for past in pasts if past is not None for entry in past.entries if isinstance(entry, Stretch)}
    changes = {(entry.step, entry.old, entry.new) for entry in entries}
    while changes:
        first = min(step for step, _, _ in changes)
        due = [change for change in changes if change[0] == first]
        change = next((each for each in due if horizon is not None and each[1] == horizon.steps), None)
        if change is None:
            _, old, new = due[0]
            raise StateMismatchError(
                f"The run was planned for {old} updates and then made {new} long, and this scheduler has {horizon!r}.",
                f"Make it with Horizon(steps={old}), as it was; the state then makes it longer.",
            )
        changes.remove(change)
        horizon = Horizon(change[2])
    return horizon

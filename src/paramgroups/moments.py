"""What is due when: events of a timetable, and what they come to, stage by stage.

Knows moments, selections and the journal; touches no parameter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias, final

from paramgroups import expressions
from paramgroups.announcements import announced
from paramgroups.errors import CompositionError, FreezeError, UnresolvedDurationError
from paramgroups.freezing import check_grouped
from paramgroups.holds import Hold, moment
from paramgroups.journal import Entry, Stretch
from paramgroups.params import Param
from paramgroups.plan.audit import selected
from paramgroups.plan.rules import select_code
from paramgroups.scheduler import Scheduler
from paramgroups.schedules import Duration, Horizon, Schedule, Warmup
from paramgroups.schedules.units import as_duration
from paramgroups.selectors import Selector, selector

Given: TypeAlias = (
    "tuple[Selector | str, str, Duration] | tuple[Selector | str, str, Duration, Duration | Schedule | None]"
)
"""What is selected, `"thaw"` or `"freeze"`, when, and for a thaw perhaps a warm-up."""


@final
@dataclass(frozen=True)
class Event:
    """At one moment of the run, some parameters are thawed, or frozen.

    Args:
        source: whose word it is: a selection's, or a rule's.
        what: is done, `"thaw"` or `"freeze"`.
        when: as it was given.
        step: the update before which it is done, as the run was planned.
        warmup: factors by which the lr of what is thawed is multiplied from then on.
        names: of the parameters.
    """

    source: str
    what: str
    when: Duration
    step: int
    warmup: Schedule | None
    names: frozenset[str] = field(repr=False)


def of_plan(scheduler: Scheduler) -> list[Event]:
    """The thaws that a plan has announced for the optimizer of a scheduler, and nothing takes care of yet."""
    return [
        Event(
            f"rule {each.rule!r}",
            "thaw",
            each.when,
            _step(scheduler, each.when, f"Rule(..., thaw={each.when!r})"),
            _factors(scheduler, each.warmup, f"Rule(..., warmup={each.warmup!r})"),
            frozenset(param.name for param in each.params),
        )
        for each in announced(scheduler.optimizer)
    ]


def of_entry(given: Given, params: Sequence[Param], scheduler: Scheduler) -> Event:
    """What one entry of a timetable says."""
    try:
        select, what, when, *more = given
        (warmup,) = more or [None]
    except (TypeError, ValueError):
        raise TypeError(
            f"{given!r} is no event.\nWrite ('stem.*', 'thaw', '2 epochs'), and for a thaw perhaps a warm-up after "
            "it: ('stem.*', 'thaw', '2 epochs', '1 epoch')."
        ) from None
    if what not in {"thaw", "freeze"} or (warmup is not None and what == "freeze"):
        raise ValueError(f"{given!r} is no event.\nWhat it does is 'thaw' or 'freeze', and only a thaw warms up.")
    select = selector(select)
    chosen = selected(select, params)
    grouped = {id(parameter) for group in scheduler.optimizer.param_groups for parameter in group["params"]}
    own = [param for param in chosen if id(param.parameter) in grouped]
    check_grouped(own or chosen, scheduler.optimizer)
    source = select_code(select)
    step = _step(scheduler, when, f"Timetable: {given!r}")
    factors = _factors(scheduler, warmup, f"Timetable: {given!r}")
    return Event(source, what, when, step, factors, frozenset(param.name for param in own))


def stages(events: Sequence[Event]) -> list[dict[str, Hold]]:
    """What is frozen, and why, before the first moment and from each on.

    Raises:
        FreezeError: an event changes nothing.
    """
    first: dict[str, Event] = {}
    for event in events:
        for name in event.names:
            first.setdefault(name, event)
    frozen = {name for name, event in first.items() if event.what == "thaw"}
    found = [{name: _why(events, name, -1) for name in frozen}]
    for index, event in enumerate(events):
        changed = event.names & frozen if event.what == "thaw" else event.names - frozen
        if not changed:
            raise FreezeError(
                f"({event.source}, {event.what!r}, {event.when!r}) changes nothing: by then all of it is "
                f"{'thawed' if event.what == 'thaw' else 'frozen'}.",
                "Leave it out, or give it another moment.",
            )
        frozen = frozen - event.names if event.what == "thaw" else frozen | event.names
        stage = {name: _why(events, name, index) for name in frozen}
        if index and events[index - 1].step == event.step:
            found.pop()
        found.append(stage)
    return found


def dues(steps: Iterable[int], journal: Iterable[Entry]) -> list[int]:
    """Before which updates it is due what was planned for these: a journal may say that the run takes longer, or less.

    Example:
        >>> dues([5, 15], [Stretch(step=10, group="head", hyperparameter="lr", old=20, new=40)])
        [5, 25]
    """
    entries = [entry for entry in journal if isinstance(entry, Stretch)]
    changes = dict.fromkeys((entry.step, entry.old, entry.new) for entry in entries)
    found = []
    for step in steps:
        due = Fraction(step)
        for at, old, new in changes:
            if due >= old:
                due += new - old
            elif due > at:
                due = at + (due - at) * Fraction(new - at, old - at)
        found.append(math.ceil(due))
    return found


def _step(scheduler: Scheduler, when: Duration, where: str) -> int:
    """The update that a moment is in this run."""
    duration = as_duration(when, where, rest=False)
    if isinstance(duration, int):
        return duration
    if scheduler.horizon is None:
        raise UnresolvedDurationError(where, [duration])
    return _first_horizon(scheduler).steps_in(duration, where=where)


def _factors(scheduler: Scheduler, given: Duration | Schedule | None, where: str) -> Schedule | None:
    """A warm-up as a schedule of whole steps.

    Raises:
        CompositionError: it is no factor.
        ExpressionError: it cannot be written down.
    """
    if given is None:
        return None
    if not isinstance(given, Schedule):
        return Warmup(_step(scheduler, given, where))
    schedule = given if scheduler.horizon is None else given.resolve(_first_horizon(scheduler))
    if not schedule.pure_factor:
        raise CompositionError(
            [repr(schedule)],
            f"in {where} a warm-up is made of factors, and this has Absolute levels",
            "Write plain numbers, factors of what the group's schedule gives: Linear(100, start=0.1, end=1.0).",
        )
    expressions.read(repr(schedule))
    return schedule


def _first_horizon(scheduler: Scheduler) -> Horizon:
    """The horizon by which the run was planned, however long it has become since: what is due when moves with that."""
    horizon = scheduler.horizon
    assert horizon is not None  # as its caller has asked
    first = next((entry.old for entry in scheduler.journal if isinstance(entry, Stretch)), horizon.steps)
    totals = {unit: getattr(horizon, unit) for unit in ("epochs", "samples", "tokens")}
    scaled = {unit: total and total * first / horizon.steps for unit, total in totals.items()}
    return Horizon(first, **scaled) if first != horizon.steps else horizon


def _why(events: Sequence[Event], name: str, index: int) -> Hold:
    """Why a parameter is frozen after an event: until the next that thaws it, if any does."""
    until = next((event for event in events[index + 1 :] if name in event.names and event.what == "thaw"), None)
    if until is None:
        return Hold("the timetable")
    by = until.source if until.source.startswith("rule ") else "the timetable"
    return Hold(f"{by} until {moment(until.when)}")

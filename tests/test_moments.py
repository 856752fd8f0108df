"""What is due when, and what events come to, stage by stage."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import paramgroups as pg
from paramgroups.errors import FreezeError
from paramgroups.holds import Hold
from paramgroups.journal import Entry, Stretch
from paramgroups.moments import Event, dues, of_entry, stages
from paramgroups.params import named
from paramgroups.schedules import Linear, Schedule


def event(what: str, step: int, *names: str, when: int | str | None = None, source: str = "'x'") -> Event:
    """One without a warm-up."""
    return Event(source, what, step if when is None else when, step, None, frozenset(names))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 40), st.integers(1, 40)), max_size=3, unique=True),
    st.lists(st.integers(0, 80), max_size=5),
)
def test_events_move_as_schedules_do(changes, steps):
    """What was planned for a step is due when a schedule that was stretched alike has come as far, and not before."""
    line: Schedule = Linear(200, start=0.0, end=200.0)
    journal: list[Entry] = []
    for at, old, new in changes:
        journal.append(Stretch(step=at, group="head", hyperparameter="lr", old=at + old, new=at + new))
        line = line.stretch(at=at, old=at + old, new=at + new)
    come = line.values(range(4000), base=1.0)
    for step, due in zip(steps, dues(steps, journal), strict=True):
        assert due < 4000
        assert come[due] >= step - 1e-9
        assert due == 0 or come[due - 1] < step + 1e-9


def test_each_horizon_counts_once_however_many_groups_it_is_told_of():
    """The journal has an entry for each hyperparameter of each group."""
    moments = {"step": 0, "old": 10, "new": 20}
    journal = [Stretch(group=group, hyperparameter="lr", **moments) for group in "ab"]
    assert dues([5], journal) == [10]


def test_stages_say_what_is_frozen_why_and_until_when():
    """Before the first moment, and from each on; events of one moment are one stage."""
    found = stages(
        [
            event("thaw", 3, "a", "b", when="1 epoch", source="rule 'stem'"),
            event("freeze", 5, "b", "c"),
            event("freeze", 5, "a"),
            event("thaw", 9, "b"),
        ]
    )
    until_3, until_9, for_ever = (
        Hold(why) for why in ("rule 'stem' until 1 epoch", "the timetable until update 9", "the timetable")
    )
    assert found == [
        {"a": until_3, "b": until_3},
        {},
        {"a": for_ever, "b": until_9, "c": for_ever},
        {"a": for_ever, "c": for_ever},
    ]


@pytest.mark.parametrize(
    "events",
    [
        [event("thaw", 3, "a"), event("thaw", 4, "a")],
        [event("freeze", 3, "a", "b"), event("freeze", 4, "a")],
        [event("thaw", 3, "a"), event("freeze", 3, "a"), event("freeze", 3, "a")],
    ],
)
def test_an_event_that_changes_nothing_is_a_mistake(events):
    """As a rule that matches nothing is."""
    with pytest.raises(FreezeError, match="changes nothing"):
        stages(events)


def test_an_event_is_resolved_by_the_horizon_with_which_the_run_began():
    """However long it has become since."""
    net = nn.ModuleDict({"stem": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
    optimizer = pg.Plan(lr=0.1).build(net, torch.optim.SGD)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear("100%"), horizon=pg.Horizon(steps=100, epochs=10))
    scheduler.reschedule(horizon=pg.Horizon(steps=200, epochs=20))
    found = of_entry(("stem.*", "thaw", "50%", "1 epoch"), named(net), scheduler)
    assert (found.step, repr(found.warmup), sorted(found.names)) == (50, "Warmup(10)", ["stem.bias", "stem.weight"])
    assert dues([found.step], scheduler.journal) == [100]

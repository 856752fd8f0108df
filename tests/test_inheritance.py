"""Whose past is whose."""

import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups.errors import StateMismatchError
from paramgroups.inheritance import Past, check_sizes, from_state, inherit, of_the_run
from paramgroups.journal import Edit, Observe, Override, Rebase, Release, Reschedule, Restart, Stretch, Thaw
from paramgroups.lanes import Lane
from paramgroups.schedules import Plateau

HEAD = Past("head", {"lr": 1.0}, (Release(step=1, group="head", hyperparameter="lr"),))
TWIN = Past("twin", {"lr": 1.0}, (Release(step=1, group="twin", hyperparameter="lr"),))
BODY = Past("body", {"lr": 0.1}, ())


def test_a_group_that_was_split_gives_both_parts_its_past():
    """And a group of new parameters has none."""
    homes = {"a": 0, "b": 0, "c": 1}
    assert inherit([HEAD, BODY], [["a"], ["b"], ["c"], ["new"]], homes, 4) == [HEAD, HEAD, BODY, None]


def test_groups_of_equal_past_may_be_merged():
    """Names are labels: what counts is base and entries."""
    assert inherit([HEAD, TWIN], [["a", "b", "new"]], {"a": 0, "b": 1}, 4) == [HEAD]


def test_groups_of_different_past_may_not():
    """The message names both."""
    with pytest.raises(StateMismatchError, match="parameters of 'head', 'body', whose bases or edits differ"):
        inherit([HEAD, BODY], [["a", "b"]], {"a": 0, "b": 1}, 4)


def at(step, kind, **fields):
    """An entry of the journal on lr."""
    return kind(step=step, group="head", hyperparameter="lr", **fields)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([at(1, Rebase, old=1.0, new=0.1)], []),
        ([at(1, Edit, value=0.7, old=1.0, new=0.5), at(2, Rebase, old=0.5, new=0.1)], []),
        ([at(1, Rebase, old=1.0, new=0.1), at(1, Override, value=0.3, until=4)], []),
        ([at(1, Rebase, old=1.0, new=0.1), at(1, Override, value=0.3), at(3, Release)], []),
        (
            [at(3, Reschedule, schedule="Linear(5)", base=0.3)],
            [at(2, Restart), at(3, Reschedule, schedule="Linear(5)", base=0.3)],
        ),
    ],
    ids=["rebased to it", "edited before", "overridden for a while", "released", "with the same tail"],
)
def test_what_no_longer_counts_does_not_keep_groups_apart(one, other):
    """Bases 1 and 0.1: what counts is what is in force at update 4."""
    pasts = [Past("a", {"lr": 1.0}, tuple(one)), Past("b", {"lr": 0.1}, tuple(other))]
    assert inherit(pasts, [["x", "y"]], {"x": 0, "y": 1}, 4) == [pasts[0]]


@pytest.mark.parametrize(
    "entry",
    [
        at(1, Rebase, old=0.1, new=0.2),
        at(1, Override, value=0.3, until=5),
        at(1, Override, scale=0.3),
        at(1, Restart),
        at(1, Stretch, old=10, new=20),
        at(1, Observe, metric=1.0),
        at(1, Thaw, warmup="Warmup(5)"),
        at(1, Reschedule, schedule="Linear(5)", base=0.1),
    ],
    ids=lambda entry: type(entry).__name__,
)
def test_what_counts_keeps_groups_apart(entry):
    """Each kind of entry."""
    pasts = [Past("a", {"lr": 0.1}, (entry,)), Past("b", {"lr": 0.1}, ())]
    with pytest.raises(StateMismatchError, match="give them the same base first"):
        inherit(pasts, [["x", "y"]], {"x": 0, "y": 1}, 4)


def optimizer(sizes=(1, 2)):
    """Groups of so many parameters each, without names."""
    return torch.optim.SGD([{"params": [torch.zeros(1) for _ in range(size)]} for size in sizes], lr=0.1)


def state(**changes):
    """A saved state with some fields changed; `...` leaves one out."""
    made = pg.Scheduler(optimizer(), lr=pg.Linear(10)).state_dict()
    return {key: value for key, value in (made | changes).items() if value is not ...}


def test_unnamed_groups_are_found_by_position():
    """In order, where each has as many parameters."""
    step, pasts = from_state(state(step=4), optimizer())
    assert step == 4
    assert [past.group for past in pasts if past is not None] == ["group0", "group1"]


def test_unnamed_groups_of_other_sizes_are_refused():
    """With the sizes, and the way to make names count."""
    with pytest.raises(StateMismatchError, match=r"had \[1, 2\] parameters, and now have \[2, 1\]") as caught:
        from_state(state(), optimizer((2, 1)))
    assert "pg.name_groups(optimizer, model)" in str(caught.value)
    with pytest.raises(StateMismatchError):
        check_sizes([1], optimizer().param_groups)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": ...},
        {"step": ...},
        {"step": -1},
        {"step": True},
        {"step": "3"},
        {"groups": [{"name": "x"}]},
        {"groups": None},
        {"journal": None},
    ],
    ids=str,
)
def test_what_is_no_state_is_refused(changes):
    """The message names the field."""
    with pytest.raises(StateMismatchError, match=f"no state of a paramgroups Scheduler: {next(iter(changes))}"):
        from_state(state(**changes), optimizer())


def test_a_state_of_a_newer_version_is_refused():
    """It is not guessed at."""
    with pytest.raises(StateMismatchError, match="version 99, and this version of paramgroups reads 1"):
        from_state(state(version=99), optimizer())


def partly_named(*, reverse=False):
    """Two named groups in this order or the other, and one that nobody named."""
    net = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    made = pg.Plan(pg.Rule("a.*", name="a"), pg.Rule("b.*", name="b"), lr=0.1).build(net, torch.optim.AdamW)
    if reverse:
        made.param_groups.reverse()
    made.add_param_group({"params": [torch.zeros(3)]})
    return made


def test_a_group_without_names_does_not_take_the_names_of_others_away():
    """Named groups are found by name, whatever their order; the nameless by their position among themselves."""
    scheduler = pg.Scheduler(partly_named(), lr=pg.Linear(10))
    scheduler.rebase("a", lr=0.2)
    scheduler.rebase("group2", lr=0.3)
    other = pg.Scheduler(partly_named(reverse=True), lr=pg.Linear(10))
    other.load_state_dict(scheduler.state_dict())
    assert other.base_lrs == [0.1, 0.2, 0.3]  # of b, a and the nameless


def test_groups_that_were_named_since_are_found_by_position():
    """Nothing else tells which is which."""
    net = nn.Linear(2, 2)
    saved = pg.Scheduler(torch.optim.SGD(net.parameters(), lr=0.1), lr=pg.Linear(10))
    saved.rebase(lr=0.2)
    named = pg.Scheduler(pg.Plan(lr=0.1).build(net, torch.optim.SGD), lr=pg.Linear(10))
    named.load_state_dict(saved.state_dict())
    assert named.base_lrs == [0.2]


LONGER = Stretch(step=2, group="head", hyperparameter="lr", old=10, new=20)
LOSSES = tuple(Observe(step=step, group="head", hyperparameter="lr", metric=1.0) for step in (1, 2, 2))


def test_what_joins_is_told_of_the_whole_run():
    """A new end, and what was observed, each as often as it was told; not what was done to one group."""
    pasts = [Past("body", {"lr": 0.1}, LOSSES[:2]), None, Past("head", {"lr": 1.0}, (*LOSSES, LONGER, *HEAD.entries))]
    metric = Lane("new", "weight_decay", Plateau(), 0.1)
    told = of_the_run(pasts, metric)
    assert [(type(entry), entry.step) for entry in told] == [(Observe, 1), (Stretch, 2), (Observe, 2), (Observe, 2)]
    assert {entry.hyperparameter for entry in told} == {"weight_decay"}
    assert [type(entry) for entry in of_the_run(pasts, Lane("new", "lr", pg.Linear(10), 0.1))] == [Stretch]
    assert of_the_run([BODY, None], metric) == []

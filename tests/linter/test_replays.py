"""What a scheduler of torch comes to, without touching it."""

import copy
import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim import lr_scheduler as theirs
from torch.optim.swa_utils import SWALR

from paramgroups.linter import replays
from paramgroups.linter.curves import Floor, Join, Time
from paramgroups.linter.replays import Known, known_of, run_ahead, run_on, stepped, ticks_of

STEPS = 20


def sgd(*lrs: float, **options: Any) -> SGD:
    """A group for each lr."""
    return SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in lrs], lr=0.1, momentum=0.9, **options)


class Counting:
    """A factor that counts its own calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int) -> float:
        self.calls += 1
        return 0.5**self.calls

    def method(self, step: int) -> float:
        """A factor that is part of something larger."""
        return 0.5**step


class Remembering(theirs.LRScheduler):
    """A user's own, which keeps what it gave."""

    def __init__(self, optimizer: Any) -> None:
        self.given: list[float] = []
        super().__init__(optimizer)

    def get_lr(self) -> list[float | torch.Tensor]:
        self.given.append(self.last_epoch)
        return [base / (1 + self.last_epoch) for base in self.base_lrs]


def nested(optimizer: Any) -> theirs.LRScheduler:
    """A warm-up and a cosine one after the other, and a level beside them."""
    parts = [theirs.LinearLR(optimizer, 0.1, 1.0, 5), theirs.CosineAnnealingLR(optimizer, 15)]
    beside = theirs.ConstantLR(optimizer, 0.5, 4)
    return theirs.ChainedScheduler([theirs.SequentialLR(optimizer, parts, [5]), beside], optimizer)


def sequence(optimizer: Any) -> theirs.LRScheduler:
    """A warm-up, then steps."""
    parts = [theirs.LinearLR(optimizer, 0.1, 1.0, 5), theirs.MultiStepLR(optimizer, [4, 8])]
    return theirs.SequentialLR(optimizer, parts, [5])


KINDS = {
    "LambdaLR": lambda o: theirs.LambdaLR(o, lambda k: 0.9**k),
    "a method": lambda o: theirs.LambdaLR(o, Counting().method),
    "a counter": lambda o: theirs.LambdaLR(o, Counting()),
    "MultiplicativeLR": lambda o: theirs.MultiplicativeLR(o, lambda k: 0.9),
    "StepLR": lambda o: theirs.StepLR(o, 3),
    "MultiStepLR": lambda o: theirs.MultiStepLR(o, [3, 9]),
    "ConstantLR": lambda o: theirs.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda o: theirs.LinearLR(o, 0.5, 1.0, 4),
    "ExponentialLR": lambda o: theirs.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: theirs.PolynomialLR(o, 10, 2.0),
    "CosineAnnealingLR": lambda o: theirs.CosineAnnealingLR(o, 10, 0.01),
    "CosineAnnealingWarmRestarts": lambda o: theirs.CosineAnnealingWarmRestarts(o, 3, 2),
    "OneCycleLR": lambda o: theirs.OneCycleLR(o, 0.5, 40),
    "CyclicLR": lambda o: theirs.CyclicLR(o, 0.01, 0.1, 4),
    "SequentialLR": sequence,
    "nested ones": nested,
    "SWALR": lambda o: SWALR(o, 0.05, 5),
    "a user's own": Remembering,
}


@pytest.mark.parametrize("past", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_foretold_is_what_comes(kind, past):
    """To the bit, whichever scheduler, nested ones too, and wherever it stands."""
    optimizer = sgd(0.1, 0.01)
    scheduler = KINDS[kind](optimizer)
    for _ in range(past):
        optimizer.step()
        scheduler.step()
    foretold = run_ahead(scheduler, STEPS).tolist()
    came = [[float(group["lr"]) for group in optimizer.param_groups]]
    for _ in range(STEPS):
        optimizer.step()
        scheduler.step()
        came.append([float(group["lr"]) for group in optimizer.param_groups])
    assert foretold == came


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_touched(kind):
    """Neither the scheduler, nor what it keeps, nor its optimizer."""
    optimizer = sgd(0.1, 0.01)
    scheduler = KINDS[kind](optimizer)

    def seen() -> Any:
        groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
        calls = [vars(each) for each in getattr(scheduler, "lr_lambdas", []) if isinstance(each, Counting)]
        return copy.deepcopy((scheduler.state_dict(), groups, optimizer.state_dict(), calls))

    before = seen()
    run_on(scheduler, Time(STEPS))
    assert str(seen()) == str(before)
    assert scheduler.optimizer is optimizer


def test_a_tensor_lr_is_not_touched_either():
    """It is filled in place by whoever has it."""
    lr = torch.tensor(0.1)
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=lr)
    (curve,) = run_on(theirs.ExponentialLR(optimizer, 0.5), Time(3))
    assert curve.values.tolist() == pytest.approx([0.1, 0.05, 0.025, 0.0125])
    assert float(lr) == pytest.approx(0.1)


def test_running_ahead_warns_of_nothing():
    """What torch would say of a loop that steps the scheduler alone is not said here."""
    scheduler = theirs.StepLR(sgd(0.1), 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(run_ahead(scheduler, STEPS)) == STEPS + 1


def test_groups_that_are_alike_share_a_curve():
    """By base and values; each has its groups' names."""
    curves = run_on(theirs.StepLR(sgd(0.1, 0.01, 0.1), 3), Time(5))
    assert [(curve.groups, curve.base) for curve in curves] == [(("group0", "group2"), 0.1), (("group1",), 0.01)]
    assert all(curve.ticks.tolist() == [0, 1, 2, 3, 4, 5] for curve in curves)


def test_a_run_of_unknown_length_is_as_long_as_the_scheduler():
    """Where that has an end."""
    (curve,) = run_on(theirs.LinearLR(sgd(0.1), 0.5, 1.0, 4), Time())
    assert (curve.length, len(curve.values)) == (4, 5)
    assert curve.last == pytest.approx(0.1)


def test_a_scheduler_that_raises_is_over_there():
    """Whatever it raises."""
    (curve,) = run_on(theirs.LambdaLR(sgd(0.1), [1.0, 0.5, 0.25].__getitem__), Time(10))
    assert (curve.after, curve.length, curve.values.tolist()) == ("raises", 2, [0.1, 0.05, 0.025])


def test_one_that_follows_a_metric_has_no_curve():
    """Only where it stands."""
    (curve,) = run_on(theirs.ReduceLROnPlateau(sgd(0.1)), Time(10))
    assert (curve.metric, curve.values.tolist(), curve.after) == (True, [0.1], "holds")


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("LambdaLR", Known()),
        ("a user's own", Known()),
        ("StepLR", Known(stepwise=True, milestones=((3,),))),
        ("MultiStepLR", Known(stepwise=True, milestones=((3, 9),))),
        ("ConstantLR", Known(4, stepwise=True, milestones=((4,),))),
        ("LinearLR", Known(4)),
        ("PolynomialLR", Known(10)),
        ("CosineAnnealingLR", Known(10, "rises", floors=(0.01,))),
        ("CosineAnnealingWarmRestarts", Known(coming_back=True, floors=(0.0,))),
        ("OneCycleLR", Known(40, "raises")),
        ("CyclicLR", Known(coming_back=True)),
        ("SequentialLR", Known(stepwise=True, milestones=((9, 13),), phases=(5,))),
        ("nested ones", Known(milestones=((4,),), floors=(0.0,))),
    ],
)
def test_the_class_tells_how_it_ends(kind, known):
    """And when; of nested ones the last does, moments counted from where it starts."""
    assert known_of(KINDS[kind](sgd(0.1))) == known


def test_of_several_at_once_the_last_to_end_tells_unless_one_never_does():
    """A cosine of torch never does."""
    optimizer = sgd(0.1)
    parts = [theirs.ConstantLR(optimizer, 0.5, 4), theirs.LinearLR(optimizer, 0.5, 1.0, 6)]
    assert known_of(theirs.ChainedScheduler(parts, optimizer)) == Known(6, milestones=((4,),))


def test_joins_are_judged_by_the_slopes_on_both_sides():
    """A phase that goes on where the last one was going is no jump; two levels, or one more cycle, are on purpose."""

    def joins(milestone: int, *kinds: Any) -> list[Join]:
        optimizer = sgd(0.1)
        parts = [kind(optimizer) for kind in kinds]
        (curve,) = run_on(theirs.SequentialLR(optimizer, parts, [milestone]), Time(STEPS))
        return [Join(join.tick, round(join.share, 6)) for join in curve.joins]

    up, half = (lambda o: theirs.LinearLR(o, 0.1, 1.0, 5)), (lambda o: theirs.LinearLR(o, 0.1, 0.5, 5))
    cosine = lambda o: theirs.CosineAnnealingLR(o, 10)  # noqa: E731 - a row of the table
    assert joins(5, up, cosine) == [Join(5, 0.0)]
    assert joins(5, half, cosine) == [Join(5, 0.5)]
    assert joins(10, cosine, cosine) == []
    assert joins(10, lambda o: theirs.ConstantLR(o, 0.1, 99), lambda o: theirs.ConstantLR(o, 1.0, 99)) == []
    assert joins(1, up, cosine) == []  # a phase of one tick has no slope


def test_floors_are_held_against_each_group():
    """From the base of its own."""
    curves = run_on(theirs.CosineAnnealingLR(sgd(0.1, 0.001), 9, 0.01), Time(9))
    assert [curve.floors for curve in curves] == [(Floor(0.01, 0.1),), (Floor(0.01, 0.001),)]


def test_the_position_of_a_chain_is_that_of_its_parts():
    """It has none of its own in every version of torch."""
    optimizer = sgd(0.1)
    parts = [theirs.StepLR(optimizer, 3), theirs.ExponentialLR(optimizer, 0.9)]
    chained = theirs.ChainedScheduler(parts, optimizer)
    for _ in range(4):
        optimizer.step()
        chained.step()
    assert ticks_of(chained) == 4
    assert run_on(chained, Time(10))[0].ticks.tolist() == list(range(4, 11))


@pytest.mark.parametrize(
    ("options", "fused", "called", "trained"),
    [
        ({"momentum": 0.9}, False, True, False),
        ({"momentum": 0.9}, False, False, False),
        ({"momentum": 0.0}, False, True, False),
        ({"momentum": 0.0}, False, False, True),
        ({"momentum": 0.0}, True, True, True),
    ],
)
def test_nothing_speaks_for_training_where_a_scheduler_was_stepped_alone(options, fused, called, trained):
    """But without momentum there is no state: then a run that goes on, or a fused step, cannot be told from none."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.1, fused=fused, **options)
    scheduler = theirs.StepLR(optimizer, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, where the optimizer was not called
        for _ in range(10):
            if called:
                optimizer.step()
            scheduler.step()
    found = stepped(scheduler)
    assert (found.name, found.ticks, found.trained) == ("StepLR", 10, trained)
    assert found.places == ["StepLR"]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("cleared", [True, False])
def test_updates_speak_for_training(momentum, cleared):
    """By state, by gradients, or by writes into the parameters."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = SGD([parameter], lr=0.1, momentum=momentum)
    scheduler = theirs.StepLR(optimizer, 30)
    for _ in range(10):
        parameter.grad = torch.ones(1)
        optimizer.step()
        scheduler.step()
        if cleared:
            optimizer.zero_grad()
    assert stepped(scheduler).trained


def test_a_very_long_run_is_looked_at_as_far_as_there_is_time(monkeypatch):
    """And its end is unknown then, rather than another."""
    monkeypatch.setattr(replays, "_TICKS", 100)
    (curve,) = run_on(theirs.ExponentialLR(sgd(0.1), 1.0), Time(10**9))
    assert (len(curve.values), curve.after, curve.length) == (101, "holds", None)
    assert curve.at(10**9) is None
    monkeypatch.setattr(replays, "_NUMBERS", 100)
    assert {len(each.values) for each in run_on(theirs.ExponentialLR(sgd(0.1, 0.2), 1.0), Time(10**9))} == {51}

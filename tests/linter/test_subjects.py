"""What a user hands over, taken apart."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.optim import lr_scheduler as theirs

import paramgroups as pg
from lint_setups import Model
from paramgroups.driver import attached
from paramgroups.errors import GroupNameError, ScheduleArgumentError, UnresolvedDurationError
from paramgroups.linter import subjects
from paramgroups.linter.curves import Curve, Time
from paramgroups.linter.layouts import Layout, Members
from paramgroups.linter.loops import Loop
from paramgroups.linter.replays import Stepped
from paramgroups.linter.rulings import Ruling
from paramgroups.recipe import outline

RUN = pg.Horizon(100, epochs=10)
LR = pg.Warmup("5%").then(pg.Cosine("rest"))


def curves(found):
    """The curves: path, groups, base, end."""
    return [(e.path, e.groups, e.base, e.time.ticks) for e in found if isinstance(e, Curve)]


def optimizer_of(*rules, kind=SGD):
    """An optimizer over the model, whose groups have names."""
    return pg.Plan(*rules, lr=0.1).build(Model(), kind)


def test_a_schedule_has_a_curve_for_each_base():
    """Groups of one base share it."""
    assert curves(subjects.of_schedule(LR, "lr", None, RUN)) == [("lr", (), None, 100)]
    assert curves(subjects.of_schedule(LR, "eps", 0.5, RUN)) == [("eps", (), 0.5, 100)]
    bases = {"a": 0.1, "b": 0.2, "c": 0.1}
    assert curves(subjects.of_schedule(LR, "lr", bases, RUN)) == [
        ("lr", ("a", "c"), 0.1, 100),
        ("lr", ("b",), 0.2, 100),
    ]


def test_a_plan_has_groups_and_rules():
    """And all groups together."""
    grouping = pg.Plan(pg.Rule("norm.*", lr=0.2), lr=0.1).on(Model())
    assert [type(each) for each in subjects.of_plan(grouping)] == [Layout, Members, Members, Ruling]


def test_a_live_scheduler_is_read_as_it_is_in_force():
    """After an edit, a restart and another tail, each from where its time starts."""
    optimizer = optimizer_of(pg.Rule("norm.*", name="norm", lr=0.2))
    scheduler = pg.Scheduler(optimizer, lr=LR, horizon=RUN)
    found = list(subjects.of_live(optimizer, RUN, None, None))
    assert curves(found) == [("lr", ("default",), 0.1, 100), ("lr", ("norm",), 0.2, 100)]
    for _ in range(10):
        optimizer.step()
    scheduler.rebase("default", lr=0.2)
    scheduler.reschedule("norm", lr=pg.Linear(50))
    assert curves(subjects.of_live(optimizer, RUN, None, None)) == [
        ("lr", ("default",), 0.2, 100),
        ("lr", ("norm",), pytest.approx(scheduler.values()["lr/norm"]), 90),
    ]


def test_several_schedulers_of_one_optimizer_are_read_together():
    """So that no group counts as left out that another of them drives."""
    optimizer = optimizer_of(pg.Rule("norm.*", name="norm"))
    pair = [pg.Scheduler(optimizer, {name: {"lr": LR}}, horizon=RUN) for name in ("norm", "default")]
    assert {groups for _, groups, _, _ in curves(subjects.of_live(optimizer, RUN, None, None))} == {
        ("norm",),
        ("default",),
    }
    assert pg.check(pair[0]) == []


def test_an_optimizer_is_read_with_what_is_to_drive_it():
    """Nothing is attached; later entries win, None leaves alone, and names are looked up as a scheduler does."""
    optimizer = optimizer_of(pg.Rule("norm.*", name="norm"))
    found = list(subjects.of_schedules(optimizer, {"norm": {"lr": None}}, {"lr": LR, "momentum": LR}, RUN, None))
    assert curves(found) == [
        ("lr", ("default",), 0.1, 100),
        ("momentum", ("default", "norm"), 0.0, 100),
    ]
    (layout,) = (each for each in found if isinstance(each, Layout))
    assert layout.left_alone == {"norm"}
    assert attached(optimizer) == []
    with pytest.raises(GroupNameError):
        list(subjects.of_schedules(optimizer, {"nrom": {"lr": LR}}, {}, RUN, None))
    with pytest.raises(UnresolvedDurationError):
        list(subjects.of_schedules(optimizer, {}, {"lr": LR}, None, None))


def test_a_callable_is_what_a_tutorial_s_loop_asks():
    """A schedule drives, None leaves alone, anything else is an error."""
    optimizer = optimizer_of()
    (loop, *_) = subjects.of_schedules(optimizer, {}, {"lr": lambda epoch: 0.5}, None, None)
    assert isinstance(loop, Loop)
    assert (loop.standing, loop.first) == ({"default": 0.1}, 0.5)
    wrong: dict[str, object] = {"lr": 0.5}
    with pytest.raises(ScheduleArgumentError, match="a schedule, or a callable of the epoch"):
        list(subjects.of_schedules(optimizer, {}, wrong, None, None))  # type: ignore[arg-type]  # that is the point


def test_a_scheduler_of_torch_is_read_with_its_position_and_its_optimizer():
    """One curve for groups that are alike."""
    scheduler = theirs.StepLR(optimizer_of(), 30)
    found = list(subjects.of_torch(scheduler, pg.Horizon(100), None, None))
    assert [type(each) for each in found] == [Stepped, Curve, Layout, Members]
    assert curves(found) == [("lr", ("default",), 0.1, 100)]


def test_a_recipe_is_read_without_its_data():
    """Its schedules as they are written, in a run of the length that is asked for."""
    found = list(subjects.of_recipe(outline("fashion-mnist"), RUN))
    assert curves(found) == [
        ("lr", ("default", "no_decay"), 0.003, 100),
        ("betas[0]", ("default", "no_decay"), 0.9, 100),
    ]
    assert isinstance(outline("fashion-mnist"), subjects.Recipe)


@pytest.mark.parametrize(
    ("updates", "ticks", "horizon", "given", "time"),
    [
        (0, 0, RUN, None, Time(100, 10.0, None)),
        (0, 0, RUN, "epoch", Time(100, 10.0, "epoch")),
        (6, 6, RUN, None, Time(100, 10.0, "step")),
        (6, 12, RUN, None, Time(100, 10.0, "step")),
        (12, 2, RUN, None, Time(100, 10.0, "epoch")),
        (12, 2, RUN, "step", Time(100, 10.0, "step")),
        (12, 2, pg.Horizon(60), None, Time(60, 10.0, "epoch")),
        (12, 2, None, None, Time(None, None, "epoch")),
    ],
)
def test_what_a_tick_is_the_user_says_or_the_count_of_updates(updates, ticks, horizon, given, time):
    """With the updates to a tick, the steps of a run tell its epochs; a wrapper may tick several times an update."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = Adam([parameter], lr=0.1)
    scheduler = theirs.ExponentialLR(optimizer, 0.99)
    for _ in range(updates):
        parameter.grad = torch.ones(1)
        optimizer.step()
    for _ in range(ticks):
        optimizer._opt_called = True  # type: ignore[attr-defined]  # so that torch does not warn
        scheduler.step()
    found = [each.time for each in subjects.of_torch(scheduler, horizon, None, given) if isinstance(each, Curve)]
    assert found == [time]


def test_a_manual_clock_is_asked_what_a_tick_is():
    """One that counts updates is not."""
    manual, counting = (
        pg.Scheduler(optimizer_of(), lr=LR, horizon=RUN, clock=clock) for clock in ("manual", "optimizer")
    )
    for scheduler, tick in ((manual, "epoch"), (counting, "step")):
        found = subjects.of_live(scheduler.optimizer, RUN, None, "epoch")
        assert {each.time.tick for each in found if isinstance(each, Curve)} == {tick}

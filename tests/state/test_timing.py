"""A saved scheduler in a live one: the position from the file, everything else by policy, differences shown."""

from typing import Any

import pytest
import torch
from torch import nn, optim

import paramgroups as pg
from paramgroups.errors import (
    ClaimError,
    ClockError,
    GroupNameError,
    ParamGroupsError,
    ScheduledValueError,
    StateMismatchError,
    WrongModelError,
)
from paramgroups.journal import Edit, Rebase, Stretch
from paramgroups.schedules import Function, Plateau
from paramgroups.state import files
from states import everything, model, step

TWO = {"body": 0.1, "head": 0.2}
LINE, STILL = pg.Linear(10, end=0.5), pg.Constant()


def run(
    lrs: dict[str, float] | None = None, *, named: bool = True, kind: type[optim.Optimizer] = optim.AdamW, **more: Any
) -> tuple[nn.ModuleDict, Any, pg.Scheduler]:
    """A model, an optimizer with a group for each of its layers (or one, under ""), and a scheduler of lr."""
    net = model()
    params = {name: list((net[name] if name else net).parameters()) for name in (TWO if lrs is None else lrs)}
    groups = [{"params": params[name], "lr": lr} for name, lr in (TWO if lrs is None else lrs).items()]
    optimizer = kind(groups)  # type: ignore[call-arg]
    if named:
        pg.name_groups(optimizer, net)
    return net, optimizer, pg.Scheduler(optimizer, **{"lr": LINE, **more})


@pytest.fixture
def path(tmp_path):
    """Where the file is."""
    return tmp_path / "state.pt"


def saved(path: Any, steps: int = 4, lrs: dict[str, float] | None = None, **more: Any) -> pg.Scheduler:
    """A run in a file."""
    net, optimizer, scheduler = run(lrs, **more)
    for _ in range(steps):
        step(optimizer)
    pg.save(path, optimizer, scheduler, net)
    return scheduler


def lrs_of(optimizer: optim.Optimizer) -> list[float]:
    """What stands there."""
    return [group["lr"] for group in optimizer.param_groups]


def refused(path: Any, parts: tuple[nn.Module, Any, pg.Scheduler], kind: type[Exception], match: str, **more: Any):
    """The error of a load that leaves all as it was."""
    net, optimizer, scheduler = parts
    before = everything(optimizer, scheduler, net)
    with pytest.raises(kind, match=match) as caught:
        pg.load(path, optimizer, scheduler, net, **more)
    assert everything(optimizer, scheduler, net) == before
    assert isinstance(caught.value, ParamGroupsError)


# --- by policy ------------------------------------------------------------------------------------------------------


def test_the_position_is_the_saved_one_and_the_rest_what_is_set_now(path):
    """Schedules, bases and horizon of the code; each that differs is shown beside the saved."""
    saved(path, horizon=pg.Horizon(steps=30))
    net, optimizer, scheduler = run({"body": 0.4, "head": 0.2}, lr=pg.Linear(20), horizon=pg.Horizon(steps=40))
    report = pg.load(path, optimizer, scheduler, net)
    assert (report.step, scheduler.last_epoch, scheduler.horizon) == (4, 4, pg.Horizon(steps=40))
    assert lrs_of(optimizer) == pytest.approx([0.4 * 0.8, 0.2 * 0.8])
    assert report.schedules == (
        ("lr/*", "Linear(10, end=0.5)", "Linear(20)", "Linear(20)"),
        ("horizon", "Horizon(steps=30)", "Horizon(steps=40)", "Horizon(steps=40)"),
        ("base of lr/body", 0.1, 0.4, 0.4),
    )


def test_the_saved_schedules_bases_and_horizon_come_where_they_are_asked_for(path):
    """The run is what it was, whatever the code says by now."""
    former = saved(path, horizon=pg.Horizon(steps=30))
    net, optimizer, scheduler = run({"body": 0.4, "head": 0.2}, lr=pg.Linear(20), horizon=pg.Horizon(steps=40))
    report = pg.load(path, optimizer, scheduler, net, hyperparameters="saved")
    assert scheduler.state_dict() == former.state_dict()
    assert (scheduler.horizon, lrs_of(optimizer)) == (pg.Horizon(steps=30), lrs_of(former.optimizer))
    assert [each.used for each in report.schedules] == ["Linear(10, end=0.5)", "Horizon(steps=30)", 0.1]
    optimizer.add_param_group({"params": [torch.zeros(1)], "lr": 1.0})
    assert scheduler.values()["lr/group2"] == pytest.approx(0.8)  # new groups are driven by what holds now


def test_a_run_that_is_set_up_as_it_was_differs_in_nothing(path):
    """Under either policy, also where the journal made it longer and changed its bases."""
    net, optimizer, scheduler = run(horizon=pg.Horizon(steps=10))
    step(optimizer)
    scheduler.rebase("head", lr=0.7)
    scheduler.reschedule(horizon=pg.Horizon(steps=20))
    optimizer.param_groups[0]["lr"] = 0.05
    step(optimizer)
    pg.save(path, optimizer, scheduler, net)
    for policy in ("current", "saved"):
        net, other, again = run(horizon=pg.Horizon(steps=10))
        report = pg.load(path, other, again, net, hyperparameters=policy)
        assert (report.schedules, report.hyperparameters, report.complete) == ((), (), True)
        assert {*again.journal} == {*scheduler.journal}  # those of one update in any order of groups
        assert {type(entry) for entry in again.journal} == {Rebase, Stretch, Edit}
        assert again.horizon == pg.Horizon(steps=20)
        assert lrs_of(other) == lrs_of(optimizer)


def test_the_journal_comes_after_the_bases_of_either(path):
    """What was done to one group while it ran is done; another starts from the base that holds."""
    net, optimizer, scheduler = run(lr=STILL)
    step(optimizer)
    scheduler.rebase("head", lr=0.5)
    pg.save(path, optimizer, scheduler, net)
    net, other, again = run({"body": 0.3, "head": 0.3}, lr=STILL)
    report = pg.load(path, other, again, net)
    assert lrs_of(other) == [0.3, 0.5]
    assert [each.where for each in report.schedules] == ["base of lr/body", "base of lr/head"]


def test_a_load_is_no_edit(path):
    """Not at once, and not at the next update."""
    saved(path)
    for policy in ("current", "saved"):
        net, optimizer, scheduler = run({"body": 0.4, "head": 0.2})
        pg.load(path, optimizer, scheduler, net, hyperparameters=policy)
        assert scheduler.journal == ()
        step(optimizer)
        assert (scheduler.journal, scheduler.last_epoch) == ((), 5)


def test_what_is_no_longer_driven_gets_the_saved_setting(path):
    """Weight decay was set when the run was saved, is driven by the code, and was to be as it was."""
    saved(path)
    net, optimizer, scheduler = run(weight_decay=pg.Linear(10, start=3.0))
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.03)
    pg.load(path, optimizer, scheduler, net, hyperparameters="saved")
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.01]
    assert set(scheduler.values()) == {"lr/body", "lr/head"}


def test_what_is_driven_from_now_on_gets_tensors_of_its_own(path):
    """Torch shares its default; the saved schedule drives one group, and of the other nothing was saved."""
    saved(path, schedules={"head": {"lr": pg.Linear(8)}}, lr=None)
    net = nn.ModuleDict({"new": nn.Linear(1, 1), "head": nn.Linear(2, 1), "body": nn.Linear(2, 2)})
    groups = [{"params": list(net[name].parameters())} for name in ("new", "head")]
    optimizer = optim.AdamW(groups, lr=torch.tensor(0.5), foreach=False)
    pg.name_groups(optimizer, net)
    scheduler = pg.Scheduler(optimizer, weight_decay=STILL)
    pg.load(path, optimizer, scheduler, net, hyperparameters="saved")
    assert [float(lr) for lr in lrs_of(optimizer)] == pytest.approx([0.5, 0.1])
    step(optimizer)
    assert [float(lr) for lr in lrs_of(optimizer)] == pytest.approx([0.5, 0.2 * 3 / 8])


def test_a_run_that_was_made_longer_goes_back_in_its_own_process(path):
    """To before that, and to after: the horizon it was made with is what the saved journal starts from."""
    net, optimizer, scheduler = run(horizon=pg.Horizon(steps=10))
    step(optimizer)
    pg.save(path, optimizer, scheduler, net)
    scheduler.reschedule(horizon=pg.Horizon(steps=20))
    longer = path.with_name("longer.pt")
    pg.save(longer, optimizer, scheduler, net)
    scheduler.reschedule(horizon=pg.Horizon(steps=40))
    for file, steps in ((longer, 20), (path, 10), (longer, 20), (path, 10)):
        for policy in ("current", "saved"):
            pg.load(file, optimizer, scheduler, net, hyperparameters=policy)
            assert scheduler.horizon == pg.Horizon(steps=steps)
            assert scheduler.preview(steps + 2)["lr/body"][-2:] == pytest.approx([0.05, 0.05])


# --- whose past is whose --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_bases_and_edits_follow_the_names_whatever_the_order(path, named):
    """Also where only the model knows the names: the groups' positions say nothing."""
    net, optimizer, scheduler = run(lr=STILL, named=named)
    step(optimizer)
    optimizer.param_groups[1]["lr"] = 0.5
    step(optimizer)
    scheduler.override("group0" if not named else "body", lr=0.25)
    pg.save(path, optimizer, scheduler, net)
    net, other, again = run({"head": 0.2, "body": 0.1}, lr=STILL, named=named)
    report = pg.load(path, other, again, net)
    assert report.schedules == ()
    assert lrs_of(other) == [0.5, 0.25]
    assert [type(entry).__name__ for entry in again.journal] == ["Edit", "Override"]
    assert ("name" in other.param_groups[0]) is named


def test_a_group_that_was_split_gives_both_parts_its_past(path):
    """And groups whose pasts come to the same are merged; others are refused, and nothing is changed."""
    _, optimizer, scheduler = parts = run({"": 0.1}, lr=STILL)
    step(optimizer)
    scheduler.rebase(lr=0.7)
    pg.save(path, optimizer, scheduler, parts[0])
    net, other, again = run({"body": 0.3, "head": 0.4}, lr=STILL)
    pg.load(path, other, again, net)
    assert lrs_of(other) == [0.7, 0.7]
    pg.save(path, other, again, net)
    net, other, again = run({"": 0.5}, lr=STILL)
    pg.load(path, other, again, net)
    assert lrs_of(other) == [0.7]
    saved(path, lrs={"body": 0.1, "head": 0.2}, lr=STILL)
    refused(path, run({"": 0.5}), StateMismatchError, "whose bases or edits differ", hyperparameters="saved")
    pg.load(path, other, again, net)  # of the code's base there is one
    assert lrs_of(other) == [0.5]


def test_the_scheduler_follows_a_rename(path):
    """Of modules, as the optimizer does."""
    net, optimizer, scheduler = run(lr=STILL)
    scheduler.rebase("head", lr=0.9)
    pg.save(path, optimizer, scheduler, net)
    net = nn.ModuleDict({"top": nn.Linear(2, 1), "trunk": nn.Linear(2, 2)})
    groups = [{"params": list(layer.parameters()), "lr": 0.1, "name": name} for name, layer in net.items()]
    other = optim.AdamW(groups)
    again = pg.Scheduler(other, lr=STILL)
    report = pg.load(path, other, again, net, rename={"body": "trunk", "head": "top"})
    assert (lrs_of(other), report.complete) == ([0.9, 0.1], True)


# --- clocks, and several schedulers ---------------------------------------------------------------------------------


def test_a_clock_that_is_moved_by_hand_goes_to_the_saved_position(path):
    """And goes on from there by hand; the kinds of clock need not be the same."""
    saved(path, steps=3)
    net, optimizer, scheduler = run(clock="manual")
    pg.load(path, optimizer, scheduler, net)
    step(optimizer)
    assert scheduler.last_epoch == 3
    scheduler.step()
    assert scheduler.last_epoch == 4
    assert lrs_of(optimizer) == pytest.approx([0.08, 0.16])


def test_of_several_schedulers_the_one_that_is_given_is_put_back(path):
    """The others keep their time, and their state goes beside."""
    net, optimizer, scheduler = run()
    other = pg.Scheduler(optimizer, weight_decay=pg.Linear(8), clock="manual")
    for _ in range(4):
        step(optimizer)
        other.step()
    pg.save(path, optimizer, scheduler, net, extra={"other": other.state_dict()})
    net, optimizer, scheduler = run()
    other = pg.Scheduler(optimizer, weight_decay=pg.Linear(8), clock="manual")
    other.step()
    report = pg.load(path, optimizer, scheduler, net, hyperparameters="saved")
    assert (scheduler.last_epoch, other.last_epoch) == (4, 1)
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.01 * 7 / 8)
    other.load_state_dict(report.extra["other"])
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.01 / 2)
    assert (scheduler.journal, other.journal) == ((), ())


def test_a_metric_that_was_observed_is_remembered(path):
    """A plateau goes on from what it saw."""
    net, optimizer, scheduler = run(lr=STILL * Plateau(0.5, patience=0))
    for metric in (1.0, 2.0):
        scheduler.observe(metric)
        step(optimizer)
    pg.save(path, optimizer, scheduler, net)
    net, other, again = run(lr=STILL * Plateau(0.5, patience=0))
    pg.load(path, other, again, net)
    assert lrs_of(other) == lrs_of(optimizer) == [0.05, 0.1]


# --- what is refused ------------------------------------------------------------------------------------------------


def test_saved_schedules_may_not_take_what_another_has(path):
    """The claim is told before anything is changed."""
    saved(path, weight_decay=STILL)
    parts = run()
    other = pg.Scheduler(parts[1], weight_decay=STILL)
    refused(path, parts, ClaimError, r"weight_decay of group '\w+' is already driven", hyperparameters="saved")
    assert other.values() == {"weight_decay/body": 0.01, "weight_decay/head": 0.01}


def test_saved_schedules_need_the_groups_they_name(path):
    """Which may be called otherwise by now."""
    saved(path, schedules={"head": {"lr": LINE}}, lr=None)
    parts = run(named=False)
    assert pg.view(parts[1]).names == ["group0", "group1"]
    refused(path, parts, GroupNameError, "'head'", hyperparameters="saved")


def test_another_models_run_is_told_before_its_schedules(path):
    """That its groups are not here is no wonder then."""
    saved(path, schedules={"head": {"lr": LINE}}, lr=None)
    net = nn.Linear(2, 2)
    optimizer = pg.Plan(lr=0.1).build(net, optim.AdamW)
    parts = net, optimizer, pg.Scheduler(optimizer, lr=LINE)
    refused(path, parts, WrongModelError, "another model's state", hyperparameters="saved")


def halved(step: float) -> float:
    """A schedule that is code."""
    return 0.5


def test_code_does_not_come_out_of_a_file(path):
    """It stays where it is in the code, too; elsewhere the saved schedule cannot be had."""
    saved(path, lr=Function(halved))
    refused(path, run(), StateMismatchError, r"cannot be put back.*\n(.*\n)*.*'current'", hyperparameters="saved")
    net, optimizer, scheduler = run(lr=Function(halved))
    assert pg.load(path, optimizer, scheduler, net, hyperparameters="saved").schedules == ()
    assert lrs_of(optimizer) == [0.05, 0.1]


def test_a_run_that_was_made_longer_needs_the_length_it_had(path):
    """Where the code's length is to hold; else the saved one is taken, and the difference shown."""
    net, optimizer, scheduler = run(horizon=pg.Horizon(steps=10))
    step(optimizer)
    scheduler.reschedule(horizon=pg.Horizon(steps=20))
    pg.save(path, optimizer, scheduler, net)
    refused(path, run(horizon=pg.Horizon(steps=15)), StateMismatchError, "planned for 10 updates and then made 20")
    net, optimizer, scheduler = run(horizon=pg.Horizon(steps=15))
    report = pg.load(path, optimizer, scheduler, net, hyperparameters="saved")
    assert report.schedules == (("horizon", "Horizon(steps=20)", "Horizon(steps=15)", "Horizon(steps=20)"),)
    assert scheduler.horizon == pg.Horizon(steps=20)


def test_a_scheduler_that_was_detached_is_refused(path):
    """It drives nothing."""
    saved(path)
    parts = run()
    parts[2].detach()
    with pytest.raises(ClockError, match="was detached"):
        pg.load(path, parts[1], parts[2], parts[0])
    assert parts[1].state_dict()["state"] == {}


def test_a_value_that_nothing_could_have_is_found_when_it_is_due_and_all_put_back(path):
    """The saved journal's base under the code's schedule: state, groups, journal and position are as they were."""
    net, optimizer, scheduler = run(lr=None, schedules={"*": {"betas[0]": STILL}})
    for _ in range(10):
        step(optimizer)
    scheduler.rebase("*", **{"betas[0]": 0.95})
    pg.save(path, optimizer, scheduler, net)
    parts = run(lr=None, schedules={"*": {"betas[0]": pg.Linear(10, start=1.0, end=1.1)}})
    step(parts[1])
    values: dict[str, Any] = {"betas[0]": 0.5}
    parts[2].override(steps=3, **values)
    refused(path, parts, ScheduledValueError, r"betas\[0\]/body = 1\.04")
    step(parts[1])
    assert (parts[2].last_epoch, parts[1].param_groups[0]["betas"][0]) == (2, 0.5)


@pytest.mark.parametrize(
    ("broken", "match"),
    [
        ({"step": -1}, "no state of a paramgroups Scheduler: step is"),
        ({"groups": None}, "no state of a paramgroups Scheduler: groups is"),
        ({"version": 9}, "version 9, and this version of paramgroups reads"),
        ({"journal": [{"kind": "dance"}]}, "no entry this version knows"),
        ({"schedules": [[None, {"lr": "open('x')"}]]}, "cannot be put back"),
    ],
    ids=str,
)
def test_what_is_no_scheduler_is_refused(path, broken, match):
    """As its own `load_state_dict` refuses it."""
    saved(path)
    content = files.read(path)
    content["scheduler"] |= broken
    files.write(path, content)
    refused(path, run(), StateMismatchError, match, hyperparameters="saved")

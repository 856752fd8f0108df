"""What drives the groups: edits noticed, groups followed, claims kept, copies re-attached."""

import copy
import gc
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups.errors import ClaimError, ClockError, EditError, ScheduledValueError
from paramgroups.journal import Edit
from paramgroups.scheduler import EditWarning
from paramgroups.schedules import Plateau
from runs import DECAY, HORIZON, LR, PLAN, live, made, model, train

# --- law 6: edits ---------------------------------------------------------------------------------


def test_an_edit_takes_effect_at_the_next_step_and_bends_the_rest():
    """`*= .5` halves the rest of the curve, and the update in between uses the very value written."""
    net, optimizer, scheduler = made()
    plain = scheduler.preview(20)["lr/head"]
    train(net, optimizer, 6)
    optimizer.param_groups[1]["lr"] *= 0.5
    train(net, optimizer)
    assert [type(entry) for entry in scheduler.journal] == [Edit]
    entry = scheduler.journal[0]
    assert (entry.step, entry.group, entry.old, entry.new) == (6, "head", 1.0, pytest.approx(0.5))
    bent = scheduler.preview(20)["lr/head"]
    np.testing.assert_array_equal(bent[:6], plain[:6])
    np.testing.assert_allclose(bent[6:], plain[6:] / 2, rtol=1e-12)
    assert bent[6] == plain[6] * 0.5


def test_a_group_that_no_schedule_drives_is_edited_freely():
    """The scheduler touches only what it claims."""
    net = model()
    optimizer = PLAN.build(net, torch.optim.AdamW)
    scheduler = pg.Scheduler(optimizer, {"head": {"lr": pg.Linear(10)}})
    pg.view(optimizer)["default"].lr = 0.5
    train(net, optimizer, 3)
    assert pg.view(optimizer)["default"].lr == 0.5
    assert scheduler.journal == ()


def test_edits_of_two_groups_at_once_are_two_entries():
    """One line over all groups, one entry each."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 6)
    for group in pg.view(optimizer):
        group.lr = 0.05
    assert {(entry.group, entry.value) for entry in scheduler.journal} == {("default", 0.05), ("head", 0.05)}


def test_an_edit_at_factor_zero_becomes_the_base():
    """In a warm-up from 0 the first lr is 0 whatever the base, so the edit is the new one."""
    net, optimizer, scheduler = made(schedules={"lr": pg.Linear(4, start=0.0, end=1.0)})
    optimizer.param_groups[1]["lr"] = 0.4
    train(net, optimizer)
    assert scheduler.base_lrs == [0.1, 0.4]
    assert optimizer.param_groups[1]["lr"] == 0.1


def test_an_edit_that_multiplies_the_base_more_than_tenfold_warns():
    """The warning names the base it comes to, and the call that says what may have been meant."""
    net, optimizer, _ = made()
    optimizer.param_groups[1]["lr"] = 5.0
    with pytest.warns(EditWarning, match=r"base grows from 1.0 to 25.0.*scheduler.rebase\('head', lr=...\)"):
        train(net, optimizer)


def test_an_edit_on_an_absolute_curve_stands_until_released():
    """No base reproduces it, which a warning says."""
    net, optimizer, scheduler = made(schedules={"lr": pg.Linear(20, start=pg.Absolute(0.2), end=pg.Absolute(0.0))})
    optimizer.param_groups[1]["lr"] = 0.05
    with pytest.warns(EditWarning, match=r"the value stands until scheduler.release\('head', 'lr'\)"):
        train(net, optimizer, 3)
    assert optimizer.param_groups[1]["lr"] == 0.05
    scheduler.release("head", "lr")
    assert optimizer.param_groups[1]["lr"] == pytest.approx(0.2 * 17 / 20)


def test_an_invalid_edit_is_refused_before_the_step_uses_it():
    """Parameters, clock and journal are as before."""
    net, optimizer, scheduler = made()
    before = copy.deepcopy(net.state_dict())
    optimizer.param_groups[0]["lr"] = -1.0
    with pytest.raises(EditError, match="lr/default was changed by hand"):
        train(net, optimizer)
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
    assert scheduler.last_epoch == 0


@pytest.mark.parametrize("written", [-1.0, float("nan"), "0.1", None, True, [1]], ids=repr)
def test_a_wrong_edit_is_refused_until_it_is_put_right(written):
    """Not only at the first step: each one would use it."""
    net, optimizer, scheduler = made()
    due = optimizer.param_groups[0]["lr"]
    optimizer.param_groups[0]["lr"] = written
    for _ in range(2):
        with pytest.raises(EditError, match="at least 0"):
            train(net, optimizer)
    optimizer.param_groups[0]["lr"] = due
    train(net, optimizer)
    assert scheduler.last_epoch == 1
    assert scheduler.journal == ()


def test_edits_may_be_forbidden():
    """`on_edit="raise"` names the group, both values and the calls that are allowed."""
    net, optimizer, _ = made(on_edit="raise")
    optimizer.param_groups[0]["lr"] = 0.5
    with pytest.raises(EditError, match=r"on_edit='raise' forbids it") as caught:
        train(net, optimizer)
    assert "scheduler.override(...)" in str(caught.value)


def test_an_edit_of_a_tensor_lr_is_an_edit_in_place_or_not():
    """Filled by hand, or replaced by a number: the next update uses it, and the curve follows."""
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=torch.tensor(0.5))
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(8))
    train(net, optimizer, 4)
    optimizer.param_groups[0]["lr"].fill_(0.125)
    train(net, optimizer)
    assert scheduler.base_lrs == [0.25]
    optimizer.param_groups[0]["lr"] = 0.1875
    train(net, optimizer)
    assert scheduler.base_lrs == [0.5]
    assert optimizer.param_groups[0]["lr"] == 0.125


def test_an_edit_between_load_and_first_step_is_an_edit():
    """The load is a restore, what is written after it is not."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 6)
    states = copy.deepcopy(optimizer.state_dict()), scheduler.state_dict()
    fresh, resumed, again = made()
    resumed.load_state_dict(states[0])
    again.load_state_dict(states[1])
    assert again.journal == ()
    resumed.param_groups[1]["lr"] *= 0.5
    train(fresh, resumed)
    assert [(entry.step, entry.group, entry.new) for entry in again.journal] == [(6, "head", pytest.approx(0.5))]


def test_an_edit_of_one_beta_is_an_edit():
    """The other beta, driven too, is untouched."""
    schedules = {"betas[0]": pg.Linear(10, end=0.5), "betas[1]": pg.Constant()}
    net, optimizer, scheduler = made(schedules=schedules)
    optimizer.param_groups[0]["betas"] = (0.45, 0.999)
    train(net, optimizer)
    assert [(entry.hyperparameter, entry.new) for entry in scheduler.journal] == [("betas[0]", 0.45)]


def test_a_value_that_leaves_the_range_is_refused_when_it_is_due():
    """Not before: a curve that would turn negative after the run's end is no mistake of the run."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    pg.Scheduler(optimizer, lr=pg.Function(lambda k: 1 - k / 4))
    for _ in range(4):
        optimizer.step()
    with pytest.raises(ScheduledValueError, match=r"gives lr/group0 = -0.25 at step 5"):
        optimizer.step()


def test_a_function_is_asked_only_for_steps_that_come():
    """A table of values as long as the run is enough, but for the one written after the last update."""
    table = [0.1, 0.2, 0.3, 0.4]
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    pg.Scheduler(optimizer, lr=pg.Function(lambda k: table[int(k)], absolute=True))
    for k in range(3):
        assert optimizer.param_groups[0]["lr"] == table[k]
        optimizer.step()


# --- groups that come and go ----------------------------------------------------------------------


def test_a_group_added_later_joins_on_the_global_clock():
    """It has its own base, and the schedule's value from its first step."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 6)
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))], "lr": 0.5, "name": "new"})
    train(net, optimizer)
    fresh = pg.Scheduler(torch.optim.AdamW([torch.zeros(1)], lr=0.5), lr=LR, horizon=HORIZON)
    assert pg.view(optimizer)["new"].lr == fresh.preview(8)["lr/group0"][7]
    assert scheduler.preview(8)["lr/new"][6] == fresh.preview(8)["lr/group0"][6]


@pytest.mark.parametrize(
    "read",
    [
        "values",
        "state_dict",
        "history",
        "get_last_lr",
        "step",
        "table",
        lambda s: s.preview(3),
        lambda s: s.journal,
        str,
    ],
    ids=str,
)
@pytest.mark.parametrize("change", ["add", "remove", "reverse", "swap"])
def test_reading_after_groups_changed_changes_nothing(change, read):
    """What a run comes to does not depend on whether somebody looked: groups are taken in at any look."""
    runs = []
    for looked in (False, True):
        net, optimizer, scheduler = made()
        train(net, optimizer, 3)
        if change in {"remove", "swap"}:
            del optimizer.param_groups[0]
        if change in {"add", "swap"}:
            optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))], "lr": 0.5, "name": "new"})
        if change == "reverse":
            optimizer.param_groups.reverse()
        if looked:
            getattr(scheduler, read)() if isinstance(read, str) else read(scheduler)
        train(net, optimizer)
        runs.append((live(optimizer), scheduler.journal))
    assert runs[0] == runs[1]
    assert runs[0][1] == ()


def test_an_edit_just_before_a_group_is_added_counts():
    """It is entered before the groups are taken in."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 5)
    optimizer.param_groups[1]["lr"] *= 0.5
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))], "lr": 0.5, "name": "new"})
    train(net, optimizer)
    assert [(entry.group, entry.new) for entry in scheduler.journal] == [("head", pytest.approx(0.5))]


def test_detaching_may_put_the_bases_back():
    """A scheduler that starts anew multiplies what the first one did, not what that left."""
    _, optimizer, scheduler = made()
    scheduler.detach(restore=True)
    assert pg.Scheduler(optimizer, lr=pg.Linear(3)).base_lrs == [0.1, 1.0]


def test_groups_may_be_removed_and_reordered():
    """Bases follow the parameters, not the positions."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 6)
    wanted = {name: curve[7] for name, curve in scheduler.preview(8).items()}
    optimizer.param_groups.reverse()
    train(net, optimizer)
    assert live(optimizer) == wanted
    del optimizer.param_groups[0]
    train(net, optimizer)
    assert live(optimizer) == {name: curve[8] for name, curve in scheduler.preview(9).items()}
    assert scheduler.journal == ()


# --- copies


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))], ids=["deepcopy", "pickle"]
)
def test_a_copy_of_optimizer_and_scheduler_goes_on_by_itself(copied):
    """The copy ticks its own optimizer, keeps names and journal, and leaves the original alone."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 3)
    scheduler.rebase("head", lr=0.25)
    other, again = copied((optimizer, scheduler))
    assert again.optimizer is other
    other.step()
    assert (again.last_epoch, scheduler.last_epoch) == (4, 3)
    assert again.journal == scheduler.journal
    assert live(other) == {name: curve[4] for name, curve in scheduler.preview(5).items()}
    assert pg.view(other)["head"].parameter_names == ["head.weight", "head.bias"]


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["deepcopy", "pickle"]
)
def test_a_scheduler_copied_without_its_optimizer_says_so_at_first_use(copied):
    """It would drive a copy that nobody steps."""
    _, _, scheduler = made()
    again = copied(scheduler)
    gc.collect()
    for use in ("step", "values", "state_dict", "get_last_lr"):
        with pytest.raises(ClockError, match=r"without its optimizer(.|\n)*copy.deepcopy\(\(optimizer, scheduler\)\)"):
            getattr(again, use)()


# --- claims and the torch contract ----------------------------------------------------------------


def test_two_schedulers_share_an_optimizer_where_claims_are_disjoint():
    """One drives lr, another weight decay, each by the same clock."""
    net = model()
    optimizer = PLAN.build(net, torch.optim.AdamW)
    first = pg.Scheduler(optimizer, lr=LR, horizon=HORIZON)
    second = pg.Scheduler(optimizer, weight_decay=DECAY, horizon=HORIZON)
    train(net, optimizer, 3)
    assert first.values() | second.values() == live(optimizer)


def test_overlapping_claims_are_refused_until_the_holder_lets_go():
    """The error names what is claimed and the way out; `detach` is it, and leaves the values where they are."""
    _, optimizer, scheduler = made()
    with pytest.raises(ClaimError, match=r"lr of group 'head' is already driven by another Scheduler") as caught:
        pg.Scheduler(optimizer, {"head": {"lr": pg.Linear(5)}})
    assert "detach()" in str(caught.value)
    before = live(optimizer)
    scheduler.detach()
    assert live(optimizer) == before
    pg.Scheduler(optimizer, {"head": {"lr": pg.Linear(5)}})
    optimizer.step()
    assert scheduler.last_epoch == 0


def test_an_attached_torch_scheduler_is_found():
    """Its mark outlives it, for which there is `adopt`."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    torch.optim.lr_scheduler.StepLR(optimizer, 3)
    with pytest.raises(ClaimError, match="a scheduler of torch") as caught:
        pg.Scheduler(optimizer, lr=LR, horizon=HORIZON)
    assert "adopt=True" in str(caught.value)
    assert pg.Scheduler(optimizer, lr=LR, horizon=HORIZON, adopt=True).last_epoch == 0


# --- found by audit -------------------------------------------------------------------------------


def unnamed(lr=1.0, sizes=(1,), **kwargs):
    """Groups of so many parameters, each with this lr, and a scheduler of ten steps."""
    groups = [{"params": [torch.zeros(1) for _ in range(size)]} for size in sizes]
    optimizer = torch.optim.SGD(groups, lr=lr)
    return optimizer, pg.Scheduler(optimizer, lr=pg.Linear(10), **kwargs)


def test_an_edit_of_an_override_ends_when_that_would_have():
    """It stands in the place of the other, no longer."""
    optimizer, scheduler = unnamed()
    scheduler.override(lr=0.7, steps=3)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.35
    assert scheduler.preview(5)["lr/group0"].tolist() == [0.7, 0.35, 0.35, 0.7, 0.6]


@pytest.mark.parametrize("wrong", [torch.tensor([0.1, 0.2]), np.array([0.1, 0.2]), "0.1"])
def test_what_is_no_number_is_refused_as_an_edit(wrong):
    """Before the step, with the name of the group."""
    optimizer, scheduler = unnamed()
    optimizer.param_groups[0]["lr"] = wrong
    with pytest.raises(EditError, match="lr/group0 was changed by hand"):
        optimizer.step()
    assert scheduler.last_epoch == 0


def test_a_group_without_parameters_is_driven_like_others():
    """And one that lost them all."""
    optimizer, scheduler = unnamed(sizes=(1, 0))
    optimizer.step()
    assert scheduler.values() == {"lr/group0": 0.9, "lr/group1": 0.9}
    optimizer.param_groups[0]["params"].clear()
    optimizer.step()
    assert scheduler.values() == {"lr/group0": 0.8, "lr/group1": 0.8}
    with pytest.raises(ClaimError):
        pg.Scheduler(optimizer, lr=pg.Linear(10))


def test_what_a_loaded_state_lacks_is_put_back():
    """The scheduler knows it."""
    optimizer, _ = unnamed()
    state = optimizer.state_dict()
    del state["param_groups"][0]["lr"]
    optimizer.step()
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.9


def test_a_tuple_that_a_loaded_state_lacks_is_put_back():
    """From the optimizer's defaults, its scheduled entry as it is due."""
    optimizer = torch.optim.AdamW([torch.zeros(1)], lr=0.1)
    pg.Scheduler(optimizer, {"*": {"betas[0]": pg.Linear(10)}})
    state = optimizer.state_dict()
    del state["param_groups"][0]["betas"]
    optimizer.step()
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["betas"] == (pytest.approx(0.81), 0.999)


def test_a_detached_scheduler_changes_nothing_any_more():
    """It may be read, and let go again."""
    optimizer, scheduler = unnamed()
    optimizer.step()
    scheduler.detach()
    state = scheduler.state_dict()
    for call in (
        lambda: scheduler.override(lr=0.5),
        scheduler.step,
        lambda: scheduler.rebase(lr=0.5),
        lambda: scheduler.load_state_dict(state),
    ):
        with pytest.raises(ClockError, match="This scheduler was detached"):
            call()
    optimizer.param_groups[0]["lr"] = 0.3
    optimizer.add_param_group({"params": [torch.zeros(1)]})
    scheduler.detach()
    assert (scheduler.journal, scheduler.last_epoch) == ((), 1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.3, 1.0]


def test_a_copy_of_a_detached_scheduler_is_detached():
    """It drives nothing; that what drives now was not copied is found out."""
    optimizer, scheduler = unnamed()
    optimizer.step()
    scheduler.detach()
    pg.Scheduler(optimizer, lr=pg.Constant(0.5))
    optimizer, scheduler = copy.deepcopy((optimizer, scheduler))
    with pytest.raises(ClockError, match="without its Scheduler"):
        optimizer.step()
    assert (scheduler.last_epoch, optimizer.param_groups[0]["lr"]) == (1, 0.45)


def test_a_copy_keeps_the_names_that_there_are():
    """One group that nobody named takes no name away from the others."""
    _, optimizer, scheduler = made()
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr": 0.5})
    optimizer, scheduler = copy.deepcopy((optimizer, scheduler))
    assert pg.view(optimizer).names == ["default", "head", "group2"]
    scheduler.override("head", lr=0.25)
    assert pg.view(optimizer)["head"].lr == 0.25


def test_a_group_that_joins_follows_the_run_as_it_is_now():
    """A new end is its end too; what was given to groups before it came is theirs alone."""
    optimizer, scheduler = unnamed()
    stretched = pg.Scheduler(
        torch.optim.SGD([torch.zeros(1)], lr=1.0), lr=pg.Linear("100%"), horizon=pg.Horizon(steps=20)
    )
    for _ in range(10):
        stretched.optimizer.step()
    stretched.reschedule(horizon=pg.Horizon(steps=40))
    stretched.optimizer.add_param_group({"params": [torch.zeros(1)], "lr": 1.0})
    curves = stretched.preview(41)
    np.testing.assert_array_equal(curves["lr/group1"], curves["lr/group0"])
    assert curves["lr/group1"][40] == 0.0
    scheduler.cooldown(5)
    optimizer.add_param_group({"params": [torch.zeros(1)]})
    curves = scheduler.preview(6)
    assert (curves["lr/group0"][5], curves["lr/group1"][5]) == (0.0, 0.5)


def test_a_group_that_joins_has_seen_every_metric():
    """A reduction is one of the whole run."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = pg.Scheduler(optimizer, lr=Plateau(0.5, patience=0))
    for loss in (1.0, 2.0, 2.0):
        scheduler.observe(loss)
        optimizer.step()
    optimizer.add_param_group({"params": [torch.zeros(1)]})
    assert scheduler.get_last_lr() == [0.25, 0.25]
    again = pg.Scheduler(torch.optim.SGD([{"params": [torch.zeros(1)]} for _ in range(2)], lr=1.0), lr=Plateau(0.5))
    again.load_state_dict(scheduler.state_dict())
    assert [len(lane.entries) for lane in again._driver.every_lane()] == [3, 3]


def test_a_group_that_joins_may_start_from_the_beginning():
    """On its own clock, as `restart` gives any group."""
    optimizer, scheduler = unnamed()
    for _ in range(4):
        optimizer.step()
    optimizer.add_param_group({"params": [torch.zeros(1)], "lr": 2.0})
    assert scheduler.values()["lr/group1"] == pytest.approx(1.2)
    scheduler.restart("group1")
    assert scheduler.preview([4, 9, 14])["lr/group1"].tolist() == [2.0, 1.0, 0.0]


def test_groups_of_one_base_may_be_merged_by_hand():
    """After a rebase, whatever they were before; the parameters' new group has their past."""
    optimizer, scheduler = unnamed(sizes=(1, 1))
    optimizer.param_groups[1]["lr"] = 0.5
    optimizer.step()
    scheduler.rebase("group0", lr=0.5)
    first, second = optimizer.param_groups
    optimizer.param_groups[:] = [{**first, "params": [*first["params"], *second["params"]]}]
    assert scheduler.values() == {"lr/group0": 0.45}


def test_a_group_that_is_still_there_keeps_its_past_whoever_moved_in():
    """What left it for a new one takes the past along."""
    optimizer, scheduler = unnamed(sizes=(2, 1))
    scheduler.rebase("group1", lr=0.5)
    first, second = optimizer.param_groups
    second["params"].append(first["params"].pop())
    optimizer.param_groups.append({**second, "params": [second["params"].pop(0)]})
    assert scheduler.base_lrs == [1.0, 0.5, 0.5]

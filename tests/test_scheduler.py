"""Schedules, clock and journal driving real optimizers."""

import copy
import functools
import gc
import json
import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from torch import nn

import paramgroups as pg
import strategies
from paramgroups.errors import (
    ClaimError,
    ClockError,
    EditError,
    HyperparameterValueError,
    ScheduledValueError,
    StateMismatchError,
    UndrivenError,
)
from paramgroups.journal import Edit, Rebase
from paramgroups.scheduler import EditWarning
from paramgroups.schedules import Plateau

HORIZON = pg.Horizon(steps=20)
LR = pg.Warmup("20%").then(pg.Cosine("rest", end=0.1))
DECAY = pg.Linear("100%", start=1.0, end=10.0)
PLAN = pg.Plan(pg.Rule("head.*", lr=pg.Times(10)), lr=0.1, weight_decay=0.01)


def model():
    """Two small layers, always the same."""
    torch.manual_seed(0)
    return nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})


def made(kind=torch.optim.AdamW, plan=PLAN, **kwargs):
    """A model, its optimizer in two groups (lr .1 and 1), and a scheduler over 20 steps."""
    net = model()
    optimizer = plan.build(net, kind)
    schedules = {"lr": LR, "weight_decay": DECAY} | kwargs.pop("schedules", {})
    return net, optimizer, pg.Scheduler(optimizer, horizon=HORIZON, **schedules, **kwargs)


def train(net, optimizer, steps=1):
    """Real updates on a fixed batch."""
    for _ in range(steps):
        optimizer.zero_grad()
        net["head"](net["body"](torch.ones(3, 2))).pow(2).sum().backward()
        optimizer.step()


def live(optimizer):
    """What stands in the groups now, of what is driven."""
    return {name: value for name, value in pg.snapshot(optimizer).items() if name.startswith(("lr/", "weight_decay/"))}


# --- law 3: pure time -----------------------------------------------------------------------------


def test_preview_step_and_values_agree_at_every_update():
    """What was foretold is what stands in the groups, to the bit, beyond the end too."""
    net, optimizer, scheduler = made(schedules={"betas[0]": pg.Linear("50%", end=0.5)})
    foretold = scheduler.preview(25)
    for k in range(25):
        stands = pg.snapshot(optimizer)
        assert {name: stands[name] for name in foretold} == {name: curve[k] for name, curve in foretold.items()}
        assert scheduler.values() == {name: curve[k] for name, curve in foretold.items()}
        train(net, optimizer)


def test_the_kth_update_uses_the_kth_value():
    """Seen on the parameter: a step of plain SGD moves it by lr."""
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    pg.Scheduler(optimizer, lr=pg.Linear(4))
    moved = []
    for _ in range(6):
        parameter.grad = torch.ones_like(parameter)
        before = parameter.item()
        optimizer.step()
        moved.append(before - parameter.item())
    assert moved == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


def test_ratios_between_groups_survive():
    """A schedule multiplies each group's own base."""
    _, _, scheduler = made()
    curves = scheduler.preview(20)
    np.testing.assert_allclose(curves["lr/head"], 10 * curves["lr/default"], rtol=1e-12)


def test_a_weight_decay_of_zero_stays_zero():
    """A factor of nothing is nothing: norms and biases stay undecayed under a weight-decay schedule."""
    plan = pg.Plan(pg.Rule(pg.BIASES, weight_decay=0.0), lr=0.1, weight_decay=0.01)
    net, optimizer, _ = made(plan=plan)
    train(net, optimizer, 5)
    assert pg.view(optimizer)["biases"].weight_decay == 0.0
    assert pg.view(optimizer)["default"].weight_decay > 0.01


@settings(max_examples=25)
@given(strategies.schedules(), st.lists(strategies.bases, min_size=1, max_size=3))
def test_any_schedule_drives_any_groups(schedule, bases):
    """The values in the groups are the schedule's at k, for each base, to the bit."""
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": base} for base in bases]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    pg.Scheduler(optimizer, lr=schedule)
    for k in range(8):
        assert [group["lr"] for group in optimizer.param_groups] == [schedule(k, base) for base in bases]
        optimizer.step()


def test_a_tensor_lr_is_filled_in_place():
    """Compiled steps and captured graphs hold on to the tensor."""
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=torch.tensor(0.1))
    tensor = optimizer.param_groups[0]["lr"]
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    train(net, optimizer, 3)
    assert optimizer.param_groups[0]["lr"] is tensor
    assert tensor == pytest.approx(0.07)
    assert scheduler.journal == ()


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


def test_edits_may_be_forbidden():
    """`on_edit="raise"` names the group, both values and the calls that are allowed."""
    net, optimizer, _ = made(on_edit="raise")
    optimizer.param_groups[0]["lr"] = 0.5
    with pytest.raises(EditError, match=r"on_edit='raise' forbids it") as caught:
        train(net, optimizer)
    assert "scheduler.override(...)" in str(caught.value)


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


# --- overrides, rebases ---------------------------------------------------------------------------


def test_an_override_lasts_for_its_steps():
    """Three updates at the value, then the schedule as if nothing had been."""
    net, optimizer, scheduler = made()
    plain = scheduler.preview(10)["lr/head"]
    train(net, optimizer, 2)
    scheduler.override("head", lr=0.7, steps=3)
    seen = []
    for _ in range(6):
        seen.append(optimizer.param_groups[1]["lr"])
        train(net, optimizer)
    assert seen == [0.7] * 3 + plain[5:8].tolist()


def test_a_rebase_scales_from_now_on():
    """The past keeps its base."""
    net, optimizer, scheduler = made()
    plain = scheduler.preview(20)["lr/head"]
    train(net, optimizer, 4)
    scheduler.rebase("head", lr=2.0)
    np.testing.assert_allclose(scheduler.preview(20)["lr/head"], plain * np.where(np.arange(20) < 4, 1, 2))
    assert scheduler.journal == (Rebase(step=4, group="head", hyperparameter="lr", old=1.0, new=2.0),)


@pytest.mark.parametrize("call", ["override", "rebase"])
def test_nothing_changes_where_a_call_is_wrong(call):
    """An unknown hyperparameter or value leaves journal and groups alone."""
    _, optimizer, scheduler = made()
    before = live(optimizer)
    with pytest.raises(UndrivenError, match=r"does not drive eps of group 'default'"):
        getattr(scheduler, call)("*", lr=0.5, eps=0.1)
    with pytest.raises(HyperparameterValueError, match="at least 0"):
        getattr(scheduler, call)("*", lr=0.5, weight_decay=-1.0)
    assert live(optimizer) == before
    assert scheduler.journal == ()


def test_an_override_may_scale():
    """Half the schedule's value, for as long as is said, by number of the update too."""
    net, optimizer, scheduler = made()
    plain = scheduler.preview(10)["lr/head"]
    train(net, optimizer, 2)
    scheduler.override("head", scale={"lr": 0.5}, until=5)
    np.testing.assert_array_equal(
        scheduler.preview(10)["lr/head"], plain * np.where(np.isin(np.arange(10), [2, 3, 4]), 0.5, 1)
    )


@pytest.mark.parametrize("ends", [{"steps": 2, "until": 9}, {"steps": 0}, {"until": 0}], ids=str)
def test_an_override_that_does_not_say_when_it_ends_is_refused(ends):
    """Two ends, or one that is past."""
    _, _, scheduler = made()
    with pytest.raises(ValueError, match="does not say when it ends"):
        scheduler.override("head", lr=0.7, **ends)


def test_a_plateau_multiplies_whatever_it_is_part_of():
    """Two bad observations, one reduction, from the next update on."""
    net, optimizer, scheduler = made(schedules={"lr": LR * Plateau(0.5, patience=0)})
    plain = made()[2].preview(20)["lr/head"]
    for metric in (1.0, 2.0, 1.5):
        train(net, optimizer, 2)
        scheduler.observe(metric)
    halvings = np.where(np.arange(20) < 4, 1.0, np.where(np.arange(20) < 6, 0.5, 0.25))
    np.testing.assert_allclose(scheduler.preview(20)["lr/head"], plain * halvings, rtol=1e-12)
    assert optimizer.param_groups[1]["lr"] == scheduler.preview(7)["lr/head"][6]


def test_a_metric_that_nobody_waits_for_is_an_error():
    """It would be lost."""
    with pytest.raises(UndrivenError, match="no schedule has a Plateau"):
        made()[2].observe(1.0)


def test_a_longer_horizon_stretches_what_is_left():
    """No jump at the switch; what was due at the old end is due at the new."""
    net, optimizer, scheduler = made()
    plain = scheduler.preview(21)["lr/head"]
    train(net, optimizer, 10)
    scheduler.reschedule(horizon=pg.Horizon(steps=40))
    longer = scheduler.preview(41)["lr/head"]
    np.testing.assert_array_equal(longer[:11], plain[:11])
    np.testing.assert_allclose(longer[10::3], plain[10:], rtol=1e-12)


def test_a_new_tail_starts_where_the_old_curve_is():
    """It counts from here, multiplies the present value, and its rest is what the horizon leaves."""
    net, optimizer, scheduler = made()
    plain = scheduler.preview(20)["lr/head"]
    train(net, optimizer, 10)
    scheduler.reschedule("head", lr=pg.Linear("rest", end=0.5))
    tail = scheduler.preview(21)["lr/head"]
    np.testing.assert_array_equal(tail[:11], plain[:11])
    assert tail[20] == plain[10] * 0.5
    assert scheduler.preview(21)["lr/default"][20] == made()[2].preview(21)["lr/default"][20]


def test_a_cooldown_can_be_started_at_any_time():
    """Warm-up, stable for as long as one likes, then down to zero."""
    net, optimizer, scheduler = made(schedules={"lr": pg.Warmup(2).then(pg.Constant())})
    train(net, optimizer, 7)
    scheduler.cooldown(5)
    np.testing.assert_allclose(
        scheduler.preview(14)["lr/head"][6:], [1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0], atol=1e-15
    )


def test_a_restart_forgets_what_was_observed():
    """The schedule is what it was when its time started; what is observed from now on counts."""
    net, optimizer, scheduler = made(schedules={"lr": Plateau(0.5, patience=0)})
    for metric in (1.0, 2.0):
        train(net, optimizer)
        scheduler.observe(metric)
    assert scheduler.values()["lr/head"] == 0.5
    scheduler.restart("head", "lr")
    scheduler.observe(3.0)
    assert scheduler.values()["lr/head"] == 1.0


def test_a_group_may_start_the_schedule_anew():
    """`restart` puts a group on a clock of its own."""
    net, optimizer, scheduler = made()
    plain = scheduler.preview(20)["lr/head"]
    train(net, optimizer, 6)
    scheduler.restart("head")
    assert scheduler.preview(20)["lr/head"].tolist() == [*plain[:6], *plain[:14]]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda s: s.reschedule(), "changes nothing"),
        (lambda s: s.reschedule(lr=pg.Function(abs)), "Function holds Python code"),
        (lambda s: s.reschedule(horizon=pg.Horizon(steps=3)), "cannot be made 3 updates long"),
        (lambda s: s.reschedule(lr=pg.Linear(5, end=-1.0)), "gives lr/default"),
        (lambda s: s.reschedule(eps=pg.Linear(5)), "does not drive eps"),
    ],
    ids=["nothing", "a function", "too short", "out of range", "undriven"],
)
def test_a_wrong_reschedule_changes_nothing(call, error):
    """Validate all, then act."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 5)
    before = live(optimizer), scheduler.preview(30)["lr/head"].tolist()
    with pytest.raises((ValueError, RuntimeError), match=error):
        call(scheduler)
    assert (live(optimizer), scheduler.preview(30)["lr/head"].tolist()) == before
    assert scheduler.journal == ()


def test_a_lengthened_run_is_resumed_with_the_horizon_it_was_made_with():
    """The journal lengthens it again; another horizon is refused, because it would be stretched twice."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 10)
    scheduler.reschedule(horizon=pg.Horizon(steps=40))
    state = json.loads(json.dumps(scheduler.state_dict()))
    _, _, again = made()
    again.load_state_dict(state)
    assert again.preview(41)["lr/head"].tolist() == scheduler.preview(41)["lr/head"].tolist()
    assert again.horizon == pg.Horizon(steps=40)
    other = pg.Scheduler(PLAN.build(model(), torch.optim.AdamW), lr=LR, horizon=pg.Horizon(steps=40))
    with pytest.raises(StateMismatchError, match=r"Make it with Horizon\(steps=20\)"):
        other.load_state_dict(state)


def test_the_history_says_who_changed_what_when():
    """A line an entry."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 3)
    scheduler.override("head", lr=0.5, steps=2)
    scheduler.rebase("default", lr=0.2)
    assert str(scheduler.history()).splitlines()[1:] == [
        "   3  lr/head         override value 0.5, until 5",
        "   3  lr/default      rebase old 0.1, new 0.2",
    ]


# --- state ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer_first", [True, False])
@pytest.mark.parametrize("scheduler_is_built", ["before loading", "after loading the optimizer"])
def test_resume_is_right_in_whatever_order(optimizer_first, scheduler_is_built):
    """Position, bases and journal come from the file; values, parameters and the future equal an unbroken run's."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 5)
    pg.view(optimizer)["head"].lr = 0.3
    train(net, optimizer, 2)
    scheduler.override("default", weight_decay=0.5, steps=4)
    saved = copy.deepcopy(optimizer.state_dict()), json.loads(json.dumps(scheduler.state_dict())), net.state_dict()
    saved = copy.deepcopy(saved)

    fresh = model()
    fresh.load_state_dict(saved[2])
    if scheduler_is_built == "before loading":
        resumed = PLAN.build(fresh, torch.optim.AdamW)
        again = pg.Scheduler(resumed, horizon=HORIZON, lr=LR, weight_decay=DECAY)
        loads = [lambda: resumed.load_state_dict(saved[0]), lambda: again.load_state_dict(saved[1])]
        for load in loads if optimizer_first else reversed(loads):
            load()
    else:
        resumed = PLAN.build(fresh, torch.optim.AdamW)
        resumed.load_state_dict(saved[0])
        again = pg.Scheduler(resumed, horizon=HORIZON, lr=LR, weight_decay=DECAY)
        again.load_state_dict(saved[1])

    assert again.last_epoch == 7
    assert again.journal == scheduler.journal
    for _ in range(8):
        assert live(resumed) == live(optimizer)
        train(net, optimizer)
        train(fresh, resumed)
    torch.testing.assert_close(fresh.state_dict(), net.state_dict(), rtol=0, atol=0)


def test_bases_follow_their_parameters_through_another_grouping():
    """Saved in two groups, loaded into four: each parameter keeps its base."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 3)
    scheduler.rebase("head", lr=0.25)
    finer = pg.Plan(pg.Rule("*.bias", name="bias"), pg.Rule("head.*", lr=pg.Times(3)), lr=0.1, weight_decay=0.01)
    _, other, again = made(plan=finer)
    again.load_state_dict(scheduler.state_dict())
    assert {group.name: group.lr for group in pg.view(other)} == {
        "default": optimizer.param_groups[0]["lr"],
        "bias": optimizer.param_groups[0]["lr"],
        "head": optimizer.param_groups[1]["lr"],
        "bias.head": optimizer.param_groups[1]["lr"],
    }


def test_a_state_that_does_not_fit_changes_nothing():
    """Validate all, then act."""
    _, optimizer, scheduler = made()
    before = live(optimizer), scheduler.last_epoch
    coarse = pg.Plan(lr=0.1, weight_decay=0.01)
    _, _, one_group = made(plan=coarse)
    with pytest.raises(StateMismatchError):
        one_group.load_state_dict(scheduler.state_dict())
    with pytest.raises(StateMismatchError):
        scheduler.load_state_dict({"last_epoch": 3})
    assert (live(optimizer), scheduler.last_epoch) == before


def test_what_the_file_does_not_know_keeps_its_own_base():
    """A parameter that is new since the save starts from its own lr, not from where the old ones were."""
    _, _, scheduler = made()
    grown = nn.ModuleDict({**model(), "extra": nn.Linear(2, 2)})
    optimizer = pg.Plan(*PLAN.rules, pg.Rule("extra.*", lr=7.0), **PLAN.defaults).build(grown, torch.optim.AdamW)
    again = pg.Scheduler(optimizer, horizon=HORIZON, lr=LR)
    again.load_state_dict(scheduler.state_dict() | {"step": 4})
    assert pg.view(optimizer)["extra"].lr == 7.0


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


def test_a_scheduler_without_schedules_is_refused():
    """It would do nothing."""
    with pytest.raises(ClaimError, match="Give it a schedule"):
        pg.Scheduler(torch.optim.SGD([torch.zeros(1)], lr=0.1))


def test_trainers_find_torchs_attributes():
    """An LRScheduler by class and by attribute, that patches nothing."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    step = optimizer.step
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    assert optimizer.step == step
    assert isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler)
    optimizer.step()
    scheduler.step()
    assert scheduler.last_epoch == 1
    assert scheduler._step_count == 2
    assert scheduler.base_lrs == [0.1]
    assert scheduler.get_last_lr() == scheduler.get_lr() == scheduler._last_lr == [0.1 * 0.9]


@pytest.mark.parametrize(
    "kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "RAdam", "Adamax", "Adadelta", "ASGD"]
)
def test_every_optimizer_of_torch_can_be_driven(kind):
    """The values in its group are the schedule's."""
    net = model()
    optimizer = getattr(torch.optim, kind)(net.parameters(), lr=0.01)
    scheduler = pg.Scheduler(optimizer, lr=LR, horizon=HORIZON)
    for k in range(5):
        assert pg.snapshot(optimizer)["lr/group0"] == scheduler.preview(5)["lr/group0"][k]
        train(net, optimizer)


# --- all of it together ---------------------------------------------------------------------------


TRANSITIONS: Counter[tuple[str, str]] = Counter()


def happens(*args, **kwargs):
    """A rule of the state machine, whose turns are counted."""

    def counted(function):
        @functools.wraps(function)
        def turn(self, *drawn, **named):
            TRANSITIONS[self.before, function.__name__] += 1
            self.before = function.__name__
            return function(self, *drawn, **named)

        return rule(*args, **kwargs)(turn)

    return counted


some_groups = st.sampled_from(["default", "head", "*"])


class Run(RuleBasedStateMachine):
    """Whatever happens, the groups hold what `preview` says, and a resumed run holds the same."""

    @initialize(schedule=strategies.schedules())
    def start(self, schedule):
        """A fresh run under any schedule."""
        assume("observed" not in repr(schedule))  # at steps that are yet to come
        self.schedule, self.added, self.past, self.before = schedule, 0, [], "start"
        self.optimizer, self.scheduler = self.fresh()

    def fresh(self):
        """The run as its script would set it up again."""
        optimizer = PLAN.build(model(), torch.optim.SGD, fused=True)
        schedules = {"lr": self.schedule, "weight_decay": pg.Linear("100%", end=2.0) * Plateau(patience=0)}
        scheduler = pg.Scheduler(optimizer, horizon=pg.Horizon(steps=1000), **schedules)
        for number in range(self.added):
            self.add_group_to(optimizer, number)
        return optimizer, scheduler

    def add_group_to(self, optimizer, number):
        """One more group, its parameter without a name."""
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))], "lr": 0.5, "name": f"added{number}"})

    @happens(steps=st.integers(1, 5))
    def step(self, steps):
        self.lives(steps)

    def lives(self, steps):
        """So many real updates; what stood in the groups at each is remembered."""
        for _ in range(steps):
            self.past.append(live(self.optimizer))
            self.optimizer.step()

    @happens()
    def skip(self):
        """A step that a GradScaler tells a fused optimizer to skip."""
        self.optimizer.found_inf = torch.tensor(1.0)
        self.optimizer.step()
        del self.optimizer.found_inf

    @happens()
    def accumulate(self):
        self.optimizer.zero_grad()
        self.scheduler.step()

    @happens(group=st.sampled_from([0, 1]), value=st.floats(0.0, 3.0))
    def edit(self, group, value):
        self.optimizer.param_groups[group]["lr"] = value

    @happens(group=some_groups, value=st.floats(0.0, 3.0), steps=st.none() | st.integers(1, 6))
    def override(self, group, value, steps):
        self.scheduler.override(group, lr=value, steps=steps)

    @happens(group=some_groups, scale=st.floats(0.1, 2.0), steps=st.integers(1, 6))
    def scale(self, group, scale, steps):
        self.scheduler.override(group, scale={"lr": scale}, steps=steps)

    @happens(group=some_groups)
    def release(self, group):
        self.scheduler.release(group)

    @happens(group=some_groups)
    def restart(self, group):
        self.scheduler.restart(group)

    @happens(group=st.sampled_from(["default", "head"]), value=st.floats(0.0, 3.0))
    def rebase(self, group, value):
        self.scheduler.rebase(group, weight_decay=value)

    @happens(metric=st.floats(-1.0, 1.0))
    def observe(self, metric):
        self.scheduler.observe(metric)

    @happens(group=st.sampled_from(["default", "head"]), tail=strategies.shapes(strategies.factors))
    def reschedule(self, group, tail):
        assume(tail.closed_form)  # what no file may hold, no journal can
        assume("observed" not in repr(tail))  # at steps that are yet to come
        self.scheduler.reschedule(group, lr=tail)

    @happens(more=st.integers(1, 20))
    def lengthen(self, more):
        self.scheduler.reschedule(horizon=pg.Horizon(steps=self.scheduler.horizon.steps + more))

    @precondition(lambda self: self.added < 3)
    @happens()
    def add_group(self):
        self.add_group_to(self.optimizer, self.added)
        self.added += 1
        self.optimizer.step()  # it is taken in before its first update
        self.past.append(None)

    @happens()
    def reload(self):
        self.optimizer.load_state_dict(self.optimizer.state_dict())

    @happens()
    def copy(self):
        self.optimizer, self.scheduler = copy.deepcopy((self.optimizer, self.scheduler))

    @happens(optimizer_first=st.booleans())
    def resume(self, optimizer_first):
        states = copy.deepcopy(self.optimizer.state_dict()), json.loads(json.dumps(self.scheduler.state_dict()))
        self.optimizer, self.scheduler = self.fresh()
        loads = [lambda: self.optimizer.load_state_dict(states[0]), lambda: self.scheduler.load_state_dict(states[1])]
        for load in loads if optimizer_first else reversed(loads):
            load()

    @invariant()
    def the_groups_hold_what_preview_says(self):
        """At every moment, and the past as it was lived."""
        k = self.scheduler.last_epoch
        assert k == len(self.past)
        foretold = self.scheduler.preview(k + 1)
        assert live(self.optimizer) == {name: curve[k] for name, curve in foretold.items()}
        for step, lived in enumerate(self.past):
            if lived is not None:
                assert lived == {name: foretold[name][step] for name in lived}


@pytest.mark.filterwarnings("ignore::paramgroups.scheduler.EditWarning")  # random edits are as wild as they come
@pytest.mark.parametrize(
    ("runs", "rules"), [(30, 15), pytest.param(2000, 30, marks=pytest.mark.slow)], ids=["quick", "slow"]
)
def test_the_laws_hold_whatever_happens(runs, rules, capsys):
    """Every kind of event in any order; the coverage of pairs of events is printed."""
    TRANSITIONS.clear()
    run_state_machine_as_test(Run, settings=settings(max_examples=runs, stateful_step_count=rules, deadline=None))
    events = {name for pair in TRANSITIONS for name in pair} - {"start"}
    seen = [pair for pair in TRANSITIONS if "start" not in pair]
    with capsys.disabled():
        print(  # noqa: T201  # the figure is asked for
            f"\n{sum(TRANSITIONS.values()):,} events; {len(seen)} of {len(events) ** 2} ordered pairs of them seen"
        )
    assert len(events) == 16

"""Schedules, clock and journal driving real optimizers."""

import copy
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import paramgroups as pg
import strategies
from paramgroups.errors import (
    HyperparameterValueError,
    StateMismatchError,
    UndrivenError,
)
from paramgroups.journal import Rebase
from paramgroups.schedules import Plateau
from runs import DECAY, HORIZON, LR, PLAN, live, made, model, train

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


@pytest.mark.parametrize(
    "call",
    [lambda s: s.override("head"), lambda s: s.override("head", lr=1.0, scale={"lr": 0.5}), lambda s: s.rebase("head")],
    ids=["no value", "value and scale", "no base"],
)
def test_a_call_that_says_nothing_is_refused(call):
    """With an example of what to say."""
    _, _, scheduler = made()
    with pytest.raises(ValueError, match="lr=1e-3"):
        call(scheduler)
    assert scheduler.journal == ()


def test_a_loss_may_be_observed_as_it_is():
    """A tensor that requires a gradient is a metric, and NaN is no improvement."""
    _, _, scheduler = made(schedules={"lr": Plateau(0.5, patience=0)})
    scheduler.observe(torch.tensor(1.0, requires_grad=True))
    scheduler.observe(float("nan"))
    assert scheduler.values()["lr/head"] == 0.5


@pytest.mark.parametrize("call", ["override", "rebase"])
def test_nothing_changes_where_a_call_is_wrong(call):
    """An unknown hyperparameter or value leaves journal and groups alone."""
    _, optimizer, scheduler = made()
    before = live(optimizer)
    with pytest.raises(UndrivenError, match=r"drive eps of group 'default'(.|\n)*\['default'\]\.eps = "):
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
    with pytest.raises(UndrivenError, match=r"no schedule has a Plateau.\nIt drives .*Plateau\(\)\)\.$"):
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


# --- the torch contract


def test_a_scheduler_prints_what_it_drives():
    """A line a hyperparameter of a group: now, base, schedule."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 4)
    lines = str(scheduler).splitlines()
    assert lines[0] == "Before update 4"
    assert lines[4].split(maxsplit=3) == ["lr/head", "1", "1", "Warmup(4).then(Cosine(16, end=0.1))"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "No schedule was given"),
        ({"schedules": pg.Linear(5)}, "does not say which hyperparameter"),
        ({"schedules": {"head": pg.Linear(5)}}, "does not say which hyperparameter"),
        ({"lr": pg.Linear(5), "horizon": 20}, r"Horizon\(steps=1000\)"),
    ],
    ids=["no schedule", "a schedule alone", "a schedule for a group", "a number for a horizon"],
)
def test_what_is_no_argument_is_answered_with_the_way_to_write_it(arguments, message):
    """What most people try first."""
    with pytest.raises(TypeError, match=message):
        pg.Scheduler(torch.optim.SGD([torch.zeros(1)], lr=0.1), **arguments)


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


# --- found by audit -------------------------------------------------------------------------------


def short(**kwargs):
    """One group, a line of ten steps."""
    return pg.Scheduler(torch.optim.AdamW([torch.zeros(1)], lr=1.0, betas=(0.5, 0.9)), lr=pg.Linear(10), **kwargs)


def test_values_of_numpy_are_journalled_as_numbers():
    """JSON holds them."""
    scheduler = short()
    scheduler.override(lr=np.float32(0.5))
    scheduler.rebase(lr=np.float64(0.5))
    scheduler.override(scale={"lr": np.float32(0.5)})
    assert json.loads(json.dumps(scheduler.state_dict())) == scheduler.state_dict()


@pytest.mark.parametrize("when", [{"steps": 2.5}, {"steps": True}, {"until": 7.0}, {"steps": 0}, {"until": 0}])
def test_an_override_ends_at_a_whole_update_to_come(when):
    """Nothing else says when."""
    scheduler = short()
    with pytest.raises(ValueError, match="does not say when it ends"):
        scheduler.override(lr=0.5, **when)
    assert scheduler.journal == ()


def test_a_scale_that_leads_out_of_range_later_is_refused_now():
    """The schedule rises: what is right at this update may not be at the last."""
    scheduler = short(**{"betas[0]": pg.Linear(10, end=1.8)})
    with pytest.raises(pg.errors.ScheduledValueError, match=r"betas\[0\]/group0 = 1\.35 at step 10"):
        scheduler.override(scale={"betas[0]": 1.5})
    assert scheduler.journal == ()
    scheduler.override(scale={"betas[0]": 1.5}, steps=3)
    for wrong in (float("nan"), "2", True):
        with pytest.raises(HyperparameterValueError):
            scheduler.override(scale={"lr": wrong})


def test_a_tail_of_factors_needs_something_to_multiply():
    """Where the value is 0 it would be 0 for ever; levels of its own, or a new start, are not."""
    scheduler = short()
    for _ in range(11):
        scheduler.optimizer.step()
    with pytest.raises(HyperparameterValueError, match=r"It must be other than 0, .* scheduler\.restart\(\)"):
        scheduler.reschedule(lr=pg.Cosine(10))
    assert scheduler.journal == ()
    scheduler.restart()
    assert scheduler.get_last_lr() == [1.0]
    scheduler.reschedule(lr=pg.Linear(10, start=pg.Absolute(0.5), end=pg.Absolute(0.0)))
    assert scheduler.get_last_lr() == [0.5]


def test_a_horizon_is_one():
    """As for a new scheduler."""
    scheduler = pg.Scheduler(torch.optim.SGD([torch.zeros(1)], lr=1.0), lr=pg.Linear(10), horizon=pg.Horizon(steps=10))
    with pytest.raises(TypeError, match="horizon=20 is no Horizon"):
        scheduler.reschedule(horizon=20)  # type: ignore[arg-type]  # the mistake under test


def test_a_base_without_a_value_changes_nothing():
    """The schedule is tried with it first."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = pg.Scheduler(optimizer, lr=pg.Exponential(10, end=pg.Absolute(1.0)))
    with pytest.raises(pg.errors.UndefinedValueError):
        scheduler.rebase(lr=0.0)
    assert scheduler.journal == ()


@pytest.mark.parametrize("wrong", ["0.5", True, None, torch.ones(2)])
def test_a_metric_is_one_number(wrong):
    """Text that looks like one is none."""
    scheduler = pg.Scheduler(torch.optim.SGD([torch.zeros(1)], lr=1.0), lr=Plateau())
    with pytest.raises(TypeError, match="is given no number"):
        scheduler.observe(wrong)
    assert scheduler.journal == ()

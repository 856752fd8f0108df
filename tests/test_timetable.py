"""Timetables: what is frozen when is a function of the update, and a resumed run is the run."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st

import paramgroups as pg
from paramgroups import agreement
from paramgroups.errors import (
    ClockError,
    CompositionError,
    DurationError,
    ExpressionError,
    FreezeError,
    NothingSelectedError,
    StateMismatchError,
    UnresolvedDurationError,
)
from paramgroups.pins import is_pinned
from paramgroups.schedules import Absolute
from states import plain
from thawing import HORIZON, PLAN, everything, net, run, step, trained, trains

# --- what is done when ----------------------------------------------------------------------------------------------


def test_what_is_thawed_first_is_frozen_until_then_and_what_is_frozen_trains_until_then():
    """An event counts before the update that it names."""
    parts = run(("stem.*", "thaw", 3), ("head.*", "freeze", "2 epochs"), ("head.*", "thaw", "60%"))
    model = parts[0]
    found = []
    for number in range(14):
        before = plain(dict(model.named_parameters()))
        found.append(trains(model))
        step(model, parts[1], number)
        after = plain(dict(model.named_parameters()))
        moved = {name.partition(".")[0] for name in before if before[name] != after[name]}
        assert sorted(moved) == sorted(found[-1])
    assert found == [["head"]] * 3 + [["stem", "head"]] * 7 + [["stem"]] * 2 + [["stem", "head"]] * 2


def test_statistics_stay_until_the_thaw_and_go_on_from_it():
    """The norm of the stem evaluates as long as the stem is frozen."""
    model, optimizer, *_ = run(("stem.*", "thaw", 2))
    counts = []
    for number in range(4):
        step(model, optimizer, number)
        counts.append(int(model["stem"][1].num_batches_tracked))
    assert counts == [0, 0, 1, 2]


def test_accumulation_and_skipped_steps_do_not_move_it():
    """Only updates that happened count: three backward passes, and a step that a scaler skips, are none."""
    model, optimizer, scheduler, _ = run(("stem.*", "thaw", 2))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    for number in range(6):
        loss = model["head"](model["stem"](torch.randn(8, 3))).sum()
        loss = loss * float("inf") if number % 3 == 1 else loss
        scaler.scale(loss).backward()
        if number % 3:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        assert trains(model) == (["head"] if scheduler.last_epoch < 2 else ["stem", "head"])
    assert scheduler.last_epoch == 2


def test_a_clock_that_is_moved_by_hand_moves_it():
    """Epochs, say."""
    model = net()
    optimizer = PLAN.build(model, torch.optim.SGD)
    scheduler = pg.Scheduler(optimizer, lr=pg.Constant(), clock="manual")
    pg.Timetable(model, optimizer, scheduler, [("stem.*", "thaw", 1)])
    optimizer.step()
    assert trains(model) == ["head"]
    scheduler.step()
    assert trains(model) == ["stem", "head"]


def test_what_was_frozen_by_hand_is_the_timetables_from_then_on():
    """In an optimizer of somebody else's, which holds it all the while."""
    model = net()
    model.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pg.name_groups(optimizer, model)
    scheduler = pg.Scheduler(optimizer, lr=pg.Constant())
    pg.Timetable(model, optimizer, scheduler, [("stem.*", "thaw", 1), ("head.*", "freeze", 2)])
    found = []
    for number in range(3):
        found.append(trains(model))
        step(model, optimizer, number)
    assert found == [["head"], ["stem", "head"], ["stem"]]


def test_events_of_one_moment_are_done_in_their_order():
    """The later wins, and what is between is never seen."""
    model, optimizer, *_ = run(("*", "thaw", 2), ("stem.*", "freeze", 2), ("stem.*", "thaw", 3))
    found = []
    for number in range(4):
        found.append(trains(model))
        step(model, optimizer, number)
    assert found == [[], [], ["head"], ["stem", "head"]]


# --- warm-ups -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("warmup", "factors"),
    [
        (3, [1 / 4, 2 / 4, 3 / 4, 1, 1]),
        ("10%", [1 / 3, 2 / 3, 1, 1, 1]),
        (pg.Linear(4, start=0.0, end=1.0), [0, 1 / 4, 2 / 4, 3 / 4, 1]),
        (pg.Piecewise({0: 0.1, 2: 0.2, 4: 1.0}, "constant"), [0.1, 0.1, 0.2, 0.2, 1.0]),
        (None, [1, 1, 1, 1, 1]),
    ],
    ids=repr,
)
def test_a_thawed_group_joins_by_its_own_warm_up_and_no_other_does(warmup, factors):
    """Its factor multiplies what its schedule gives, from the thaw on; `preview` has said so."""
    model, optimizer, scheduler, timetable = run(("stem.*", "thaw", 3, warmup))
    alone = scheduler.preview(20)
    foretold = timetable.preview(20)
    seen = []
    for number in range(8):
        seen.append([group["lr"] for group in optimizer.param_groups])
        step(model, optimizer, number)
    assert np.array(seen).T.tolist() == [foretold[f"lr/{name}"][:8].tolist() for name in ("stem", "head")]
    assert foretold["lr/head"].tolist() == alone["lr/head"].tolist()
    assert foretold["lr/stem"][:3].tolist() == alone["lr/stem"][:3].tolist()
    np.testing.assert_allclose(foretold["lr/stem"][3:8], alone["lr/stem"][3:8] * factors, rtol=1e-15)
    assert foretold["lr/stem"][9:].tolist() == alone["lr/stem"][9:].tolist()


def test_a_warm_up_is_an_entry_of_the_journal():
    """What was not known when the schedules were given is written down, once."""
    parts = trained(run(("stem.*", "thaw", 3, 2)), range(5))
    assert str(parts[2].history()) == "step  hyperparameter  what\n   3  lr/stem         thaw warmup Warmup(2)"


def test_restarted_a_schedule_begins_anew_without_the_warm_up():
    """That belonged to the thaw."""
    _, optimizer, scheduler, _ = trained(run(("stem.*", "thaw", 1, 10)), range(3))
    scheduler.restart()
    assert optimizer.param_groups[0]["lr"] == 0.05


# --- resuming -------------------------------------------------------------------------------------------------------

selections = st.sampled_from(["stem.*", "head.*", "*", "stem.1.*"])


@st.composite
def tables(draw: st.DrawFn) -> list[Any]:
    """Events that each change something."""
    events: list[Any] = []
    for _ in range(draw(st.integers(1, 4))):
        what = draw(st.sampled_from(["thaw", "freeze"]))
        select = draw(selections)
        warmup = draw(st.none() | st.integers(0, 4)) if what == "thaw" and select != "stem.1.*" else None
        event = (select, what, draw(st.integers(0, 9)), *([warmup] if warmup is not None else []))
        try:
            run(*events, event)
        except FreezeError:
            continue
        events.append(event)
    return events or [("stem.*", "thaw", 3, 2)]


@settings(max_examples=25)
@given(tables(), st.integers(0, 9), st.sampled_from(["from a file", "timetable first", "timetable last", "without"]))
def test_resumed_anywhere_it_is_the_run_to_the_bit(tmp_path_factory, events, k, way):
    """Saved after k updates and loaded into a run that was set up anew, it goes on as the one that never stopped.

    By `pg.load`, or part by part in any order; and where nothing was done by hand, without the timetable's own state.
    """
    path = tmp_path_factory.mktemp("run") / "state.pt"
    whole = trained(run(*events), range(k))
    pg.save(path, whole[1], whole[2], whole[0], {"timetable": whole[3].state_dict()})
    states = copy.deepcopy([part.state_dict() for part in whole])
    trained(whole, range(k, 12))
    again = run(*events)
    if way == "from a file":
        again[3].load_state_dict(pg.load(path, again[1], again[2], again[0]).extra["timetable"])
    else:
        order = {"timetable first": (3, 0, 1, 2), "timetable last": (2, 1, 0, 3), "without": (0, 1, 2)}[way]
        for index in order:
            again[index].load_state_dict(states[index])
    assert everything(trained(again, range(k, 12))) == everything(whole)


def test_made_after_the_scheduler_was_loaded_it_goes_on_all_the_same():
    """In mid warm-up; the entry is not made twice."""
    whole = trained(run(("stem.*", "thaw", 3, 4)), range(5))
    model = net()
    optimizer = PLAN.build(model, torch.optim.AdamW, weight_decay=0.1)
    scheduler = pg.Scheduler(optimizer, horizon=HORIZON, lr=pg.Cosine("100%", end=0.1))
    model.load_state_dict(whole[0].state_dict())
    optimizer.load_state_dict(copy.deepcopy(whole[1].state_dict()))
    scheduler.load_state_dict(whole[2].state_dict())
    again = (model, optimizer, scheduler, pg.Timetable(model, optimizer, scheduler, [("stem.*", "thaw", 3, 4)]))
    assert everything(again) == everything(whole)
    assert everything(trained(again, range(5, 9))) == everything(trained(whole, range(5, 9)))


def test_what_was_frozen_and_thawed_by_hand_is_saved_too():
    """Whichever is loaded first; and the timetable goes on from it."""
    whole = trained(run(("stem.*", "thaw", 6)), range(2))
    pg.thaw(whole[0], "stem.0.*")
    pg.freeze(whole[0], "head.bias")
    for first in (2, 3):
        again = run(("stem.*", "thaw", 6))
        for index in (first, 5 - first):
            again[index].load_state_dict(whole[index].state_dict())
        assert [p.requires_grad for p in again[0].parameters()] == [p.requires_grad for p in whole[0].parameters()]
        assert again[3].state_dict() == whole[3].state_dict()
        trained(again, range(2, 7))
        assert [n for n, p in again[0].named_parameters() if not p.requires_grad] == ["head.bias"]


def test_with_other_events_these_hold_and_what_was_done_by_hand_is_kept():
    """Position and configuration are two things."""
    whole = trained(run(("stem.*", "thaw", 3)), range(5))
    pg.freeze(whole[0], "head.bias")
    again = run(("stem.*", "thaw", 7))
    for index in (3, 2, 1, 0):
        again[index].load_state_dict(whole[index].state_dict())
    assert [n for n, p in again[0].named_parameters() if p.requires_grad] == ["head.weight"]
    trained(again, range(5, 7))
    assert [n for n, p in again[0].named_parameters() if not p.requires_grad] == ["head.bias"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda parts: pickle.loads(pickle.dumps(parts))])
def test_a_copy_of_it_all_goes_on_by_itself(copied):
    """Whichever comes first in the copy."""
    whole = trained(run(("stem.*", "thaw", 3, 2)), range(2))
    timetable, model, optimizer, scheduler = copied((whole[3], *whole[:3]))
    again = (model, optimizer, scheduler, timetable)
    trained(again, range(2, 6))
    assert trains(whole[0]) == ["head"]
    assert everything(trained(whole, range(2, 6))) == everything(again)


def test_set_back_to_an_earlier_step_it_freezes_again():
    """The state of the scheduler says where the run is."""
    model, _, scheduler, _ = parts = run(("stem.*", "thaw", 3, 2))
    start = scheduler.state_dict()
    trained(parts, range(5))
    scheduler.load_state_dict(start)
    assert (trains(model), is_pinned(model["stem"][1])) == (["head"], True)
    trained(parts, range(4))
    assert (trains(model), len(scheduler.journal)) == (["stem", "head"], 1)


def test_with_another_horizon_what_lies_ahead_moves_with_the_schedules():
    """Half of what is left of the run is half of it still; what is done stays done."""
    model, _, scheduler, timetable = parts = run(("stem.0.*", "thaw", 2), ("stem.1.*", "thaw", 12, None))
    trained(parts, range(4))
    scheduler.reschedule(horizon=pg.Horizon(steps=36, epochs=4))
    assert [row[0] for row in timetable.table().rows] == ["2", "20"]
    trained(parts, range(4, 19))
    assert not model["stem"][1].weight.requires_grad
    trained(parts, range(19, 20))
    assert model["stem"][1].weight.requires_grad
    again = run(("stem.0.*", "thaw", 2), ("stem.1.*", "thaw", "60%"))
    again[2].load_state_dict(scheduler.state_dict())
    assert again[3].table().rows[1][0] == "20"


def test_regrouped_in_mid_run_the_warm_up_finds_its_parameters():
    """By name, in whatever groups they are."""
    _, optimizer, _, timetable = parts = run(("stem.*", "thaw", 3, 2))
    trained(parts, range(1))
    pg.regroup.split(optimizer, "stem.1.*", name="norm")
    trained(parts, range(1, 4))
    factor = [group["lr"] / optimizer.param_groups[2]["lr"] for group in optimizer.param_groups]
    np.testing.assert_allclose(factor, [0.5 * 2 / 3, 0.5 * 2 / 3, 1.0])
    assert list(timetable.frozen(3)) == ["stem", "norm", "head"]


# --- in a plan ------------------------------------------------------------------------------------------------------

LATER = pg.Plan(pg.Rule("stem.*", frozen=True, thaw="2 epochs", warmup=2, lr=pg.Times(0.5)), lr=0.1)


def test_a_rule_says_when_its_parameters_are_thawed_and_they_are_in_a_group_from_the_start():
    """The plan, its explanation and the live groups say until when, and by which rule."""
    grouping = LATER.on(net())
    line = "stem: 4 of 4 tensors frozen by rule 'stem' until 2 epochs"
    assert str(grouping).splitlines()[-1] == line
    title = "stem.0.bias: 4 elements in group stem, frozen by rule 'stem' until 2 epochs"
    assert str(grouping.explain("stem.0.bias")).splitlines()[0] == title
    model, optimizer, _, timetable = parts = run(plan=LATER)
    assert pg.view(optimizer).names == ["stem", "default"]
    assert str(pg.view(optimizer)).splitlines()[-1] == line
    assert trains(model) == ["head"]
    trained(parts, range(10))
    assert trains(model) == ["stem", "head"]
    assert "frozen" not in str(pg.view(optimizer))
    assert timetable.table().rows == (("10", "thaw", "rule 'stem'", "4", "Warmup(2)", "done"),)


def test_rules_work_as_style_sheets_do_for_thaws_too():
    """The last rule that says when wins; one that freezes for good wins over all."""
    plan = pg.Plan(
        pg.Rule("*", name="all", frozen=True, thaw=5),
        pg.Rule("stem.*", frozen=True, thaw=7),
        pg.Rule("*.bias", frozen=True),
        lr=0.1,
    )
    grouping = plan.on(net())
    found = {each.rule: [param.name for param in each.params] for each in grouping.thaws}
    assert found == {"stem": ["stem.0.weight", "stem.1.weight"], "all": ["head.weight"]}
    assert {each.param.name for each in grouping.frozen} == {"stem.0.bias", "stem.1.bias", "head.bias"}
    assert [group.name for group in grouping.groups] == ["all.stem", "all"]


def test_a_step_without_the_timetable_that_the_plan_needs_says_so():
    """Nothing would ever be thawed."""
    model = net()
    optimizer = LATER.build(model, torch.optim.SGD)
    with pytest.raises(FreezeError, match=r"(?s)rule 'stem' until '2 epochs'.*pg\.Timetable\(model, optimizer, sched"):
        optimizer.step()
    pg.Timetable(model, optimizer, pg.Scheduler(optimizer, lr=pg.Constant(), horizon=HORIZON))
    optimizer.step()


def test_a_plan_that_is_applied_in_mid_run_is_followed_by_a_new_timetable():
    """From the step at which the run is: what was due is done."""
    model, optimizer, scheduler, timetable = parts = run(("stem.*", "thaw", 1))
    trained(parts, range(4))
    timetable.detach()
    pg.Plan(pg.Rule("stem.*", frozen=True, thaw=6), lr=0.1).apply(optimizer, model)
    assert trains(model) == ["head"]
    pg.Timetable(model, optimizer, scheduler)
    trained(parts, range(4, 6))
    assert trains(model) == ["stem", "head"]


def test_detached_it_does_nothing_more():
    """What is frozen stays so; and a scheduler that was detached has no time to go by."""
    model, _, scheduler, timetable = parts = run(("stem.*", "thaw", 1))
    timetable.detach()
    timetable.detach()
    trained(parts, range(3))
    assert trains(model) == ["head"]
    scheduler.detach()
    with pytest.raises(ClockError, match="was detached"):
        pg.Timetable(model, parts[1], scheduler, [("stem.*", "thaw", 1)])


# --- looking --------------------------------------------------------------------------------------------------------


def test_it_prints_as_a_table():
    """What is done before which update, and what lies ahead."""
    parts = trained(run(("stem.*", "thaw", "1 epoch", "10%"), ("head.*", "freeze", 15)), range(7))
    assert str(parts[3]) == (
        "At update 7, frozen: 0 of 6 tensors\n"
        "before update  what    parameters  tensors  warm-up    stands\n"
        "            5  thaw    'stem.*'          4  Warmup(2)  done\n"
        "           15  freeze  'head.*'          2  —          ahead"
    )


def test_it_tells_which_share_of_each_group_is_frozen_when():
    """For pictures."""
    *_, timetable = run(("stem.0.*", "thaw", 2), ("stem.1.*", "thaw", 4), ("head.*", "freeze", 3))
    found = {name: shares.tolist() for name, shares in timetable.frozen(6).items()}
    assert found == {"stem": [1.0, 1.0, 0.5, 0.5, 0.0, 0.0], "head": [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]}
    assert timetable.frozen([1, 5])["stem"].tolist() == [1.0, 0.0]


# --- mistakes -------------------------------------------------------------------------------------------------------

STEM = ("stem.*", "thaw", 3)
WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "no event": ([], FreezeError, r"(?s)has no event.*Rule\(\.\.\., frozen=True, thaw=1000\)"),
    "no tuple": ([("stem.*", "thaw")], TypeError, r"(?s)is no event.*'2 epochs', '1 epoch'"),
    "no action": ([("stem.*", "melt", 3)], ValueError, "What it does is 'thaw' or 'freeze'"),
    "a freeze that warms up": ([("stem.*", "freeze", 3, 2)], ValueError, "only a thaw warms up"),
    "no moment": ([("stem.*", "thaw", "soon")], DurationError, "'soon' is not a duration"),
    "no parameters": ([("stme.*", "thaw", 3)], NothingSelectedError, r"Did you mean 'stem\.\*'"),
    "thawed twice": ([STEM, ("stem.0.*", "thaw", 5)], FreezeError, r"'stem\.0\.\*'.*changes nothing.*thawed"),
    "frozen twice": ([("*", "freeze", 3), ("head.*", "freeze", 5)], FreezeError, r"changes nothing.*frozen"),
    "part of a group": ([("stem.0.*", "thaw", 3, 2)], FreezeError, r"(?s)'stem' holds 'stem\.1\.weight', .*split"),
    "no factors": ([(*STEM, pg.Constant(Absolute(0.1)))], CompositionError, "a warm-up is made of factors"),
    "code": ([(*STEM, pg.schedules.Function(abs))], ExpressionError, "Function"),
}


@pytest.mark.parametrize(("events", "error", "match"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_explained_and_nothing_is_frozen(events, error, match):
    """All is checked before anything is done."""
    model = net()
    with pytest.raises(error, match=match):
        run(*events, model=model)
    assert trains(model) == ["stem", "head"]


def test_a_moment_in_epochs_needs_a_horizon():
    """As every duration does."""
    model = net()
    optimizer = PLAN.build(model, torch.optim.SGD)
    scheduler = pg.Scheduler(optimizer, lr=pg.Constant())
    with pytest.raises(UnresolvedDurationError, match=r"horizon=Horizon\(steps="):
        pg.Timetable(model, optimizer, scheduler, [("stem.*", "thaw", "2 epochs")])


def test_a_warm_up_needs_a_schedule_to_multiply():
    """An lr that no schedule drives stands still."""
    with pytest.raises(FreezeError, match=r"(?s)lr of group 'stem' follows no schedule.*Constant\(\)"):
        run(("stem.*", "thaw", 3, 2), weight_decay=pg.Constant())


def test_what_is_frozen_for_good_or_by_another_optimizer_is_refused():
    """What no group holds would not be trained."""
    plan = pg.Plan(pg.Rule("stem.*", frozen=True), lr=0.1)
    with pytest.raises(FreezeError, match=r"(?s)'stem.0.weight', .*thaw=\.\.\."):
        run(("stem.*", "thaw", 3), plan=plan)
    model, optimizer, scheduler, _ = run(("stem.*", "thaw", 3))
    other = torch.optim.SGD(net().parameters(), lr=0.1)
    with pytest.raises(FreezeError, match="drives another optimizer"):
        pg.Timetable(model, other, scheduler, [("stem.*", "thaw", 3)])
    with pytest.raises(TypeError, match=r"(?s)given for a paramgroups Scheduler.*First model, then optimizer"):
        pg.Timetable(model, scheduler, optimizer, [])  # type: ignore[arg-type]  # that is the point


def test_a_second_timetable_is_refused_as_long_as_the_first_goes_on():
    """Each would undo what the other does."""
    model, optimizer, scheduler, timetable = run(("stem.*", "thaw", 3))
    with pytest.raises(FreezeError, match="has a timetable already"):
        pg.Timetable(model, optimizer, scheduler, [("head.*", "freeze", 3)])
    timetable.detach()
    pg.Timetable(model, optimizer, scheduler, [("head.*", "freeze", 3)])


# --- several processes ----------------------------------------------------------------------------------------------


@pytest.fixture
def two_processes(monkeypatch):
    """What is asked of torch.distributed in one of two processes."""
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(agreement, "processes", lambda: 1)  # with whom groups are compared


@pytest.mark.usefixtures("two_processes")
def test_in_a_run_of_several_processes_gradients_are_thrown_away_instead(tmp_path):
    """They are required all the time, as a wrapper has to see, and nothing else is different."""
    parts = run(plan=LATER)
    model, optimizer, _, timetable = parts
    assert trains(model) == ["stem", "head"]
    assert str(timetable).startswith("At update 0, frozen: 4 of 6 tensors")
    before = plain(model["stem"].state_dict())
    trained(parts, range(9))
    model["head"](model["stem"](torch.ones(4, 3))).sum().backward()
    assert not any(parameter.grad.any() for parameter in model["stem"].parameters())
    step(model, optimizer, 9)
    assert plain(model["stem"].state_dict()) == before
    assert str(timetable).startswith("At update 10, frozen: 0 of 6 tensors")
    step(model, optimizer, 10)
    assert plain(dict(model["stem"].named_parameters())) != {key: before[key] for key in before if "run" not in key}


@pytest.mark.usefixtures("two_processes")
def test_what_was_frozen_before_the_others_came_requires_gradients_from_the_timetable_on(monkeypatch):
    """The optimizer was built by a process that did not yet know of others."""
    with monkeypatch.context() as alone:
        alone.setattr(dist, "get_world_size", lambda: 1)
        model = net()
        optimizer = LATER.build(model, torch.optim.AdamW)
        assert trains(model) == ["head"]
    pg.Timetable(model, optimizer, pg.Scheduler(optimizer, lr=pg.Constant(), horizon=HORIZON))
    assert trains(model) == ["stem", "head"]


def test_a_state_that_is_none_or_names_what_is_not_here_is_refused():
    """Nothing is changed then."""
    model, *_, timetable = run(("stem.*", "thaw", 3))
    for state, match in (
        ({}, "no state of a timetable: KeyError"),
        ({"version": 9}, "has version 9"),
        ({**timetable.state_dict(), "frozen": {"tail.weight": []}}, "froze 'tail.weight', which this model does not"),
        ({**timetable.state_dict(), "frozen": []}, "no state of a timetable"),
    ):
        with pytest.raises(StateMismatchError, match=match):
            timetable.load_state_dict(state)
    assert trains(model) == ["head"]

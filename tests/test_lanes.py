"""One schedule on one hyperparameter of one group."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import EditError, ScheduledValueError
from paramgroups.journal import Edit, Override, Rebase, Release, Restart, Thaw
from paramgroups.lanes import Bank, Lane
from paramgroups.schedules import Absolute, Constant, Cosine, Linear


def lane(schedule, base=1.0, path="lr"):
    """A lane of group `head`."""
    return Lane("head", path, schedule, base)


def where(step, path="lr"):
    """The fields every entry has."""
    return {"step": step, "group": "head", "hyperparameter": path}


@given(
    strategies.schedules(),
    st.lists(strategies.bases, min_size=1, max_size=3),
    st.lists(st.integers(0, 700), min_size=1, max_size=20),
)
def test_a_bank_writes_its_schedule_to_the_bit(schedule, bases, steps):
    """Evaluating many steps ahead, in any order, gives each group what the schedule gives for its base."""
    groups = [{"lr": 0.0} for _ in bases]
    bank = Bank([Lane(str(base), "lr", schedule, base) for base in bases], range(len(bases)), groups)
    for step in steps:
        bank.write(groups, step)
        assert [group["lr"] for group in groups] == [schedule(step, base) for base in bases]


KINDS = ["edit", "rebase", "override", "scale", "release"]  # after which the schedule is the same


def entries(kinds: list[str]) -> st.SearchStrategy[list[tuple[int, str, float]]]:
    """Waits, kinds and values of entries to make."""
    return st.lists(st.tuples(st.integers(0, 5), st.sampled_from(kinds), st.floats(0.1, 2.0)), max_size=8)


def entered(driven, drawn):
    """Make entries one after the other, each as the lane is after those before it."""
    now = 0
    for wait, kind, value in drawn:
        now += wait
        yield {
            "edit": Edit(**where(now), value=value, old=driven.last.base, new=value * 2),
            "rebase": Rebase(**where(now), old=driven.last.base, new=value),
            "override": Override(**where(now), value=value, until=now + 3 if value > 1 else None),
            "scale": Override(**where(now), scale=value, until=now + 5),
            "release": Release(**where(now)),
            "thaw": Thaw(**where(now), warmup="Warmup(4)"),
        }[kind]


@given(strategies.schedules(), strategies.bases, entries([*KINDS, "thaw"]))
def test_a_lane_is_a_function_of_its_base_and_entries(schedule, base, drawn):
    """Many values at once are the values one by one, before and after each entry."""
    driven, now = lane(schedule, base), 0
    for made in entered(driven, drawn):
        now = made.step
        before = driven.values(np.arange(now))
        driven.add(made)
        assert driven.values(np.arange(now)).tolist() == before.tolist()  # a later entry says nothing of the past
    steps = np.arange(now + 10)
    assert driven.values(steps).tolist() == [driven.value(step) for step in steps.tolist()]


@given(strategies.schedules(), strategies.bases, entries(KINDS), st.lists(st.integers(0, 300), min_size=1, max_size=10))
def test_a_bank_writes_what_its_lanes_say_of_every_update_to_come(schedule, base, drawn, later):
    """Values computed ahead have edits, overrides and scales in them, and those of another lane do not."""
    driven, plain = lane(schedule, base), lane(schedule, base / 3)
    for made in entered(driven, drawn):
        driven.add(made)
    now = driven.last.since
    groups = [{"lr": 0.0}, {"lr": 0.0}]
    bank = Bank([driven, plain], [0, 1], groups)
    for step in (now, *(now + each for each in later)):
        bank.write(groups, step)
        assert [group["lr"] for group in groups] == [driven.value(step), plain.value(step)]


@given(strategies.schedules(), strategies.bases, st.integers(0, 50))
def test_a_thaw_multiplies_what_is_due_from_there_on_and_a_restart_ends_that(schedule, base, step):
    """By its warm-up, which counts from the thaw; the past stands, and so does what comes after it."""
    driven, alone = lane(schedule, base), lane(schedule, base)
    driven.add(Thaw(**where(step), warmup="Linear(4, start=0.5, end=1.0)"))
    steps = np.arange(100)
    factors = np.where(steps < step, 1.0, np.minimum(0.5 + (steps - step) / 8, 1.0))
    np.testing.assert_allclose(driven.values(steps), alone.values(steps) * factors, rtol=1e-12, atol=1e-300)
    for each in (driven, alone):
        each.add(Restart(**where(step + 2)))
    later = np.arange(step + 2, 100)
    assert driven.values(later).tolist() == alone.values(later).tolist()


def test_an_edit_is_solved_for_the_base():
    """Halfway down a line from 1 to 0, writing 0.25 halves the base."""
    entry = lane(Linear(10)).edited(5, 0.25)
    assert entry == Edit(**where(5), value=0.25, old=1.0, new=0.5)


def test_where_the_curve_is_zero_the_base_becomes_the_edit():
    """At the first step of a warm-up from 0 there is nothing to solve."""
    assert lane(Linear(10, start=0.0, end=1.0)).edited(0, 0.01) == Edit(**where(0), value=0.01, old=1.0, new=0.01)


@pytest.mark.parametrize(
    ("schedule", "value"),
    [
        (Constant(Absolute(0.1)), 0.2),
        (Linear(10, end=Absolute(0.5)), 0.1),  # halfway, the floor alone gives 0.25
        (Linear(10, start=Absolute(1.0), end=0.0).clip(high=0.3), 0.2),
    ],
    ids=["absolute", "below its floor", "not affine"],
)
def test_an_edit_that_no_base_reproduces_is_an_override(schedule, value):
    """The value stands until it is released."""
    assert lane(schedule).edited(5, value) == Override(**where(5), value=value)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_an_edit_out_of_range_is_refused(value):
    """The message says what stood there, and what may."""
    with pytest.raises(EditError, match="lr/head was changed by hand") as caught:
        lane(Linear(10)).edited(5, value)
    assert "at least 0" in str(caught.value)


def test_a_schedule_that_leaves_the_range_is_refused():
    """betas[0] at 1 is none; the message names step, value, base and the way out."""
    with pytest.raises(ScheduledValueError) as caught:
        lane(Linear(10, start=1.0, end=1.2), base=0.9, path="betas[0]").check(10)
    text = str(caught.value)
    assert "Linear(10, end=1.2) gives betas[0]/head = 1.08 at step 10, from the base 0.9." in text
    assert "[0, 1)" in text
    assert "Absolute" in text


def test_a_bank_writes_each_group_its_own_multiple():
    """Groups of one course differ by their bases alone."""
    groups = [{"lr": 0.0}, {"lr": 0.0}]
    schedule = Cosine(10, end=0.1)
    lanes = [Lane(str(base), "lr", schedule, base) for base in (1.0, 0.01)]
    bank = Bank(lanes, [0, 1], groups)
    for step in (0, 3, 10, 400):
        bank.write(groups, step)
        assert [group["lr"] for group in groups] == [schedule(step, base) for base in (1.0, 0.01)]
        assert bank.edits(groups) == []


def test_a_bank_reports_what_was_written_by_hand():
    """Lane, what stands there, what was written; until it is written again."""
    groups = [{"lr": 0.0}, {"lr": 0.0}]
    lanes = [lane(Linear(10)), lane(Linear(10))]
    bank = Bank(lanes, [0, 1], groups)
    bank.write(groups, 0)
    groups[1]["lr"] = 0.3
    assert bank.edits(groups) == [(lanes[1], 0.3, 1.0)]
    bank.write(groups, 0)
    assert bank.edits(groups) == []


def test_a_tensor_is_filled_in_place_and_compared_in_its_own_dtype():
    """A value that float32 rounds is no edit, and the tensor stays the same object."""
    tensor = torch.tensor(0.0, dtype=torch.float32)
    groups = [{"lr": tensor}]
    bank = Bank([lane(Linear(3), base=0.1)], [0], groups)
    bank.write(groups, 1)
    assert groups[0]["lr"] is tensor
    assert float(tensor) == pytest.approx(0.1 * 2 / 3)
    assert float(tensor) != 0.1 * 2 / 3
    assert bank.edits(groups) == []


def test_an_entry_of_a_tuple_is_written_into_a_new_tuple():
    """The other entry stays, and nobody's tuple is changed under them."""
    betas = (0.9, 0.999)
    groups = [{"betas": betas}]
    Bank([lane(Linear(10, end=0.5), base=0.9, path="betas[0]")], [0], groups).write(groups, 10)
    assert groups[0]["betas"] == (0.45, 0.999)
    assert betas == (0.9, 0.999)

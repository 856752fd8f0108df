"""Chains, repetitions, shifts and stretches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import CompositionError, DurationError, ScheduleArgumentError
from paramgroups.schedules import Chain, Constant, Cosine, Horizon, InverseSqrt, Linear, MultiStep, Warmup

HORIZON = Horizon(steps=1000, epochs=4)
GIVE_A_LENGTH = "Give it a length: Constant, InverseSqrt and Function take steps=."

ended = strategies.schedules().filter(lambda schedule: schedule.length is not None)


@given(ended, ended, strategies.schedules(), strategies.times, strategies.bases)
def test_then_is_associative(first, second, third, times, base):
    """How a chain is bracketed makes no difference, to its structure or to its values."""
    left, right = first.then(second).then(third), first.then(second.then(third))
    assert left == right
    assert left.values(times, base).tolist() == right.values(times, base).tolist()


@given(ended, strategies.schedules(), strategies.times, strategies.bases)
def test_a_boundary_belongs_to_what_follows(first, second, times, base):
    """The definition of `then`, to the bit: each part on its own clock."""
    chain = first.then(second)
    boundary = first.length
    for time in (*times, boundary):
        assert chain(time, base) == (first(time, base) if time < boundary else second(time - boundary, base))


@given(ended, st.integers(1, 4), strategies.times, strategies.bases)
def test_a_repetition_starts_again(schedule, times_over, times, base):
    """The definition of `repeat`, to the bit: the remainder of time, and the end after the last."""
    period = schedule.length
    ever, often = schedule.repeat(), schedule.repeat(times_over)
    assert (ever.length, often.length) == (None, period * times_over)
    for time in (*times, period, period * times_over):
        local = time % period if period else 0
        assert ever(time, base) == schedule(local, base)
        assert often(time, base) == schedule(local if time < period * times_over else period, base)


@given(strategies.schedules(), st.integers(-10, 10), strategies.times, strategies.bases)
def test_a_shift_waits_or_starts_in_the_middle(schedule, steps, times, base):
    """The definition of `shift`, to the bit."""
    shifted = schedule.shift(steps)
    for time in (*times, max(steps, 0)):
        assert shifted(time, base) == schedule(max(time - steps, 0), base)
    assert shifted.length is None if schedule.length is None else shifted.length == max(schedule.length + steps, 0)


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Warmup(1).then(Linear(2)), [0.5, 1.0, 0.5, 0.0, 0.0]),
        (Constant(0.5, 2).then(Warmup(0)).then(Linear(0, end=0.25)), [0.5, 0.5, 0.25, 0.25]),
        (Linear(2).then(Linear(2, start=0.5)), [1.0, 0.5, 0.5, 0.25, 0.0]),
        (Linear(2).repeat(2), [1.0, 0.5, 1.0, 0.5, 0.0, 0.0]),
        (Linear(2).repeat(2).then(Constant(3.0)), [1.0, 0.5, 1.0, 0.5, 3.0]),
        (Linear(0, end=0.5).repeat(), [0.5, 0.5]),
        (Linear(2).shift(1), [1.0, 1.0, 0.5, 0.0]),
        (Linear(2).shift(-1), [0.5, 0.0, 0.0]),
        (Linear(2).shift(-9).then(Constant(0.5)), [0.5, 0.5]),
        ((Linear(2) * 0.5).then(Warmup(1)), [0.5, 0.25, 0.5, 1.0]),
    ],
    ids=repr,
)
def test_time_runs_as_by_hand(schedule, values):
    """Against numbers worked out by hand; parts of no steps never show but at the end."""
    assert schedule.values(len(values), 1.0).tolist() == values


@pytest.mark.parametrize(
    ("schedule", "code"),
    [
        (Cosine("rest"), "Cosine(1000)"),
        (Warmup("5%").then(Cosine("rest")), "Warmup(50).then(Cosine(950))"),
        (Constant(steps="rest").then(Linear("1 epoch")), "Constant(steps=750).then(Linear(250))"),
        (Warmup("10%").then(Warmup("10%")).then(Linear("rest")), "Warmup(100).then(Warmup(100)).then(Linear(800))"),
        (Warmup(1000).then(Linear("rest")), "Warmup(1000).then(Linear(0))"),
        (Warmup(10).then(Linear("rest").clip(0.1)), "Warmup(10).then(Linear(990).clip(low=0.1))"),
        (Warmup(10).then(Linear("rest").shift(5)), "Warmup(10).then(Linear(985).shift(5))"),
        (Warmup(10).then(Linear("rest").shift(-5)), "Warmup(10).then(Linear(995).shift(-5))"),
        (Linear("1%").shift("5%"), "Linear(10).shift(50)"),
        (Warmup(10) * Linear("rest"), "Warmup(10) * Linear(1000)"),
        (Warmup(10).then(Warmup(5).then(Linear("rest")) * 2), "Warmup(10).then(2.0 * Warmup(5).then(Linear(985)))"),
        (Warmup(10).then(Linear("rest") * InverseSqrt(4)), "Warmup(10).then(Linear(990) * InverseSqrt(4))"),
        (Cosine("25%").repeat(4), "Cosine(250).repeat(4)"),
        (Warmup("5%").then(InverseSqrt("5%")), "Warmup(50).then(InverseSqrt(50))"),
        (Warmup("5%").then(MultiStep(("30%", "60%"))), "Warmup(50).then(MultiStep((300, 600)))"),
    ],
    ids=repr,
)
def test_rest_is_what_the_other_parts_of_the_chain_leave(schedule, code):
    """Percentages are always of the whole horizon; the rest reaches through clips, shifts and products."""
    assert repr(schedule.resolve(HORIZON)) == code


def test_no_steps_left_for_the_rest_names_the_parts():
    """The sum is in the message."""
    with pytest.raises(DurationError) as caught:
        Warmup(600).then(Cosine("rest")).then(Linear("50%")).resolve(HORIZON)
    assert str(caught.value) == (
        "Of 1000 steps Warmup(600) takes 600 and Linear(500) takes 500: 'rest' would be -100 steps.\n"
        "Shorten a part, or make the horizon longer."
    )
    with pytest.raises(DurationError, match=r"Of 1000 steps .shift\(1001\) takes 1001: 'rest' would be -1 steps"):
        Cosine("rest").shift(1001).resolve(HORIZON)


@pytest.mark.parametrize(
    ("compose", "problem", "remedy"),
    [
        (
            lambda: Constant(0.5).then(Linear(4)),
            "Constant(0.5): it is open-ended, and what follows it would never start.",
            GIVE_A_LENGTH,
        ),
        (
            lambda: InverseSqrt(4).repeat(),
            "InverseSqrt(4): it is open-ended, and a period has to end.",
            GIVE_A_LENGTH,
        ),
        (
            lambda: Cosine("rest").then(Linear(3)).then(Linear("rest")),
            "Cosine('rest') and Linear('rest'): each takes the rest of the chain, and how they share it is not said.",
            "Leave 'rest' to one of them, and give the others a length such as '30%'.",
        ),
        (
            lambda: Cosine("rest").then(InverseSqrt(4)),
            (
                "Cosine('rest') and InverseSqrt(4): "
                "one takes the rest of the chain and the other has no end, so nothing says where it starts."
            ),
            "Give the last part a length with steps=, or the other one instead of 'rest'.",
        ),
        (
            lambda: Warmup(3).then(Cosine("rest")).repeat(),
            "Warmup(3).then(Cosine('rest')): 'rest' inside a repeated schedule has no one length.",
            "Give the period as steps or as a share of the run, such as '10%'.",
        ),
    ],
)
def test_what_does_not_fit_together_is_explained(compose, problem, remedy):
    """When it is composed, not when it is evaluated."""
    with pytest.raises(CompositionError) as caught:
        compose()
    assert str(caught.value) == f"{problem}\n{remedy}"


@pytest.mark.parametrize("times", [0, -1, 1.5, True, "2"])
def test_a_schedule_is_repeated_a_whole_number_of_times(times):
    """Or for ever."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Linear(2).repeat(times)
    assert str(caught.value) == (
        f"times = {times!r} in .repeat cannot be used.\nIt must be a whole number > 0, or None for ever."
    )


@pytest.mark.parametrize("steps", [0.5, True, None, "5", "rest"])
def test_a_shift_is_a_duration_or_negative(steps):
    """Whole, and not the rest of anything."""
    with pytest.raises(DurationError, match=r"^\.shift: "):
        Linear(2).shift(steps)


@pytest.mark.parametrize("other", [0.5, None, "Cosine(3)"])
def test_only_a_schedule_follows(other):
    """A number is not taken for a constant."""
    with pytest.raises(ScheduleArgumentError, match="It must be a schedule; a fixed level is Constant"):
        Linear(2).then(other)


def test_a_chain_built_by_hand_is_flat():
    """Nested chains become one; fewer than two parts are no chain."""
    chain = Chain((Warmup(1).then(Warmup(2)), Linear(3)))
    assert chain == Warmup(1).then(Warmup(2)).then(Linear(3))
    assert len(chain.parts) == 3
    with pytest.raises(ScheduleArgumentError, match="It must be two or more schedules"):
        Chain((Warmup(1),))


@given(strategies.schedules(), st.integers(0, 12), st.integers(1, 12), st.integers(1, 12), strategies.bases)
def test_stretching_changes_nothing_before_and_reaches_what_was_due(schedule, at, old, new, base):
    """Equal up to `at`, and from `new` on what was due from `old` on, to the bit."""
    stretched = schedule.stretch(at=at, old=at + old, new=at + new)
    assert stretched.values(at + 1, base).tolist() == schedule.values(at + 1, base).tolist()
    later = np.arange(20)
    expected = schedule.values(at + old + later, base)
    assert stretched.values(at + new + later, base).tolist() == expected.tolist()


@pytest.mark.parametrize("wrong", [{"at": -1}, {"old": 2}, {"new": 1}, {"new": 2.5}], ids=str)
def test_a_stretch_back_in_time_is_refused(wrong):
    """The message names the argument."""
    with pytest.raises(ScheduleArgumentError, match=next(iter(wrong))):
        Linear(4).stretch(**({"at": 2, "old": 4, "new": 6} | wrong))

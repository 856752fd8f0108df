"""The curves given point by point."""

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import DurationError, ScheduleArgumentError
from paramgroups.schedules import Absolute, Horizon, MultiStep, Piecewise

HORIZON = Horizon(steps=100)


@pytest.mark.parametrize(
    ("schedule", "steps", "values"),
    [
        (MultiStep((2, 4), gamma=0.5), [0, 1.9, 2, 3, 4, 9], [2.0, 2.0, 1.0, 1.0, 0.5, 0.5]),
        (MultiStep((2, 2, 5), gamma=0.5), [1, 2, 5], [2.0, 0.5, 0.25]),  # twice at once, as torch
        (MultiStep((0,), gamma=0.5, start=Absolute(3.0)), [0, 9], [1.5, 1.5]),
        (MultiStep((2,), gamma=0.0), [1, 2], [2.0, 0.0]),
        (MultiStep(()), [0, 9], [2.0, 2.0]),
        (Piecewise({0: 0.0, 2: 1.0, 4: 0.5}), [0, 1, 2, 3, 4, 9], [0.0, 1.0, 2.0, 1.5, 1.0, 1.0]),
        (Piecewise({0: 0.0, 2: 1.0, 4: 0.5}, "constant"), [0, 1.9, 2, 3, 4, 9], [0.0, 0.0, 2.0, 2.0, 1.0, 1.0]),
        (Piecewise({0: 1.0, 4: Absolute(4.0)}), [0, 1, 4], [2.0, 2.5, 4.0]),
        (Piecewise([(0, 1.0), (2, 0.5), (2, 2.0)]), [0, 1, 2, 3], [2.0, 1.5, 4.0, 4.0]),  # a jump at 2
        (Piecewise([(0, 1.0), (0, 0.5), (2, 1.5)]), [0, 1, 2], [1.0, 2.0, 3.0]),
        (Piecewise({0: 0.5}), [0, 9], [1.0, 1.0]),
    ],
    ids=repr,
)
def test_a_table_has_the_values_it_was_given(schedule, steps, values):
    """At base 2, against numbers worked out by hand."""
    assert schedule.values(steps, base=2.0).tolist() == values


@given(st.lists(st.integers(0, 50), max_size=6), strategies.factors, strategies.times)
def test_milestones_count_as_bisect_right(milestones, gamma, times):
    """The definition torch gives, for any milestones."""
    milestones.sort()
    values = MultiStep(tuple(milestones), gamma).values(times, 1.0)
    assert values.tolist() == pytest.approx([gamma ** bisect_right(milestones, time) for time in times], rel=1e-14)


@given(st.dictionaries(st.integers(1, 50), strategies.levels, max_size=6), strategies.levels, strategies.bases)
def test_every_point_is_met_exactly(points, first, base):
    """At each moment the value is the level there, to the bit, joined or not."""
    points = {0: first, **dict(sorted(points.items()))}
    expected = [level.value if isinstance(level, Absolute) else level * base for level in points.values()]
    for interpolation in ("linear", "constant"):
        schedule = Piecewise(points, interpolation)
        assert schedule.values(list(points), base).tolist() == expected
        assert schedule.length == max(points)


def test_moments_are_durations():
    """Shares of the run become steps; how the points were given makes no difference."""
    assert MultiStep(["30%", "1.5e1 steps"], 0.5).milestones == ("30%", 15)
    assert MultiStep(("30%", 60)).resolve(HORIZON) == MultiStep((30, 60))
    assert Piecewise({"0%": 1.0, "30%": 0.1}).resolve(HORIZON) == Piecewise([(0, 1), (30, 0.1)])
    assert repr(Piecewise({0: 1, "30%": 0.1})) == "Piecewise(((0, 1.0), ('30%', 0.1)))"
    assert repr(Piecewise({0: 1}, "constant")) == "Piecewise(((0, 1.0),), interpolation='constant')"
    assert repr(MultiStep([3], start=2)) == "MultiStep((3,), start=2.0)"


def test_moments_may_not_go_back():
    """Seen at once where they are whole, at the horizon where it decides."""
    with pytest.raises(DurationError) as caught:
        MultiStep((60, 30))
    assert str(caught.value) == "MultiStep: (60, 30) goes back in time.\nGive its steps in increasing order."
    with pytest.raises(DurationError, match=r"MultiStep: \(60, 30\) goes back"):
        MultiStep((60, "30%")).resolve(HORIZON)
    with pytest.raises(DurationError, match=r"Piecewise: \(0, 60, 30\) goes back"):
        Piecewise({0: 1.0, "60%": 0.5, 30: 0.1}).resolve(HORIZON)


@pytest.mark.parametrize("first", [1, "1%"])
def test_points_start_at_zero(first):
    """Nothing says what would hold before."""
    with pytest.raises(DurationError) as caught:
        Piecewise({first: 1.0}).resolve(HORIZON)
    assert str(caught.value) == (
        "Piecewise.points: 1 is the first moment, and nothing says what holds before it.\n"
        "Start at 0: Piecewise({0: 1.0, ...})."
    )


@pytest.mark.parametrize("points", [(), {}, 3, None, [1, 2], [(0, 1.0, 2.0)]], ids=repr)
def test_points_are_pairs(points):
    """And at least one of them."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Piecewise(points)
    assert str(caught.value) == (
        f"points = {points!r} in Piecewise cannot be used.\nIt must be pairs of moment and level, or a mapping of them."
    )


@pytest.mark.parametrize("milestones", [30, "30%", None], ids=repr)
def test_milestones_are_a_sequence(milestones):
    """One milestone is written as a tuple of one."""
    with pytest.raises(ScheduleArgumentError) as caught:
        MultiStep(milestones)
    assert str(caught.value) == (
        f"milestones = {milestones!r} in MultiStep cannot be used.\nIt must be a sequence of steps or durations."
    )


@pytest.mark.parametrize(
    ("table", "arguments", "message"),
    [
        (
            MultiStep,
            {"milestones": (3,), "gamma": -0.1},
            r"gamma = -0.1 in MultiStep .*\nIt must be a finite number >= 0",
        ),
        (MultiStep, {"milestones": (3,), "gamma": None}, r"gamma = None in MultiStep"),
        (MultiStep, {"milestones": (3,), "start": "1"}, r"start = '1' in MultiStep"),
        (MultiStep, {"milestones": (-3,)}, r"MultiStep.milestones: -3 is not a duration"),
        (MultiStep, {"milestones": ("rest",)}, r"MultiStep.milestones: 'rest' has no meaning here"),
        (Piecewise, {"points": {0: "1"}}, r"points = '1' in Piecewise .*\nIt must be a finite number, a factor"),
        (Piecewise, {"points": {0: 1.0, "rest": 0.0}}, r"Piecewise.points: 'rest' has no meaning here"),
        (
            Piecewise,
            {"points": {0: 1.0}, "interpolation": "cubic"},
            r"interpolation = 'cubic' .*\nIt must be 'linear' or 'constant'\.",
        ),
        (MultiStep, {"milestones": ("3 epochs",)}, r"MultiStep.milestones: '3 epochs' needs the epochs"),
        (Piecewise, {"points": {"0%": 1.0, "3 epochs": 0.0}}, r"Piecewise.points: '3 epochs' needs"),
    ],
)
def test_what_a_table_cannot_hold_is_explained(table, arguments, message):
    """Each field names itself."""
    with pytest.raises((ScheduleArgumentError, DurationError), match=message):
        table(**arguments).resolve(HORIZON)

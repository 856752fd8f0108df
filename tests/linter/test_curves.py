"""A curve as plain facts."""

import numpy as np
import pytest

import paramgroups as pg
from paramgroups.linter.curves import Curve, Time

VALUES = Curve(path="lr", ticks=np.array([0.0, 1.0, 5.0]), values=np.array([0.5, 2.0, 1.0]))


@pytest.mark.parametrize(
    ("time", "ticks"),
    [
        (Time(), None),
        (Time(100), 100),
        (Time(100, 2.5, "epoch"), 3),
        (Time(100, None, "epoch"), None),
        (Time(100, 2.0, None), None),
        (Time(100, None, None), 100),
    ],
)
def test_how_many_ticks_a_run_has_takes_knowing_what_they_are(time, ticks):
    """Between steps and epochs nobody guesses; where there are only steps there is nothing to guess."""
    assert time.ticks == ticks


def test_a_horizon_states_a_time():
    """Its steps and epochs, if there is one."""
    assert Time.of(pg.Horizon(100, epochs=4)) == Time(100, 4.0, "step")
    assert Time.of(None, "epoch") == Time(None, None, "epoch")
    assert (Time(100, 4.0).batches, Time(100).batches) == (25.0, 1.0)


def test_a_value_is_known_where_it_was_sampled():
    """And nowhere else; its share is that of the peak."""
    assert [VALUES.at(tick) for tick in (0, 1, 2, 5, None)] == [0.5, 2.0, None, 1.0, None]
    assert [VALUES.share(each) for each in (1.0, None)] == [0.5, None]
    assert (VALUES.peak, VALUES.whole) == (2.0, True)


def test_a_curve_whose_beginning_is_unknown_was_at_its_base():
    """So that the end of a decay is not taken for all of it."""
    late = Curve(path="lr", base=10.0, ticks=np.array([90.0, 100.0]), values=np.array([1.0, 0.5]))
    assert (late.whole, late.peak) == (False, 10.0)


def test_a_curve_without_values_has_no_peak_and_no_shares():
    """And nothing fails for that."""
    empty = Curve(path="lr", base=1.0)
    assert (empty.peak, empty.whole, empty.at(0), empty.share(1.0)) == (0.0, False, None, None)


def test_its_places_are_as_loggers_have_them():
    """`hyperparameter/group`; of a schedule by itself only the one."""
    assert Curve(path="lr").places == ["lr"]
    assert Curve(path="lr", groups=("a", "b")).places == ["lr/a", "lr/b"]


def test_moments_are_all_that_a_user_gave_a_time_for():
    """Steps and phases."""
    curve = Curve(path="lr", milestones=((1, 2), (9,)), phases=(5,))
    assert (curve.moments, curve.last_milestone, VALUES.last_milestone) == ((1, 2, 9, 5), 9, 0)

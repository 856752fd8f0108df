"""timm's cycles, and where they differ from the native ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules import Absolute, Cosine, CosineRestarts, Linear
from paramgroups.schedules.dialects.timm import Cycles


@given(st.integers(1, 12), st.floats(0.1, 1.0), st.floats(0.5, 2.0), st.integers(1, 4), strategies.bases)
def test_cycles_of_one_length_are_the_native_ones(period, decay, k_decay, cycles, base):
    """There is no logarithm then."""
    ours = CosineRestarts(period, decay=decay, k_decay=k_decay, cycles=cycles, end=Absolute(0.001))
    timms = Cycles(Cosine(1), period, 1.0, decay, cycles, k_decay, Absolute(0.001))
    assert timms.values(60, base) == pytest.approx(ours.values(60, base), rel=1e-12, abs=1e-15 * base)
    assert timms.length == ours.length


@pytest.mark.parametrize(("period", "growth", "late"), [(1, 3.0, 121), (16, 1.25, 61), (25, 1.2, 91)])
def test_growing_cycles_may_start_a_step_late(period, growth, late):
    """At one step a rounded logarithm leaves timm at the end of a cycle, where the native shape starts the next."""
    ours = CosineRestarts(period, growth=growth, cycles=6).values(130, 1.0)
    timms = Cycles(Cosine(1), period, growth, cycle_limit=6).values(130, 1.0)
    assert np.flatnonzero(np.abs(timms - ours) > 1e-9).tolist() == [late]
    assert timms[late] == pytest.approx(0.0, abs=1e-9)
    assert ours[late] == 1.0


def test_a_cycle_may_rise():
    """Timm lets a base grow from cycle to cycle, or vanish after the first."""
    assert Cycles(Linear(1), 2, cycle_decay=2.0, cycle_limit=3).values(7, 1.0).tolist() == [1, 0.5, 2, 1, 4, 2, 0]
    assert Cycles(Linear(1), 2, cycle_decay=0.0, cycle_limit=2).values(5, 1.0).tolist() == [1, 0.5, 0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Linear("5%"), 4), "curve = Linear"),
        ((Linear(1, end=Absolute(0.1)), 4), "curve = Linear"),
        ((0.5, 4), "curve = 0.5 in Cycles"),
        ((Linear(1), 4, 1.0, -1.0), "cycle_decay = -1.0 in Cycles"),
        ((Linear(1), 4, 1.0, 1.0, -1), "cycle_limit = -1 in Cycles"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(arguments, message):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError, match=message):
        Cycles(*arguments)

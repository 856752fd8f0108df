"""A callable of the epoch, before a tutorial's loop has asked it."""

import functools

import pytest

from lint_setups import Factor, warming
from paramgroups.linter.loops import loop_of, own_call


def test_the_first_two_answers_are_known():
    """And whether they rise from below what stands."""
    loop = loop_of(warming, "lr", {"a": 0.3, "b": 0.1})
    assert (loop.path, loop.first, loop.highest) == ("lr", 0.0, 0.3)
    assert loop.second == pytest.approx(0.06)
    assert (loop.warms_up, loop.remembers, loop.places) == (True, False, ["lr"])


@pytest.mark.parametrize(
    ("function", "standing", "warms"),
    [(warming, 0.0, False), (lambda e: 0.1 - e / 100, 0.3, False), (lambda e: 0.1, 0.3, False), (warming, 0.01, True)],
)
def test_it_warms_up_if_it_rises_from_below_what_stands(function, standing, warms):
    """What falls, or starts where the optimizer is, does not."""
    assert loop_of(function, "lr", {"a": standing}).warms_up is warms


def test_one_that_counts_its_calls_is_told_and_none_is_counted():
    """Copies are asked."""
    factor = Factor()
    assert loop_of(factor, "lr", {"a": 1.0}).remembers
    assert loop_of(functools.partial(factor), "lr", {"a": 1.0}).remembers
    assert factor.base == 2.0


def test_a_method_is_asked_itself():
    """What it is of may be a whole trainer."""
    method = Factor().__call__
    assert own_call(method) is method
    assert own_call(warming) is warming

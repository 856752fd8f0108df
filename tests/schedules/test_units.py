"""Durations as text, and the horizon that makes them whole steps."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paramgroups.errors import DurationError
from paramgroups.schedules import Constant, Horizon, Linear

HORIZON = Horizon(steps=1000, epochs=3, samples=128_000, tokens=4e9)
KINDS = "Give a whole number of steps >= 0, or text such as '5%', '3 epochs', '2e9 tokens' or 'rest'."


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("5%", 50),
        (" 5 % ", 50),
        ("0%", 0),
        ("100%", 1000),
        ("0.05%", 1),  # half a step goes up
        ("0.049%", 0),
        ("0.15%", 2),
        ("3 epochs", 1000),
        ("1 epoch", 333),
        ("2 Epochs", 667),
        ("1.5epochs", 500),
        ("2e9 tokens", 2000 // 4),
        ("1 token", 0),
        ("6.4e1 samples", 1),  # half a step again
        ("63 samples", 0),
        ("128_000 samples", 1000),
        ("6 epochs", 2000),
        ("100 steps", 100),
        ("1 step", 1),
        ("1e2 steps", 100),
        (100, 100),
        (100.0, 100),
        (np.int64(7), 7),
    ],
)
def test_a_duration_is_the_nearest_whole_number_of_steps(text, steps):
    """Each unit, spelling and rounding rule on hand-computed numbers."""
    assert HORIZON.steps_in(text) == steps
    assert type(HORIZON.steps_in(text)) is int
    assert Linear(text).resolve(HORIZON) == Linear(steps)


@given(st.integers(1, 10**6), st.integers(0, 10_000))
def test_rounding_is_exact(steps, hundredths):
    """A percentage is never more than half a step off, and exactly half a step goes up."""
    exact = Fraction(steps * hundredths, 10_000)
    error = Horizon(steps).steps_in(f"{hundredths // 100}.{hundredths % 100:02}%") - exact
    assert -Fraction(1, 2) < error <= Fraction(1, 2)


def test_steps_in_text_need_no_horizon():
    """`"100 steps"` is 100 at once, so equal lengths are equal schedules."""
    assert Linear("100 steps") == Linear(100)


def test_rest_is_recognised_in_any_case():
    """And printed in one."""
    assert repr(Linear(" Rest ")) == "Linear('rest')"


@pytest.mark.parametrize("value", [-1, 2.5, True, None, float("nan"), float("inf"), 1j, [3]], ids=repr)
def test_a_number_that_is_no_length_is_an_error(value):
    """Lengths are whole and not negative."""
    with pytest.raises(DurationError) as caught:
        Linear(value)
    assert str(caught.value) == f"Linear.steps: {value!r} is not a duration.\n{KINDS}"


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("5 epocs", "has an unknown unit, 'epocs'", "Did you mean 'epochs' or 'steps'?"),
        ("5 x", "has an unknown unit, 'x'", "There are: 'steps', 'epochs', 'samples', 'tokens', '%'."),
        ("101%", "is more than the whole run", "Give a percentage from 0% to 100%."),
        ("100", "has no unit", f"Write 100 without quotes for steps. {KINDS}"),
        ("2.5 steps", "is not a whole number of steps", KINDS),
        ("rset", "is not a duration", f"Did you mean 'rest'? {KINDS}"),
        ("epochs", "is not a duration", f"Did you mean 'epochs'? {KINDS}"),
        ("-5%", "is not a duration", KINDS),
        ("", "is not a duration", KINDS),
        ("_5%", "is not a duration", KINDS),
        ("1e999 steps", "is not a duration", KINDS),
    ],
)
def test_text_that_is_no_duration_is_explained(text, problem, remedy):
    """The message has the text, the field, what is wrong and the nearest unit."""
    with pytest.raises(DurationError) as caught:
        Constant(steps=text)
    assert str(caught.value) == f"Constant.steps: {text!r} {problem}.\n{remedy}"


@pytest.mark.parametrize("unit", ["epochs", "samples", "tokens"])
def test_a_unit_the_horizon_does_not_state_names_the_argument(unit):
    """The remedy can be pasted."""
    with pytest.raises(DurationError) as caught:
        Linear(f"3 {unit}").resolve(Horizon(steps=100))
    assert str(caught.value) == (
        f"Linear.steps: '3 {unit}' needs the {unit} of the run, and Horizon(steps=100) does not state them.\n"
        f"Give them: Horizon(steps=100, {unit}=...)."
    )


def test_the_rest_of_nothing_is_an_error():
    """A horizon alone cannot say what else takes steps."""
    with pytest.raises(DurationError, match=r"x: 'rest' has no meaning here.\nSay which share of the run: '100%'."):
        HORIZON.steps_in("rest", where="x")


def test_a_whole_float_is_a_length():
    """`1e3` is how people write a thousand."""
    assert repr(Horizon(steps=1e3)) == "Horizon(steps=1000)"  # type: ignore[arg-type]  # accepted, not advertised


@pytest.mark.parametrize("steps", [0, -5, 2.5, True, "100", None, float("nan")])
def test_a_horizon_has_a_positive_whole_number_of_steps(steps):
    """There is no run of no steps."""
    with pytest.raises(DurationError) as caught:
        Horizon(steps=steps)
    assert str(caught.value) == f"Horizon.steps: {steps!r} is not a length.\nGive a whole number of steps > 0."


@pytest.mark.parametrize("unit", ["epochs", "samples", "tokens"])
@pytest.mark.parametrize("total", [0, -5, True, "100", float("nan")])
def test_a_horizon_has_positive_totals(unit, total):
    """Nothing is divided by zero later."""
    with pytest.raises(DurationError) as caught:
        Horizon(10, **{unit: total})
    assert str(caught.value) == f"Horizon.{unit}: {total!r} is not a length.\nGive the run's {unit}, a number > 0."


def test_a_horizon_is_a_value():
    """It prints as its code, compares, hashes and pickles; numpy's numbers become Python's."""
    horizon = Horizon(np.int64(1000), epochs=np.int32(3), tokens=np.float64(2.5))
    assert repr(horizon) == "Horizon(steps=1000, epochs=3, tokens=2.5)"
    assert eval(repr(horizon)) == horizon
    assert pickle.loads(pickle.dumps(horizon)) == horizon
    assert hash(horizon) == hash(Horizon(1000, epochs=3, tokens=2.5))

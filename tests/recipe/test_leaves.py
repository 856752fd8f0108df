"""Schedules, selectors and values, as text and as objects."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import paramgroups as pg
from paramgroups.recipe.leaves import ScheduleText, SelectorText, Value
from strategies import schedules
from strategies_models import selectors

SCHEDULE: TypeAdapter[Any] = TypeAdapter(ScheduleText)
SELECTOR: TypeAdapter[Any] = TypeAdapter(SelectorText)
VALUE: TypeAdapter[Any] = TypeAdapter(Value)


@given(schedules())
def test_a_schedule_is_written_and_read_as_the_same(schedule):
    """Any without code of the user's own, and without a metric to wait for."""
    if schedule.driven_by_metric or "Function" in repr(schedule):
        with pytest.raises(ValidationError, match=r"cannot be written to a file|follows a metric"):
            SCHEDULE.validate_python(schedule)
    else:
        assert SCHEDULE.validate_python(SCHEDULE.dump_python(SCHEDULE.validate_python(schedule))) == schedule


@given(selectors())
def test_a_selector_is_written_and_read_as_the_same(select):
    """Globs as they are, everything else as code."""
    assert SELECTOR.validate_python(SELECTOR.dump_python(SELECTOR.validate_python(select))) == select


@pytest.mark.parametrize(
    ("select", "text"),
    [
        (pg.Named("stem.*"), "stem.*"),
        (pg.NORMS | pg.BIASES, "NORMS | BIASES"),
        (pg.Named("NORMS"), "Named('NORMS')"),
        (pg.Named("a", "b"), "Named('a', 'b')"),
        (pg.Named("a b|c"), "Named('a b|c')"),
    ],
)
def test_selectors_are_written_as_people_write_them(select, text):
    """A glob that could be taken for something else is written out."""
    assert SELECTOR.dump_python(select) == text


numbers = st.floats(allow_nan=False) | st.integers() | st.booleans() | st.none()
plain = st.text(st.characters(exclude_characters="(", exclude_categories=["Cs"]))


@given(numbers | plain | st.floats(0, 10).map(pg.Times) | st.lists(numbers).map(tuple))
def test_a_value_is_written_and_read_as_the_same(value):
    """Numbers, text, lists of them, and `Times`."""
    assert VALUE.validate_python(VALUE.dump_python(value)) == value


@pytest.mark.parametrize(
    ("adapter", "given", "problem"),
    [
        (SCHEDULE, 3, "3 is no schedule; write it as text, as in Python."),
        (SCHEDULE, "3", "'3' is no schedule."),
        (SCHEDULE, "Cosin(3)", "'Cosin' means nothing here."),
        (SCHEDULE, "Cosine('5%'", "is cut off: inside { } and [ ], YAML ends text at a comma. Quote it."),
        (SCHEDULE, "Plateau()", "'Plateau()' follows a metric, and a recipe's run reports none"),
        (SCHEDULE, "Warmup('1 Token')", "is in tokens, which a recipe's run does not count"),
        (SCHEDULE, "Function(f)", "which no file may"),
        (SELECTOR, "", "give one or more non-empty strings"),
        (SELECTOR, ["a"], "['a'] is no selector; write it as text, as in Python."),
        (SELECTOR, "Times(3)", "no selector"),
        (SELECTOR, pg.Where(bool), "cannot be written to a file"),
        (VALUE, {"a": 1}, "{'a': 1} is no hyperparameter; give a number"),
        (VALUE, "Times(-1)", "It must be a finite number of at least 0."),
    ],
)
def test_what_cannot_be_read_is_explained(adapter, given, problem):
    """With the text, and the way to write it."""
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(given)
    (error,) = caught.value.errors()
    assert problem in str(error["ctx"]["error"])

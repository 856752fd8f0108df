"""Numbers at even distances, from a list or from a file."""

import array
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import DurationError, ScheduleArgumentError
from paramgroups.schedules import Absolute, Horizon, Piecewise, Table


@pytest.mark.parametrize(
    ("schedule", "steps", "values"),
    [
        (Table([1.0, 0.5, 0.0]), [0, 0.5, 1, 2, 3], [2.0, 1.5, 1.0, 0.0, 0.0]),
        (Table([1.0, 0.5], every=2), [0, 1, 2, 9], [2.0, 1.5, 1.0, 1.0]),
        (Table([1.0, 0.5], every=2, interpolation="constant"), [0, 1.9, 2, 9], [2.0, 2.0, 1.0, 1.0]),
        (Table([0.1, 0.3], absolute=True), [0, 1, 2], [0.1, 0.3, 0.3]),
        (Table([0.5]), [0, 9], [1.0, 1.0]),
    ],
    ids=repr,
)
def test_a_table_has_the_numbers_it_was_given(schedule, steps, values):
    """At base 2, against numbers worked out by hand."""
    assert schedule.values(steps, base=2.0).tolist() == values


@pytest.mark.parametrize("interpolation", ["linear", "constant"])
@given(st.lists(strategies.factors, min_size=1, max_size=6), st.integers(1, 7), st.booleans(), strategies.times)
def test_a_table_is_points_at_even_distances(interpolation, numbers, every, absolute, times):
    """The same values as the `Piecewise` that says where each stands, and exact at each."""
    base = 0.3
    table = Table(numbers, absolute=absolute, every=every, interpolation=interpolation)
    levels = map(Absolute, numbers) if absolute else numbers
    points = Piecewise([(every * place, level) for place, level in enumerate(levels)], interpolation)
    assert table.length == points.length == every * (len(numbers) - 1)
    assert table.values(times, base).tolist() == points.values(times, base).tolist()
    expected = [number * (1.0 if absolute else base) for number in numbers]
    assert table.values([every * place for place in range(len(numbers))], base).tolist() == expected


@pytest.mark.parametrize(
    "numbers", [(1, 0.5), np.array([1, 0.5], np.float32), array.array("d", [1, 0.5]), (x for x in (1, 0.5))], ids=type
)
def test_numbers_are_whatever_gives_them(numbers):
    """And are kept as plain floats, so that what is printed is the code."""
    table = Table(numbers)
    assert table == Table([1.0, 0.5])
    assert repr(table) == "Table((1.0, 0.5))"


def test_the_distance_is_a_duration():
    """An epoch, say."""
    table = Table([1.0, 0.5, 0.1], every="1 epoch", interpolation="constant")
    assert table.resolve(Horizon(steps=30, epochs=3)) == Table([1.0, 0.5, 0.1], every=10, interpolation="constant")


FILES = {
    "by name": ("step,lr\n0,1\n1,0.5\n", {"column": "lr"}),
    "by place": ("0,1\n1,0.5\n", {"column": 1}),
    "the first": ("1\n0.5\n", {}),
    "of a spreadsheet": ("\ufefflr,step\r\n1,0\r\n0.5,1\r\n", {"column": "lr"}),
    "with empty lines and quotes": ('lr\n\n"1"\n\n5e-1\n\n', {"column": "lr"}),
}


@pytest.mark.parametrize(("text", "options"), FILES.values(), ids=FILES)
def test_a_file_s_numbers_are_kept(tmp_path, text, options):
    """The schedule is the numbers: the file may go."""
    path = tmp_path / "curve.csv"
    path.write_bytes(text.encode())
    table = Table.from_csv(path, absolute=True, every=5, **options)
    path.unlink()
    assert table == Table([1.0, 0.5], absolute=True, every=5)


MISTAKES = {
    "no such name": (
        "step,lr\n0,1\n",
        "rl",
        "column = 'rl' in {path} cannot be used.\nIt must be a name in its first line",
    ),
    "near": ("step,lr_head\n0,1\n", "lr_haed", "Did you mean 'lr_head'"),
    "no such place": (
        "0,1\n",
        2,
        "column 2 = None in {path}, line 1 cannot be used.\nIt must be a finite number in each",
    ),
    "from the right": ("0,1\n", -1, "column -1 = None in {path}, line 1"),
    "a name taken for a number": ("step,lr\n0,1\n", 1, "column 1 = 'lr' in {path}, line 1"),
    "a cell of no number": ("lr\n1\n\nx\n", "lr", "column 0 = 'x' in {path}, line 4"),
    "not a number": ("lr\nnan\n", "lr", "column 0 = 'nan' in {path}, line 2"),
    "no numbers": ("lr\n", "lr", "numbers = [] in Table cannot be used.\nIt must be finite numbers, at least one."),
    "nothing": ("", "lr", "column = 'lr' in {path} cannot be used."),
}


@pytest.mark.parametrize(("text", "column", "message"), MISTAKES.values(), ids=MISTAKES)
def test_what_a_file_lacks_is_explained(tmp_path, text, column, message):
    """By file, line and column."""
    path = tmp_path / "curve.csv"
    path.write_text(text)
    with pytest.raises(ScheduleArgumentError) as caught:
        Table.from_csv(path, column=column)
    assert message.format(path=path) in str(caught.value)


@pytest.mark.parametrize(
    "numbers", [[], 0.5, "12", [1.0, math.nan], [1.0, None], [True], [[1.0]], {0: 1.0}, None], ids=repr
)
def test_numbers_are_finite_and_at_least_one(numbers):
    """Levels of two kinds are a `Piecewise`."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Table(numbers)
    assert str(caught.value) == (
        f"numbers = {numbers!r} in Table cannot be used.\nIt must be finite numbers, at least one."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"absolute": 1}, "absolute = 1 in Table cannot be used.\nIt must be True or False."),
        ({"interpolation": "cubic"}, "interpolation = 'cubic' in Table cannot be used.\nIt must be 'linear' or"),
        ({"every": 0}, "Table.every: 0 is no time at all."),
        ({"every": "rest"}, "Table.every: 'rest' has no meaning here"),
        ({"every": 0.5}, "Table.every: 0.5 is not a duration"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_explained(options, message):
    """Each field names itself."""
    with pytest.raises((ScheduleArgumentError, DurationError)) as caught:
        Table([1.0], **options)
    assert message in str(caught.value)

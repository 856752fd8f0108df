"""One value, two ways to print it."""

import io

import pytest
import torch
from rich.console import Console

from paramgroups.tables import Table, number, show, struck


def rich_lines(table: Table) -> str:
    """What a terminal shows, with its styles as escape codes."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    console.print(table)
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # the StringIO given above


def test_text_columns_are_flush_left_and_numbers_flush_right():
    """A column of numbers, dashes and blanks lines up at its last digit; no line ends in spaces."""
    table = Table(("name", "lr", "note"), (("a", "0.1", ""), ("bb", "-10", "x"), ("c", "—", "")), "Title", ("note 1",))
    assert str(table).splitlines() == ["Title", "name   lr  note", "a     0.1", "bb    -10  x", "c       —", "note 1"]


def test_a_table_without_rows_is_its_head():
    """Nothing to show is not an error."""
    assert str(Table(("a", "b"), ())) == "a  b"
    assert "a" in rich_lines(Table(("a", "b"), ()))


def test_struck_text_is_struck_in_a_terminal_and_marked_elsewhere():
    """What is overridden shows so in both."""
    table = Table(("given",), ((struck("0.1"),),))
    assert "~~0.1~~" in str(table)
    assert "\x1b[2;9m0.1" in rich_lines(table)


def test_a_double_negation_is_not_struck_out():
    """`~~NORMS` is code, not a struck-out text."""
    assert "\x1b[2;9m" not in rich_lines(Table(("by",), (("Rule(~~NORMS, lr=1)",),)))


def test_brackets_are_not_markup():
    """A cell that looks like rich's markup is shown as it is."""
    assert "[bold]x[/bold]" in rich_lines(Table(("a",), (("[bold]x[/bold]",),)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-3, "0.001"),
        (3e-5, "3e-05"),
        (0.1 + 0.2, "0.3"),
        (12, "12"),
        ((0.9, 0.999), "(0.9, 0.999)"),
        ([1, None], "(1, None)"),
        (True, "True"),
        (None, "None"),
        ("cosine", "cosine"),
        (torch.tensor(0.5), "0.5"),
        ((torch.tensor(0.5), 0.25), "(0.5, 0.25)"),
    ],
    ids=str,
)
def test_a_value_is_shown_as_people_write_it(value, text):
    """Six digits, tensors as numbers, tuples in brackets."""
    assert show(value) == text


def test_a_number_keeps_six_digits():
    """No more digits than a person reads."""
    assert (number(1 / 3), number(1e10), number(-0.0)) == ("0.333333", "1e+10", "-0")

"""What a report says, and how it prints."""

import copy
import io
import pickle

import pytest
import torch
from rich.console import Console

from paramgroups.state import LoadReport
from paramgroups.state.report import Difference

FULL = LoadReport(
    moved=("a", "b"),
    fresh=("c",),
    dropped=tuple(f"old.{i}" for i in range(6)),
    reshaped=(("d", (1, 2), (3,)), ("e", (), (1,))),
    refitted=("f", "g"),
    renamed=(("x", "a"), ("y", "b")),
    hyperparameters=(Difference("lr/head", 0.1, 1e-3, 1e-3), Difference("initial_lr/head", 0.5, None, 0.5)),
    schedules=(Difference("lr/*", "Linear(10)", "Cosine(20)", "Linear(10)"), Difference("horizon", None, "x", "x")),
    step=12_345,
)

PRINTED = """\
State of 2 parameters taken over, at update 12,345
what            where            saved       current     used
fresh           c
dropped         old.0
                old.1
                old.2
                old.3
                and 2 more
refitted        f
                g
reshaped        d                (1, 2)      (3,)        fresh
reshaped        e                ()          (1,)        fresh
renamed         x → a
                y → b
hyperparameter  lr/head          0.1         0.001       current
hyperparameter  initial_lr/head  0.5         None        saved
schedule        lr/*             Linear(10)  Cosine(20)  saved
schedule        horizon          None        x           current"""


def test_a_report_prints_as_a_table():
    """The same outcome is told once, and where, up to four places; of values, which holds."""
    assert str(FULL) == PRINTED


def test_settings_that_differ_alike_are_told_once():
    """A value that is neither the saved nor the present one is told."""
    differences = [Difference(f"lr/{name}", 0.1, 0.2, 0.2) for name in "abcdefg"]
    shown = LoadReport(hyperparameters=(*differences, Difference("lr/h", 0.1, 0.2, 0.3)))
    assert str(shown.table()).splitlines()[1:] == [
        "what            where       saved  current  used",
        "hyperparameter  lr/a          0.1      0.2  current",
        "                lr/b",
        "                lr/c",
        "                lr/d",
        "                and 3 more",
        "hyperparameter  lr/h          0.1      0.2  0.3",
    ]


def test_a_module_that_was_renamed_is_told_once():
    """Names lose the steps at their ends that are the same; and without values there are no columns for them."""
    pairs = {"a.0.weight": "b.c.0.weight", "a.0.bias": "b.c.0.bias", "kernel": "m.kernel", "h.kernel": "h.weight"}
    shown = LoadReport(renamed=tuple(pairs.items()))
    assert str(shown.table()).splitlines()[1:] == [
        "what     where",
        "renamed  a → b.c",
        "         kernel → m.kernel",
        "         h.kernel → h.weight",
    ]


def test_where_nothing_differs_one_line_says_so():
    """Without columns that would be empty."""
    assert str(LoadReport(moved=("a",))) == "State of 1 parameter taken over"
    assert str(LoadReport()) == "State of 0 parameters taken over"


def test_a_terminal_gets_a_rich_table():
    """The same rows."""
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(FULL, LoadReport())
    text = console.export_text()
    assert all(name in text for name in ("old.0", "old.3", "and 2 more", "initial_lr/head"))
    assert "old.4" not in text
    assert "State of 0 parameters taken over" in text


@pytest.mark.parametrize("field", ["fresh", "dropped", "reshaped", "refitted"])
def test_a_load_is_complete_where_all_that_was_saved_was_taken_and_nothing_else_is_here(field):
    """Other settings and names do not count."""
    assert not LoadReport(**{field: getattr(FULL, field)}).complete
    assert LoadReport(moved=FULL.moved, renamed=FULL.renamed, hyperparameters=FULL.hyperparameters, step=1).complete


def test_a_report_is_a_value():
    """It compares, copies and pickles."""
    assert copy.deepcopy(FULL) == pickle.loads(pickle.dumps(FULL)) == FULL != LoadReport()
    assert Difference("lr", 1, 2, 2) == ("lr", 1, 2, 2)


def test_numbers_are_written_as_people_write_them():
    """Tensors, tuples and text, too."""
    shown = LoadReport(hyperparameters=(Difference("a", torch.tensor(0.5), (0.9, 0.999), "0.1, 0.2"),))
    assert str(shown).splitlines()[-1].split("  ")[-3:] == ["0.5", "(0.9, 0.999)", "0.1, 0.2"]

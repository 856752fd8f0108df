"""Text to values without running code, and back."""

import contextlib
import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import paramgroups as pg
import strategies
import strategies_models as random
from paramgroups.errors import ExpressionError
from paramgroups.expressions import read, read_selector
from paramgroups.schedules import Absolute, Horizon, dialects

WRITTEN = strategies.schedules().filter(lambda schedule: "Function(" not in repr(schedule))


@given(st.one_of(WRITTEN, random.selectors(), random.plans(), random.rules(st.none())))
def test_what_repr_prints_is_read_back(value):
    """Schedules, selectors, rules and plans: the text is the value."""
    again = read(repr(value))
    assert again == value
    assert type(again) is type(value)


@given(random.selectors())
def test_a_selector_is_read_back_as_a_selector(select):
    """Also where it is a plain glob."""
    assert read_selector(repr(select)) == select


VALUES = {
    "1e-3": 1e-3,
    "-2": -2,
    "'a'": "a",
    "True": True,
    "None": None,
    "(1, [2, 'x'])": (1, [2, "x"]),
    "{'a.*': 0, 'b.*': 1}": {"a.*": 0, "b.*": 1},
    "nn.Linear": nn.Linear,
    "Absolute(0.1)": Absolute(0.1),
    "Horizon(steps=10)": Horizon(steps=10),
    "LayerDecay(0.75, {'a.*': 0}, select=~NORMS, min_scale=0.1)": pg.LayerDecay(
        0.75, {"a.*": 0}, select=~pg.NORMS, min_scale=0.1
    ),
    "2 * Warmup(3).then(Cosine('rest'))": 2 * pg.Warmup(3).then(pg.Cosine("rest")),
    "  NORMS | 'head.*'  ": pg.NORMS | "head.*",
    "0.5 * dialects.torch.StepLR(3).clip(0.1)": 0.5 * dialects.torch.StepLR(3).clip(0.1),
    "Kind(nn.Linear, 'T5LayerNorm')": pg.Kind(nn.Linear, "T5LayerNorm"),
    "Plan(Rule('a.*', lr=Times(0.1)), lr=1, betas=[0.9, 0.99])": pg.Plan(
        pg.Rule("a.*", lr=pg.Times(0.1)), lr=1, betas=(0.9, 0.99)
    ),
}


@pytest.mark.parametrize(("text", "value"), VALUES.items(), ids=VALUES)
def test_what_a_person_writes_is_read(text, value):
    """Numbers, strings, containers, classes of torch.nn and our own words."""
    assert read(text) == value


ATTACKS = [
    "__import__('os').system('true')", "().__class__", "NORMS.__class__", "Warmup(3).__init__",
    "Warmup(3).then.__self__", "Warmup(3).__reduce__()", "Warmup(3)._replace()", "Warmup(3).values(3)",
    "nn.Linear(2, 3)", "nn.Linear.forward", "nn.functional", "nn.init.zeros_", "nn.modules", "nn",
    "nn.__builtins__", "Kind(nn.__dict__)", "'{0.__class__}'.format(1)", "f'{1}'", "f'{().__class__}'", "'%s' % 1",
    "b'x'", "1j", "...", "[x for x in (1,)]", "{x: 1 for x in (1,)}", "(x := 1)", "lambda: 1", "(lambda: 1)()",
    "1 if True else 2", "NORMS and ALL", "NORMS == ALL", "not True", "9**9**9", "'a' * 9", "[1] * 9", "1 + 1",
    "1 << 9", "2 * NORMS", "Warmup(2) * 'a'", "NORMS & 3", "-'a'", "~1", "+1", "{1, 2}", "{**{}}", "{[1]: 2}",
    "[*(1,)]", "Rule(*['a'], lr=1)", "Warmup(**{'steps': 1})", "a[0]", "'a'[0]", "await x", "yield", "print(1)",
    "eval('1')", "Function(print)", "Where(print)", "Selector()", "Schedule()", "Role('NORMS')", "Both(NORMS, ALL)",
    "dialects", "dialects.torch", "dialects.torch.StepLR", "dialects.torch.np", "dialects.torch.from_torch(1)",
    "dialects.os.system('true')", "dialects.__all__", "dialects.torch.__builtins__('1')",
    "dialects.torch.StepLR.__call__(3)", "dialects.torch.factors.StepLR(3)", "dialects.torch.LambdaLR(print)",
    "dialects.torch.MultiplicativeLR(eval)", "dialects.__class__.mro()", "dialects.import_module('os')",
    "Rule('a', lr=1, lr=2)", "", " ", "#", "1 2", "a; b", "import os", "x = 1", "\x00", "\ud800", "Warmup(3).then",
    "Warmup", "NORMS()", "'a'()", "Wramup(3)", "Warmup(stpes=3)",
]  # fmt: skip


@pytest.mark.parametrize("text", ATTACKS, ids=ascii)
def test_all_else_is_refused(text):
    """Every node of Python's syntax that is not in the vocabulary, by name; nothing is run."""
    with pytest.raises(ExpressionError) as caught:
        read(text)
    assert str(caught.value).splitlines()[0].startswith(ascii(text)[:3] if text.isascii() else "'")


LARGE = {
    "too long": "'" + "a" * 10_000 + "'",
    "nested brackets": "(" * 3_000 + "1" + ")" * 3_000,
    "nested lists": "[" * 150 + "]" * 150,
    "signs": "-" * 9_000 + "1",
    "not, not, not": "~" * 900 + "NORMS",
    "or, or, or": "NORMS" + "|NORMS" * 1_600,
    "a chain": "Warmup(1)" + ".then(Warmup(1))" * 600,
    "nested calls": "Times(" * 150 + "1" + ")" * 150,
    "a huge factor": f"Times({'9' * 400})",
    "a huge whole number": f"Cosine({'9' * 4200})",
    "a number past Python's own limit": "1" * 9_000 + ".",
    "infinity": "Times(9e999)",
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_a_text_made_to_choke_the_reader_is_an_error_like_any_other(text):
    """No RecursionError, MemoryError or OverflowError, and a message of a few lines."""
    with pytest.raises(ExpressionError) as caught:
        read(text if len(text) != 9_001 else f"Times({text})")
    assert len(str(caught.value)) < 500


@settings(max_examples=200)
@given(st.text(alphabet="NORMSabnKid()[]{}.,:|&~*-'\"0123456789 =_lr%\n\\", max_size=40))
def test_any_text_is_read_or_refused(text):
    """There is no third way."""
    value = None
    with contextlib.suppress(ExpressionError):
        value = read(text)
    assert not inspect.ismodule(value)
    assert not inspect.isfunction(value)


HINTS = {
    "dialects.trch.StepLR(3)": (
        "'dialects.trch.StepLR(3)' cannot be read (column 1): there is no dialect 'trch'.\nDid you mean 'torch'?"
    ),
    "dialects.torch.StepLr(3)": (
        "'dialects.torch.StepLr(3)' cannot be read (column 1): dialects.torch has no 'StepLr' here."
        "\nDid you mean 'StepLR' or 'MultiStepLR'?"
    ),
    "dialects.torch.StepLR(stepsize=3)": (
        "'dialects.torch.StepLR(stepsize=3)' cannot be read (column 1): StepLR has no argument 'stepsize'."
        "\nDid you mean 'step_size'?"
    ),
    "Wramup(3)": "'Wramup(3)' cannot be read (column 1): 'Wramup' means nothing here.\nDid you mean Warmup?",
    "NORM": "'NORM' cannot be read (column 1): 'NORM' means nothing here.\nDid you mean NORMS?",
    "Warmup": "'Warmup' cannot be read (column 1): 'Warmup' means nothing here.\nIt is called: Warmup(...).",
    "Kind(nn.Liner)": (
        "'Kind(nn.Liner)' cannot be read (column 6): torch.nn has no module class 'Liner'.\nDid you mean 'Linear'"
    ),
    "Cosine(3, ned=0)": (
        "'Cosine(3, ned=0)' cannot be read (column 1): Cosine has no argument 'ned'.\nDid you mean 'end'?"
    ),
    "Rule('a', lr=-1)": "\"Rule('a', lr=-1)\" cannot be read (column 1): lr = -1 in Rule('a', lr=-1) cannot be used",
    "Where(1)": (
        "'Where(1)' cannot be read (column 1): Where holds Python code, which no file may.\nBuild it in Python."
    ),
    "Warmup(3).than(1)": (
        "'Warmup(3).than(1)' cannot be read (column 1): Warmup(3) has no .than here.\nDid you mean 'then'?"
    ),
    "Warmup(3": "'Warmup(3' cannot be read (column 7): it is no Python expression ('(' was never closed).",
    "'a' | 'b'": (
        "\"'a' | 'b'\" cannot be read (column 1): the operator does not fit 'a' and 'b'.\nSelectors are combined"
    ),
    "Rule('a', lr=1, lr=2)": "\"Rule('a', lr=1, lr=2)\" cannot be read (column 1): lr is given twice.\nLeave one.",
}


@pytest.mark.parametrize(("text", "message"), HINTS.items(), ids=HINTS)
def test_a_mistake_is_explained_where_it_is(text, message):
    """With the column and the nearest word."""
    with pytest.raises(ExpressionError) as caught:
        read(text)
    assert str(caught.value).startswith(message)


SELECTORS = {
    "head.*": pg.Named("head.*"),
    "*": pg.Named("*"),
    "Head.*": pg.Named("Head.*"),
    "encoder.layer.[0-5].*": pg.Named("encoder.layer.[0-5].*"),
    "*.A_log": pg.Named("*.A_log"),
    "ALL": pg.ALL,
    "NORMS|BIASES": pg.NORMS | pg.BIASES,
    "~NORMS": ~pg.NORMS,
    "'head.*' & NORMS": "head.*" & pg.NORMS,
    "'head.*' ": pg.Named("'head.*' "),
    "Within('head')": pg.Within("head"),
}


@pytest.mark.parametrize(("text", "select"), SELECTORS.items(), ids=SELECTORS)
def test_a_glob_needs_no_quotes_where_a_selector_is_wanted(text, select):
    """An expression is told by its capital word or its operator."""
    assert read_selector(text) == select


@pytest.mark.parametrize("text", ["Warmup(3)", "NORM", "fc|head", "(1)"])
def test_what_is_no_selector_is_an_error(text):
    """A schedule, a typo, a glob with an operator."""
    with pytest.raises(ExpressionError):
        read_selector(text)


def test_reading_takes_no_gradient_and_no_device():
    """A class named in the text is not built."""
    before = torch.initial_seed()
    assert read("Kind(nn.Linear)") == pg.Kind(nn.Linear)
    assert torch.initial_seed() == before

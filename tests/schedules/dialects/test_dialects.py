"""What holds for every dialect: it is there when asked for, and its schedules are schedules like any other."""

import ast
import inspect
import itertools
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import goldens
import strategies
from paramgroups import schedules
from paramgroups.expressions import read
from paramgroups.schedules import Horizon, dialects

ROOT = Path(__file__).parents[3]
SCHEDULES: dict[str, list[Any]] = {}
for peer in goldens.peers():
    for case in goldens.cases(peer):
        SCHEDULES.setdefault(f"{peer}.{case.call}", []).append(case.schedule())
BASES = (0.1, 3.0)

every_call = pytest.mark.parametrize("made", SCHEDULES.values(), ids=SCHEDULES)


def test_a_peer_is_loaded_when_it_is_asked_for():
    """By attribute alone, without torch, and not by importing `paramgroups.schedules`."""
    lines = (
        "import sys",
        "sys.modules['torch'] = None",
        "import paramgroups.schedules as schedules",
        "early = [name for name in sys.modules if 'dialects' in name]",
        "print(early, *(getattr(schedules.dialects, peer).__name__ for peer in schedules.dialects.__all__))",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", *(f"paramgroups.schedules.dialects.{peer}" for peer in dialects.__all__)]


def test_type_checkers_see_every_peer():
    """The folder, and the imports under TYPE_CHECKING, name the same modules."""
    (block,) = (node for node in ast.parse(inspect.getsource(dialects)).body if isinstance(node, ast.If))
    seen = [alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert seen == dialects.__all__


def test_an_unknown_peer_is_an_attribute_error():
    """As for any module."""
    with pytest.raises(AttributeError, match=r"module 'paramgroups.schedules.dialects' has no attribute 'trch'"):
        _ = dialects.trch  # type: ignore[attr-defined]  # that is the point
    with pytest.raises(AttributeError, match=r"module 'paramgroups.schedules' has no attribute 'dialect'"):
        _ = schedules.dialect  # type: ignore[attr-defined]  # as above
    assert set(dialects.__all__) <= set(dir(dialects))
    assert "dialects" in dir(schedules)


@pytest.mark.parametrize("peer", goldens.peers())
def test_every_function_of_a_peer_has_a_table(peer):
    """Nothing is offered that is not held against the peer; and what is, in forty ways where there are so many."""
    called = {case.call for case in goldens.cases(peer)}
    offered = getattr(dialects, peer).__all__
    makers = {
        name for name in offered if "." not in name and inspect.isfunction(getattr(getattr(dialects, peer), name))
    }
    assert makers - called - {"from_torch"} == set()


def test_the_table_in_the_docs_is_current():
    """It has every call and its cases; and no difference is above what it says, but for another machine's rounding."""
    script = "import json; from tools import docs_dialects; print(json.dumps(docs_dialects.rows()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    lines = (ROOT / "docs" / "dialects.md").read_text("utf-8").partition("<!-- python -m tools.docs_dialects -->")[2]
    stated = [line.strip("| ").split(" | ") for line in lines.splitlines() if line.startswith("| ")][2:]
    measured = json.loads(done.stdout)
    assert [cells[:-1] for cells in stated] == [cells[:-1] for cells in measured], "run: python -m tools.docs_dialects"
    for said, found in zip(stated, measured, strict=True):
        assert exponent(found) <= exponent(said) + 1


def exponent(cells):
    """Of the last cell, a power of ten; of "none" a very low one."""
    return int(cells[-1].removeprefix("10^")) if cells[-1] != "none" else -16


@every_call
def test_one_step_is_many(made):
    """`values` is what a call gives at each, to the bit, and a count is the steps below it."""
    for schedule, base in itertools.product(made, BASES):
        values = schedule.values(30, base).tolist()
        assert values == [schedule(step, base) for step in range(30)]
        assert schedule.values([7, 0.25, 29], base).tolist() == [schedule(step, base) for step in (7, 0.25, 29)]
        assert np.isfinite(values).all()


@every_call
def test_affine_is_a_line(made):
    """`factor * base + offset` in plain floats is the value, to the bit; a pure factor has no offset."""
    for schedule in made:
        if not schedule.affine:
            continue
        factor, offset = schedule.line(30)
        for base in BASES:
            by_hand = [f * base + o for f, o in zip(factor.tolist(), offset.tolist(), strict=True)]
            assert by_hand == schedule.values(30, base).tolist()
        assert not (schedule.pure_factor and offset.any())
        assert not (schedule.absolute and factor.any())


@every_call
def test_a_schedule_holds_from_its_length_on(made):
    """What `length` promises."""
    for schedule in made:
        length = schedule.length
        if length is not None:
            assert len(set(schedule.values([length, length + 0.5, length + 1, length + 12, 1e4], 0.5))) == 1


@every_call
def test_a_schedule_is_a_value(made):
    """Its code makes it, in Python and in a recipe; pickled it is the same; it needs no horizon.

    One that holds a function has the function's own limits.
    """
    for schedule in made:
        assert hash(schedule) == hash(schedule)
        assert schedule.resolve(Horizon(steps=7)) is schedule
        if "<lambda>" not in repr(schedule):
            copy = pickle.loads(pickle.dumps(schedule))
            assert copy == schedule
            assert hash(copy) == hash(schedule)
            assert eval(repr(schedule), {**vars(schedules), "dialects": dialects}) == schedule
            assert read(repr(schedule)) == schedule


@settings(max_examples=20)
@given(st.sampled_from([*itertools.chain(*SCHEDULES.values())]), strategies.times, strategies.bases)
def test_operators_take_any_dialect(schedule, times, base):
    """Halved, shifted and followed by another, it has the values that the operators say."""
    assert (0.5 * schedule).values(times, base) == pytest.approx(0.5 * schedule.values(times, base), rel=1e-15)
    later = schedule.shift(3).values(times, base)
    assert later.tolist() == schedule.values(np.maximum(np.array(times) - 3, 0), base).tolist()

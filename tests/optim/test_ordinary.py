"""Which groups and which parameters tables serve."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from paramgroups.optim.adam import ADAM
from paramgroups.optim.ordinary import row_of, served
from paramgroups.optim.sgd import PLAIN

GROUP = {"foreach": None, "fused": None, "differentiable": False, "capturable": False}


@pytest.mark.parametrize(
    ("asked", "ours"),
    [
        ({}, True),
        ({"fused": True}, True),
        ({"foreach": False}, True),
        ({"fused": False}, False),
        ({"foreach": True}, False),
        ({"differentiable": True}, False),
        ({"capturable": True}, False),
    ],
    ids=str,
)
def test_a_group_is_served_unless_it_asks_for_torchs_step(asked, ours):
    """`fused=True` or nothing is ours."""
    assert served(GROUP | asked) is ours


def test_a_class_need_not_know_every_way_to_ask():
    """RMSprop has no `fused`, Lion none of them."""
    assert served({"lr": 0.1})


def state(parameter, **other):
    """What Adam keeps."""
    return {
        "step": torch.tensor(1.0),
        "exp_avg": torch.zeros_like(parameter),
        "exp_avg_sq": torch.zeros_like(parameter),
    } | other


def test_an_ordinary_parameter_has_a_row():
    """Itself, what its algorithm keeps of it, its count and its group."""
    parameter = nn.Parameter(torch.zeros(2, 3))
    kept = state(parameter, other="thing")
    row = row_of(parameter, kept, ADAM, 7)
    assert row is not None
    assert row.parameter is parameter
    assert [*map(id, (*row.state, row.step)), row.group] == [
        *map(id, (kept["exp_avg"], kept["exp_avg_sq"], kept["step"])),
        7,
    ]


ORDINARY = {
    "channels last": lambda: torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "transposed": lambda: torch.zeros(4, 3).t(),
    "of no axis": lambda: torch.tensor(0.0),
    "double": lambda: torch.zeros(3, dtype=torch.float64),
    "narrow": lambda: torch.zeros(3, dtype=torch.bfloat16),
}
OTHERS = {
    "complex": lambda: torch.zeros(3, dtype=torch.complex64),
    "half": lambda: torch.zeros(3, dtype=torch.float16),
    "without elements": lambda: torch.zeros(0, 3),
    "with gaps": lambda: torch.zeros(3, 8)[:, ::2],
    "that overlap": lambda: torch.zeros(1).expand(3),
    "on no device": lambda: torch.zeros(3, device="meta"),
    "negated, but not yet": lambda: torch.zeros(3, dtype=torch.complex64).conj().imag,
    "sparse": lambda: torch.zeros(3).to_sparse(),
}


@pytest.mark.parametrize("make", ORDINARY.values(), ids=ORDINARY)
def test_these_are_ordinary(make):
    """Dense, of a usual dtype, each element in one place."""
    assert row_of(make(), {}, PLAIN, 0) is not None


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_these_are_not(make):
    """A loop over addresses would read what is not theirs, or not what they mean."""
    assert row_of(make(), {}, PLAIN, 0) is None


@pytest.mark.parametrize(
    "other",
    [
        {"exp_avg": torch.zeros(3)},
        {"exp_avg": torch.zeros(2, 3, dtype=torch.float64)},
        {"exp_avg": torch.zeros(3, 2).t()},
        {"exp_avg_sq": None},
        {"step": 1},
        {"step": torch.zeros(1)},
        {"step": torch.tensor(1)},
    ],
    ids=str,
)
def test_state_that_is_not_as_torch_makes_it_is_left_to_torch(other):
    """Another shape, dtype or layout; none at all; a count that is a number, as in old files."""
    parameter = nn.Parameter(torch.zeros(2, 3))
    assert row_of(parameter, state(parameter) | other, ADAM, 0) is None


def test_without_numba_steps_are_torchs_and_one_sentence_says_so():
    """The optimizer works, and the warning has the command that brings what is missed."""
    script = """
import sys, warnings
sys.modules["numba"] = None
import torch, paramgroups as pg
weight = torch.nn.Parameter(torch.ones(2))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for kind in (pg.optim.SGD, pg.optim.AdamW):
        optimizer = kind([weight], lr=0.5)
        for _ in range(2):
            weight.grad = torch.ones(2)
            optimizer.step()
print([str(warning.message) for warning in caught])
"""
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert printed == (
        "[\"numba is not installed, so paramgroups.optim takes torch's own steps, which pay for every group. "
        "Install it with: pip install 'paramgroups[cpu]'\"]\n"
    )

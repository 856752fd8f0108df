"""Tables against the definition: the compiled loops, by addresses, over many tensors."""

import gc
import weakref

import numpy as np
import pytest
import torch

from paramgroups.kernels import cpu
from paramgroups.kernels.table import Row, Table
from paramgroups.optim.adam import ADAM
from paramgroups.optim.sgd import MOMENTUM, PLAIN
from tables import ALGORITHMS, drawn, hold, rows_of

DTYPES = sorted(cpu.DTYPES, key=str)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("algorithm", "values"), ALGORITHMS.values(), ids=ALGORITHMS)
def test_a_table_does_what_the_definition_says(algorithm, values, dtype):
    """Three updates of rows in two groups, one of them without a gradient in the second."""
    hold(algorithm, values, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gradients_are_divided_first_and_in_place(dtype):
    """A GradScaler's divisor reaches the update and the gradient itself, as in torch's fused optimizers."""
    hold(*ALGORITHMS["SGD with momentum"], dtype, scale=torch.tensor(4.0))


def test_after_an_overflow_nothing_is_done():
    """Neither to parameters, gradients and state nor to the counts of steps; the next step goes on from there."""
    hold(*ALGORITHMS["Adam"], torch.float32, scale=torch.tensor(4.0), overflows=[False, True, False])


def test_threads_change_no_bit(monkeypatch):
    """However the elements are shared out, every one of them is updated once, and in the same way."""
    found = []
    for share in (10**9, 7):
        monkeypatch.setattr(cpu, "SHARE", share)
        rows = rows_of(ADAM, torch.float32)
        table = Table(ADAM, rows)
        table.look([row.parameter for row in rows], drawn(torch.float32, 5))
        with monkeypatch.context() as patched:
            patched.setattr(torch, "get_num_threads", lambda: 5)
            table.run(np.array(ALGORITHMS["Adam"][1], dtype=float))
        found.append(rows)
    for one, other in zip(*found, strict=True):
        assert all(map(torch.equal, (one.parameter, *one.state), (other.parameter, *other.state)))


def test_a_row_that_cannot_be_run_is_left_alone():
    """Another gradient's layout is the row's own trouble; other state changes what the table was made from."""
    rows = rows_of(MOMENTUM, torch.float32)
    table = Table(MOMENTUM, rows)
    gradients = drawn(torch.float32, 5)
    gradients[0] = gradients[0].t().contiguous().t()
    assert table.look([row.parameter for row in rows], gradients) == (5, 1)
    assert (table.wrong, table.ready, table.changed) == ([0], [1, 2, 3, 4, 5], False)
    rows[3].state[0].data = torch.zeros(33, dtype=torch.float64)
    before = [row.parameter.clone() for row in rows]
    assert table.look([row.parameter for row in rows], gradients) == (4, 2)
    assert (table.wrong, table.changed) == ([0, 3], True)
    table.run(np.array(ALGORITHMS["SGD with momentum"][1], dtype=float))
    same = [torch.equal(row.parameter, old) for row, old in zip(rows, before, strict=True)]
    assert same == [True, False, False, True, False, False]


def test_a_table_keeps_state_and_nothing_else_alive():
    """Gradients are forgotten after each step, parameters are not held at all, and state is let go with the table."""
    rows = rows_of(MOMENTUM, torch.float32)
    table, gradients = Table(MOMENTUM, rows), drawn(torch.float32, 5)
    table.look([row.parameter for row in rows], gradients)
    table.run(np.array(ALGORITHMS["SGD with momentum"][1], dtype=float))
    parameter, state, gradient = map(weakref.ref, (rows[0].parameter, rows[0].state[0], gradients[0]))
    del rows, gradients
    gc.collect()
    assert (parameter(), gradient()) == (None, None)
    assert state() is not None
    del table
    gc.collect()
    assert state() is None


def test_rows_in_the_same_memory_are_updated_one_after_the_other(monkeypatch):
    """Parameters may share their data: two threads would lose what the other one has written."""
    asked = []
    monkeypatch.setattr(cpu, "SHARE", 16)
    monkeypatch.setattr(cpu, "execute", lambda run, elements, *table: asked.append(elements))
    values, whole = np.array(ALGORITHMS["SGD"][1], dtype=float), torch.zeros(96)
    for shared in (whole[:64], whole[16:80], whole[32:]):
        rows = [Row(tensor, (), None, 0) for tensor in (whole[:32], shared)]
        table = Table(PLAIN, rows)
        for scale in (None, torch.tensor(4.0)):
            table.look([row.parameter for row in rows], [torch.ones(32), torch.ones(64)])
            table.run(values, scale)
    assert asked == [96, 96]  # where they do not meet
    gradient = torch.ones(48)
    rows = [Row(torch.zeros(48), (), None, 0) for _ in range(2)]
    table = Table(PLAIN, rows)
    for scale in (None, torch.tensor(4.0)):
        table.look([row.parameter for row in rows], [gradient, gradient])
        table.run(values, scale)
    assert asked == [96, 96, 96]  # a gradient may be read twice, but not divided twice at once
    assert gradient.unique().tolist() == [1 / 16]

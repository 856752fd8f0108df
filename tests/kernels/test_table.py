"""Tables against the definition: the compiled loops, by addresses, over many tensors."""

import gc
import weakref

import numpy as np
import pytest
import torch

from paramgroups.kernels import cpu, reference
from paramgroups.kernels.table import Row, Table
from paramgroups.optim.adagrad import ADAGRAD
from paramgroups.optim.adam import ADAM, AMSGRAD
from paramgroups.optim.lion import LION
from paramgroups.optim.rmsprop import FULL
from paramgroups.optim.sgd import MOMENTUM, PLAIN

ALGORITHMS = {  # with the hyperparameters of two groups
    "Adam": (ADAM, [[0.1, 0.9, 0.99, 1e-3, 0.1, 0, 1], [0.2, 0.5, 0.9, 1e-2, 0.1, 1, 0]]),
    "AMSGrad": (AMSGRAD, [[0.1, 0.9, 0.99, 1e-3, 0.0, 0, 1], [0.2, 0.5, 0.9, 1e-2, 0.1, 1, 0]]),
    "SGD": (PLAIN, [[0.1, 0, 0.5, 0.1, 0, 0], [0.2, 0, 0, 0, 0, 1]]),
    "SGD with momentum": (MOMENTUM, [[0.1, 0.9, 0.5, 0.1, 0, 0], [0.2, 0.5, 0, 0, 1, 1]]),
    "RMSprop": (FULL, [[0.1, 0.9, 1e-2, 0.1, 0.9, 1, 0], [0.2, 0.99, 1e-2, 0, 0, 0, 1]]),
    "Adagrad": (ADAGRAD, [[0.1, 0.0, 1e-3, 0.1, 0], [0.2, 0.5, 1e-3, 0, 1]]),
    "Lion": (LION, [[0.1, 0.9, 0.99, 0.1, 0], [0.2, 0.5, 0.9, 0.0, 1]]),
}
SHAPES = [(7, 9), (1,), (), (33,), (2, 3, 4), (64,)]
CLOSE = {torch.float64: (1e-14, 1e-15), torch.float32: (2e-6, 1e-6), torch.bfloat16: (2**-7, 1e-6)}


def drawn(dtype, seed, *, positive=False):
    """Tensors of all shapes."""
    source = torch.Generator().manual_seed(seed)
    found = [torch.randn(shape, generator=source, dtype=torch.float64) for shape in SHAPES]
    return [(tensor.abs() if positive else tensor).to(dtype) for tensor in found]


def rows_of(algorithm, dtype):
    """Parameters in two groups, with state and counts of steps."""
    # The second moment is the larger one, as it is in a run, so that a centered variance is never negative.
    states = [
        [tensor + 4 * (key in {"square_avg", "sum"}) for tensor in drawn(dtype, 10 + column, positive=True)]
        for column, key in enumerate(algorithm.kept)
    ]
    steps = [torch.tensor(3.0) if algorithm.counts else None for _ in SHAPES]
    pairs = zip(drawn(dtype, 1), *states, strict=True) if states else ((p,) for p in drawn(dtype, 1))
    return [
        Row(p, tuple(state), step, index % 2)
        for index, ((p, *state), step) in enumerate(zip(pairs, steps, strict=True))
    ]


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize(("algorithm", "values"), ALGORITHMS.values(), ids=ALGORITHMS)
def test_a_table_does_what_the_definition_says(algorithm, values, dtype):
    """Three updates of rows in two groups, one of them without a gradient in the second."""
    ours, theirs = rows_of(algorithm, dtype), rows_of(algorithm, dtype)
    table = Table(algorithm, ours)
    steps = [row.step.item() if row.step is not None else -1.0 for row in theirs]
    for turn in range(3):
        gradients = [None if turn == 1 and i == 4 else g for i, g in enumerate(drawn(dtype, 100 + turn))]
        assert table.look([row.parameter for row in ours], gradients) == (6 - (turn == 1), 0)
        table.run(np.array(values, dtype=float), 1.0)
        for index, (row, gradient) in enumerate(zip(theirs, gradients, strict=True)):
            if gradient is not None:
                steps[index] += 1
                reference.run(algorithm, row.parameter, gradient, row.state, steps[index], values[row.group])
    rtol, atol = CLOSE[dtype]
    for own, other, step in zip(ours, theirs, steps, strict=True):
        torch.testing.assert_close((own.parameter, *own.state), (other.parameter, *other.state), rtol=rtol, atol=atol)
        assert own.step is None or own.step.item() == step


def test_gradients_are_divided_first_and_in_place():
    """A GradScaler's divisor reaches the update and the gradient itself, as in torch's fused optimizers."""
    ours, theirs = rows_of(PLAIN, torch.float32), rows_of(PLAIN, torch.float32)
    gradients = drawn(torch.float32, 5)
    table = Table(PLAIN, ours)
    table.look([row.parameter for row in ours], gradients)
    table.run(np.array(ALGORITHMS["SGD"][1], dtype=float), 4.0)
    for own, other, gradient, before in zip(ours, theirs, gradients, drawn(torch.float32, 5), strict=True):
        assert torch.equal(gradient, before / 4)
        reference.run(PLAIN, other.parameter, gradient, [], 0.0, ALGORITHMS["SGD"][1][other.group])
        torch.testing.assert_close(own.parameter, other.parameter)


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
            table.run(np.array(ALGORITHMS["Adam"][1], dtype=float), 1.0)
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
    table.run(np.array(ALGORITHMS["SGD with momentum"][1], dtype=float), 1.0)
    same = [torch.equal(row.parameter, old) for row, old in zip(rows, before, strict=True)]
    assert same == [True, False, False, True, False, False]


def test_a_table_keeps_state_and_nothing_else_alive():
    """Gradients are forgotten after each step, parameters are not held at all, and state is let go with the table."""
    rows = rows_of(MOMENTUM, torch.float32)
    table, gradients = Table(MOMENTUM, rows), drawn(torch.float32, 5)
    table.look([row.parameter for row in rows], gradients)
    table.run(np.array(ALGORITHMS["SGD with momentum"][1], dtype=float), 1.0)
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
        for scale in (1.0, 4.0):
            table.look([row.parameter for row in rows], [torch.ones(32), torch.ones(64)])
            table.run(values, scale)
    assert asked == [96, 96]  # where they do not meet
    gradient = torch.ones(48)
    rows = [Row(torch.zeros(48), (), None, 0) for _ in range(2)]
    table = Table(PLAIN, rows)
    for scale in (1.0, 4.0):
        table.look([row.parameter for row in rows], [gradient, gradient])
        table.run(values, scale)
    assert asked == [96, 96, 96]  # a gradient may be read twice, but not divided twice at once
    assert gradient.unique().tolist() == [1 / 16]

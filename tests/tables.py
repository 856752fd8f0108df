"""Tables of rows in two groups against the definition: what the tests of each executor share."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from paramgroups.kernels import reference
from paramgroups.kernels.algorithm import Algorithm
from paramgroups.kernels.table import Row, Table
from paramgroups.optim.adagrad import ADAGRAD
from paramgroups.optim.adam import ADAM, AMSGRAD
from paramgroups.optim.lion import LION
from paramgroups.optim.rmsprop import FULL
from paramgroups.optim.sgd import MOMENTUM, PLAIN

Shapes = Sequence[tuple[int, ...]]

ALGORITHMS: dict[str, tuple[Algorithm, list[list[float]]]] = {  # with the hyperparameters of two groups
    "Adam": (ADAM, [[0.1, 0.9, 0.99, 1e-3, 0.1, 0, 1], [0.2, 0.5, 0.9, 1e-2, 0.1, 1, 0]]),
    "AMSGrad": (AMSGRAD, [[0.1, 0.9, 0.99, 1e-3, 0.0, 0, 1], [0.2, 0.5, 0.9, 1e-2, 0.1, 1, 0]]),
    "SGD": (PLAIN, [[0.1, 0, 0.5, 0.1, 0, 0], [0.2, 0, 0, 0, 0, 1]]),
    "SGD with momentum": (MOMENTUM, [[0.1, 0.9, 0.5, 0.1, 0, 0], [0.2, 0.5, 0, 0, 1, 1]]),
    "RMSprop": (FULL, [[0.1, 0.9, 1e-2, 0.1, 0.9, 1, 0], [0.2, 0.99, 1e-2, 0, 0, 0, 1]]),
    "Adagrad": (ADAGRAD, [[0.1, 0.0, 1e-3, 0.1, 0], [0.2, 0.5, 1e-3, 0, 1]]),
    "Lion": (LION, [[0.1, 0.9, 0.99, 0.1, 0], [0.2, 0.5, 0.9, 0.0, 1]]),
}
SHAPES: Shapes = [(7, 9), (1,), (), (33,), (2, 3, 4), (64,)]
CLOSE = {
    torch.float64: (1e-13, 1e-15),  # what executors take for powers differs in the last bits, and is taken from 1
    torch.float32: (2e-6, 1e-6),
    torch.bfloat16: (2**-7, 1e-6),
    torch.float16: (2**-10, 1e-6),
}


def drawn(
    dtype: torch.dtype, seed: int, shapes: Shapes = SHAPES, device: str = "cpu", *, positive: bool = False
) -> list[Tensor]:
    """Tensors of all shapes."""
    source = torch.Generator().manual_seed(seed)
    found = [torch.randn(shape, generator=source, dtype=torch.float64) for shape in shapes]
    return [(tensor.abs() if positive else tensor).to(device, dtype) for tensor in found]


def rows_of(algorithm: Algorithm, dtype: torch.dtype, shapes: Shapes = SHAPES, device: str = "cpu") -> list[Row]:
    """Parameters in two groups, with state and counts of steps."""
    # The second moment is larger than any square, as it is in a run, so that a centered variance is never negative.
    states = [
        [
            tensor + 25 * (key in {"square_avg", "sum"})
            for tensor in drawn(dtype, 10 + column, shapes, device, positive=True)
        ]
        for column, key in enumerate(algorithm.kept)
    ]
    steps = [torch.tensor(3.0, device=device) if algorithm.counts else None for _ in shapes]
    tensors = zip(drawn(dtype, 1, shapes, device), *states, strict=True)
    return [
        Row(p, tuple(state), step, index % 2)
        for index, ((p, *state), step) in enumerate(zip(tensors, steps, strict=True))
    ]


def hold(
    algorithm: Algorithm,
    values: list[list[float]],
    dtype: torch.dtype,
    shapes: Shapes = SHAPES,
    device: str = "cpu",
    *,
    given: Callable[[Any], Any] = lambda values: values,
    scale: Tensor | None = None,
    overflows: Sequence[bool] | None = None,
) -> None:
    """Three updates of rows in two groups do what the definition says.

    One row has no gradient in the second. `given` makes of numpy's numbers what the table takes; where one of
    `overflows` is true, nothing is done.
    """
    ours, theirs = (rows_of(algorithm, dtype, shapes, device) for _ in range(2))
    table = Table(algorithm, ours)
    steps = [row.step.item() if row.step is not None else -1.0 for row in theirs]
    for turn in range(3):
        gradients = [
            None if turn == 1 and i == 4 else g for i, g in enumerate(drawn(dtype, 100 + turn, shapes, device))
        ]
        before = [None if gradient is None else gradient.clone() for gradient in gradients]
        assert table.look([row.parameter for row in ours], gradients) == (len(shapes) - (turn == 1), 0)
        overflow = None if overflows is None else torch.tensor(float(overflows[turn]), device=device)
        table.run(given(np.array(values, dtype=float)), scale, overflow)
        divisor = 1.0 if scale is None or overflow else scale.item()
        for index, (row, gradient, old) in enumerate(zip(theirs, gradients, before, strict=True)):
            if gradient is None or old is None:
                continue
            assert torch.equal(gradient, old / divisor)
            if not overflow:
                steps[index] += 1
                reference.run(algorithm, row.parameter, gradient, row.state, steps[index], values[row.group])
    rtol, atol = CLOSE[dtype]
    for own, other, step in zip(ours, theirs, steps, strict=True):
        torch.testing.assert_close((own.parameter, *own.state), (other.parameter, *other.state), rtol=rtol, atol=atol)
        assert own.step is None or own.step.item() == step

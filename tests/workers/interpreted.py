"""Tables and optimizers on the processor through the GPU's executor, in Triton's interpreter.

`TRITON_INTERPRET=1 python tests/workers/interpreted.py FILE`: the variable must be set before Triton is imported. Runs
every situation and writes what came of each to the file.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tables
from optims import LIKE_ONE_BY_ONE, SHAPES, assert_equal, give_gradients, in_groups, parameters, served, trained
from paramgroups import optim
from paramgroups.errors import CaptureError
from paramgroups.kernels import cuda, device, reference, table
from paramgroups.kernels.algorithm import Algorithm, maximum, power, sign, sqrt, where
from paramgroups.optim import roster
from paramgroups.optim.sgd import PLAIN

LONG = [(1,), (2 * cuda.STRETCH + cuda.BLOCK + 3,), (), (cuda.STRETCH,), (cuda.BLOCK,), (7, 9), (cuda.BLOCK + 1,)]
"""Rows of several programs, of whole blocks, of whole programs, and of less."""

on_device = torch.from_numpy  # on the processor, it is the same memory


# The kernel.


def _spoken(p, g, most, half, count):
    p = where(p > 0.0, sign(g), p)
    return p * half + sqrt(where(g > 0.0, g, 0.0 * p)), maximum(most, g)


def _halved(step, base):
    return power(base, step), step


WORDS = Algorithm(_spoken, _halved, ("most",), counts=True)


def words(dtype: torch.dtype) -> None:
    """Each word means what torch's means, for NaN too."""
    nan = float("nan")
    p = torch.tensor([1.0, 1.0, 1.0, -3.0, nan, 2.0], dtype=dtype)
    g = torch.tensor([2.0, -2.0, 0.0, 9.0, nan, nan], dtype=dtype)
    most, step = torch.tensor([1.0, nan, 3.0, 1.0, 1.0, nan], dtype=dtype), torch.tensor(1.0)
    expected = [p.clone(), most.clone()]
    reference.run(WORDS, expected[0], g, expected[1:], 2.0, [0.5])
    made = table.Table(WORDS, [table.Row(p, (most,), step, 0)])
    made.look([p], [g])
    made.run(torch.tensor([[0.5]], dtype=torch.float64))
    torch.testing.assert_close([p, most], expected, rtol=1e-6, atol=0, equal_nan=True)
    assert step.item() == 2.0


def unaligned() -> None:
    """Tensors that begin anywhere in memory are updated as any others."""
    algorithm, values = tables.ALGORITHMS["Adam"]
    found = []
    for shift in (0, 1):
        rows = tables.rows_of(algorithm, torch.float32, [(3000,)])
        moved = [torch.cat([torch.zeros(shift), tensor])[shift:] for tensor in (rows[0].parameter, *rows[0].state)]
        made = table.Table(algorithm, [rows[0]._replace(parameter=moved[0], state=tuple(moved[1:]))])
        made.look(moved[:1], tables.drawn(torch.float32, 5, [(3000,)]))
        made.run(on_device(np.array(values)))
        found.append(moved)
    assert all(map(torch.equal, *found))


def in_the_same_memory() -> None:
    """Parameters that share their data are updated by one launch a row; others by one for all."""
    values = on_device(np.array(tables.ALGORITHMS["SGD"][1]))
    patch, launches = pytest.MonkeyPatch(), []
    launch = device.Executor._launch

    def noted(own: device.Executor, programs: int, *given: Any) -> None:
        launches.append(programs)
        launch(own, programs, *given)

    patch.setattr(device.Executor, "_launch", noted)
    for start, expected in ((3000, [2]), (2000, [1, 1])):
        whole = torch.arange(6000.0)
        parts, gradients = [whole[:3000], whole[start : start + 2900]], [torch.ones(3000), torch.full((2900,), 2.0)]
        made = table.Table(PLAIN, [table.Row(part, (), None, 0) for part in parts])
        made.look(parts, gradients)
        launches.clear()
        made.run(values)
        assert launches == expected
        twin = torch.arange(6000.0)
        for part, gradient in ((twin[:3000], gradients[0]), (twin[start : start + 2900], gradients[1])):
            reference.run(PLAIN, part, gradient, [], 0.0, tables.ALGORITHMS["SGD"][1][0])
        torch.testing.assert_close(whole, twin)
    patch.undo()


def counted_in_double() -> None:
    """Where torch's default dtype is float64, so is a count of steps."""
    algorithm, values = tables.ALGORITHMS["Adam"]
    row = tables.rows_of(algorithm, torch.float32, [(3,)])[0]._replace(step=torch.tensor(6.0, dtype=torch.float64))
    made = table.Table(algorithm, [row])
    made.look([row.parameter], [torch.ones(3)])
    made.run(on_device(np.array(values)))
    assert row.step is not None
    assert row.step.item() == 7.0


# Optimizers.


def edit(group: dict[str, Any], step: int) -> None:
    """Other numbers in each step, as a scheduler writes them."""
    group["lr"] = 0.01 / (1 + step)
    group["weight_decay"] = 0.02 * (step % 3)


def like_torchs(kind: str, options: dict[str, Any], dtype: torch.dtype) -> None:
    """Five steps under changing hyperparameters give torch's parameters and torch's state."""
    tolerance = {"rtol": 1e-12, "atol": 1e-15} if dtype is torch.float64 else {}
    made = trained(getattr(optim, kind), options, dtype, steps=5, edit=edit)
    theirs = trained(getattr(torch.optim, kind), options | LIKE_ONE_BY_ONE, dtype, steps=5, edit=edit)
    assert served(made[1]) == len(SHAPES)
    assert_equal(made, theirs, **tolerance)


def stepped(**options: Any) -> tuple[list[nn.Parameter], Any]:
    """Parameters in two groups with gradients, and their optimizer after two steps."""
    params = parameters()
    optimizer = optim.AdamW(in_groups(params, (0, 1, 0, 1, 1, 0)), **options)
    for _ in range(2):
        give_gradients(params, 0, missing=False)
        optimizer.step()
    return params, optimizer


def grouped_otherwise() -> None:
    """Any partition gives the same bits."""
    found = [trained(optim.AdamW, {}, steps=4, partition=groups)[0] for groups in ((0,) * 6, (0, 1, 2, 2, 1, 3))]
    assert all(map(torch.equal, *found))


def scaled() -> None:
    """A GradScaler's overflow skips the step, and what it scaled is divided, also of what no table can serve."""
    params, optimizer = stepped(lr=0.1)
    twins, twin = stepped(lr=0.1)
    for overflow in (True, False):
        give_gradients(params, 1, missing=False)
        give_gradients(twins, 1, missing=False)
        for parameter in params:
            assert parameter.grad is not None
            parameter.grad *= 8.0
        for mine in (params, twins):
            assert mine[0].grad is not None
            mine[0].grad = mine[0].grad.t().contiguous().t()
        optimizer.grad_scale, optimizer.found_inf = torch.tensor(8.0), torch.tensor(float(overflow))
        optimizer.step()
        if not overflow:
            twin.step()
        assert_equal((params, optimizer), (twins, twin), rtol=0.0, atol=0.0)


def numbers_of_the_device() -> None:
    """A tensor is read where it is: it may be filled in place, in one group or in all."""
    patch = pytest.MonkeyPatch()
    patch.setattr(roster, "_apart", lambda number: isinstance(number, Tensor))
    params, optimizer = stepped()
    twins, twin = stepped()
    lr, beta = torch.tensor(0.5), torch.tensor(0.25)
    for group, value in zip(optimizer.param_groups, (lr, 0.125), strict=True):
        group.update(lr=value, betas=(beta, 0.5))
    for turn in range(3):
        lr.fill_(0.5 / (turn + 1))
        beta.fill_(0.25 * turn)
        if turn == 2:
            optimizer.param_groups[0]["lr"] = 0.0625  # a number again
        rates = (0.5 / (turn + 1) if turn < 2 else 0.0625, 0.125)
        for group, value in zip(twin.param_groups, rates, strict=True):
            group.update(lr=value, betas=(0.25 * turn, 0.5))
        for each, mine in ((optimizer, params), (twin, twins)):
            give_gradients(mine, turn, missing=False)
            each.step()
        assert_equal((params, optimizer), (twins, twin), rtol=1e-6, atol=0.0)
    patch.undo()


# Captured graphs: a launch is recorded instead of done, and a replay sends what the graph sends, and then launches.


def forbidden(*arguments: object) -> Tensor:
    """While a graph is captured no memory may be pinned, and what were sent then would be sent at each replay."""
    raise AssertionError("sent while a graph is captured")


class Graph:
    """A CUDA graph of one launch, as far as the executor can tell."""

    def __init__(self) -> None:
        self.launches: list[Callable[[], None]] = []

    @contextmanager
    def capture(self) -> Iterator[None]:
        """Record what is launched."""
        patch = pytest.MonkeyPatch()
        patch.setattr(device, "capturing", lambda where: True)
        patch.setattr(device, "_outgoing", forbidden)
        patch.setattr(roster.Roster, "_capturing", lambda self: True)
        patch.setattr(device.Executor, "_launch", lambda executor, *launch: self.record(executor, launch))
        try:
            yield
        finally:
            patch.undo()

    def record(self, executor: device.Executor, launch: tuple[Any, ...]) -> None:
        """Keep a launch, and the copy that the executor has recorded for it."""
        kept: Any = device._CAPTURED[-1]
        _, source, target, _ = kept
        assert launch[2] is target
        target.zero_()  # nothing is sent before the replay

        def replay() -> None:
            target.copy_(source)
            executor._launch(*launch)

        self.launches.append(replay)

    def replay(self) -> None:
        """Do what was recorded."""
        for launch in self.launches:
            launch()


def captured() -> None:
    """A captured step follows the groups' numbers, once they are sent, and knows its own gradients from all others."""
    params, optimizer = stepped()
    twins, twin = stepped()
    gradients = []  # those of the captured step, and those of the others
    for seed in (5, 6):
        give_gradients(params, seed, missing=False)
        gradients.append([parameter.grad for parameter in params])
    graph = Graph()

    def step(which: int, how: Callable[[], object]) -> None:
        """The optimizer's, in some way, and its twin's, which is not captured."""
        for parameter, other, gradient in zip(params, twins, gradients[which], strict=True):
            parameter.grad = other.grad = gradient
        how()
        twin.step()
        assert_equal((params, optimizer), (twins, twin), rtol=0.0, atol=0.0)

    def capture() -> None:
        before = [parameter.clone() for parameter in params]
        with graph.capture():
            optimizer.step()
        assert all(map(torch.equal, params, before))  # a captured step is not done
        replay()

    def replay() -> None:
        optimizer.refresh()
        graph.replay()

    for turn, how in enumerate((capture, replay, replay)):
        for each in (optimizer, twin):
            for group in each.param_groups:
                group.update(lr=0.5 / (turn + 1), weight_decay=0.125 * turn, betas=(0.5, 0.25 * turn))
        step(0, how)
    for which, how in ((1, optimizer.step), (0, graph.replay), (1, optimizer.step), (0, graph.replay)):
        step(which, how)


def captured_too_soon() -> None:
    """A capture before the tables are made, or a second one without a step between, is told, and so is a stale one."""
    params = parameters()
    optimizer = optim.AdamW(params)
    give_gradients(params, 0, missing=False)
    with Graph().capture(), pytest.raises(CaptureError, match="has not yet made what a captured step reads"):
        optimizer.step()
    optimizer.refresh()  # nothing is captured: nothing is to be brought up to date
    for _ in range(2):
        optimizer.step()
    with Graph().capture():
        optimizer.step()
    optimizer.refresh()
    optimizer.add_param_group({"params": nn.Parameter(torch.zeros(2))})
    with pytest.raises(CaptureError, match="no longer so"):
        optimizer.refresh()
    optimizer.step()
    with pytest.raises(CaptureError, match="no longer so"):
        optimizer.refresh()
    _, other = stepped()
    with Graph().capture():
        other.step()
        with pytest.raises(CaptureError, match="Take a step before each capture"):
            other.step()


# All of them.

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "AdamW": ("AdamW", {}),
    "Adam, amsgrad": ("Adam", {"amsgrad": True, "maximize": True}),
    "SGD": ("SGD", {}),
    "SGD, nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "RMSprop, centered": ("RMSprop", {"centered": True, "momentum": 0.9}),
    "RMSprop": ("RMSprop", {}),
    "Adagrad": ("Adagrad", {}),
}


def situations() -> dict[str, Callable[[], None]]:
    """Every situation that is run here."""
    dtypes = {str(dtype).removeprefix("torch."): dtype for dtype in sorted(cuda.DTYPES, key=str)}
    held = partial(tables.hold, given=on_device)
    four, overflows = torch.tensor(4.0), [False, True, False]
    return {
        **{
            f"{name}, {kind}": partial(held, *case, dtype)
            for name, case in tables.ALGORITHMS.items()
            for kind, dtype in dtypes.items()
        },
        **{
            f"long rows, {kind}": partial(held, *tables.ALGORITHMS["Adam"], dtype, LONG)
            for kind, dtype in dtypes.items()
        },
        **{
            f"scaled, {kind}": partial(held, *tables.ALGORITHMS["SGD with momentum"], dtype, scale=four)
            for kind, dtype in dtypes.items()
        },
        "an overflow": partial(held, *tables.ALGORITHMS["Adam"], torch.float32, LONG, scale=four, overflows=overflows),
        **{f"words, {kind}": partial(words, dtype) for kind, dtype in dtypes.items()},
        "unaligned": unaligned,
        "in the same memory": in_the_same_memory,
        "counted in double": counted_in_double,
        **{
            f"torch's {name}, {kind}": partial(like_torchs, *case, dtypes[kind])
            for name, case in OPTIMIZERS.items()
            for kind in ("float32", "float64")
        },
        "grouped otherwise": grouped_otherwise,
        "GradScaler": scaled,
        "numbers of the device": numbers_of_the_device,
        "captured": captured,
        "captured too soon": captured_too_soon,
    }


def outcome(situation: Callable[[], None]) -> str:
    """What went wrong, or nothing."""
    try:
        situation()
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 - whatever it is, the parent shows it
        return traceback.format_exc()
    return ""


def round_as_compiled() -> None:
    """Round to bfloat16 as machine code does, to nearest and to even: Triton's interpreter cuts off instead."""
    from triton import language
    from triton.runtime import interpreter

    theirs: Any = interpreter._convert_float

    def rounded(data: Any, source: Any, target: Any, mode: Any) -> Any:
        if (source, target) != (language.float32, language.bfloat16):
            return theirs(data, source, target, mode)
        return torch.from_numpy(data).to(torch.bfloat16).view(torch.uint16).numpy()

    interpreter._convert_float = rounded


def main(file: Path) -> None:
    """Run them all."""
    assert os.environ["TRITON_INTERPRET"] == "1"
    torch.set_num_threads(1)
    np.seterr(all="ignore")  # the interpreter computes on beyond a row's end too, where nothing is stored
    round_as_compiled()
    pytest.MonkeyPatch().setattr(table, "executor_for", lambda where: partial(device.Executor, where))
    file.write_text(json.dumps({name: outcome(situation) for name, situation in situations().items()}), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

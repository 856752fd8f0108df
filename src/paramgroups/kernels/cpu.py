"""An algorithm compiled for the processor: one loop over all rows of a table, by addresses.

Knows numba. A step begins once, row by row (counts of steps, scalars), and then runs over the elements of all rows as
if they stood in one line, so that threads share the work evenly wherever one tensor ends and the next begins.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, final

import numba
import numpy as np
import torch
from numba.extending import intrinsic
from numpy.typing import NDArray
from torch import Tensor

from paramgroups.kernels.algorithm import Algorithm, bound
from paramgroups.kernels.jit import jit
from paramgroups.kernels.objects import carray, pointer
from paramgroups.kernels.walk import READY

SHARE: Final = 65_536
"""A thread is given at least so many elements: with fewer, handing them over takes longer than updating them."""


BLOCK: Final = 2048
"""So many elements are updated in one go: memory is read faster then than in one go over a large tensor."""


class Kernel(NamedTuple):
    """The two parts of a step, compiled."""

    begin: Callable[..., int]
    run: Callable[..., None]


# The vocabulary, for one number.


@jit
def _where(condition, then, otherwise):
    return then if condition else otherwise


@jit
def _maximum(a, b):
    return a if a > b or a != a else b  # noqa: PLR0124 - true for NaN, which torch.maximum hands on


@jit
def _sign(x):
    return np.sign(x) if x == x else np.float32(0)  # noqa: PLR0124 - of NaN, as torch.sign, and not as numpy


_VOCABULARY: Final = {"sqrt": math.sqrt, "where": _where, "maximum": _maximum, "sign": _sign, "power": math.pow}


# Numbers as they stand in memory, and as they are computed with.


def _reinterpreted(typing_context: Any, value: Any) -> Any:
    """The bits of a float32 as a uint32, or the reverse."""
    other = numba.uint32 if value == numba.float32 else numba.float32

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(other))

    return other(value), generate


_bits: Any = intrinsic(_reinterpreted)


@jit
def _same(value):
    return value


@jit
def _from_bfloat16(value):
    return _bits(np.uint32(np.uint32(value) << np.uint32(16)))


@jit
def _to_bfloat16(value):
    """To the nearest, halves to even, as torch rounds."""
    bits = _bits(value)
    odd = np.uint32(bits >> np.uint32(16)) & np.uint32(1)
    rounded = np.uint32(np.uint32(bits + np.uint32(0x7FFF)) + odd) >> np.uint32(16)
    return np.uint16(0x7FC0) if value != value else np.uint16(rounded)  # noqa: PLR0124 - true for NaN


_MEMORY: Final = {  # what stands in memory, what is computed with, from the one to the other, back
    torch.float32: (numba.float32, numba.float32, _same, _same),
    torch.float64: (numba.float64, numba.float64, _same, _same),
    torch.bfloat16: (numba.uint16, numba.float32, _from_bfloat16, _to_bfloat16),
}
DTYPES: Final = frozenset(_MEMORY)
"""The dtypes that it computes with."""


# The two loops, with a word for each tensor of state and each number: what a loop over them could not be compiled to.

_BEGIN: Final = """
def begin(status, groups, lengths, values, addresses, offsets, scalars):
    last, last_step = -1, 0.0
    for row in range(status.size):
        offsets[row + 1] = offsets[row]
        if status[row] == READY:
            offsets[row + 1] += lengths[row]
            step = 0.0
            if addresses.shape[1] > {count}:
                count = carray(pointer(addresses[row, {count}], counted), (1,))
                count[0] += 1
                step = float64(count[0])
            group = groups[row]
            if last >= 0 and group == groups[last] and step == last_step:
                for j in range(scalars.shape[1]):
                    scalars[row, j] = scalars[last, j]
            else:
                {found}= formula(step, {values})
            last, last_step = row, step
    return offsets[status.size]
"""
_RUN: Final = """
def run(first, last, offsets, addresses, scalars, scale):
    row = np.searchsorted(offsets, first, side="right") - 1
    while first < last:
        end = min(last, offsets[row + 1], first + BLOCK)
        n, skipped = end - first, (first - offsets[row]) * size
        {arrays}
        {given}
        if scale != 1.0:
            for i in range(n):
                t1[i] = narrow(widen(t1[i]) / computed(scale))
        for i in range(n):
            {new}= update({old}, {numbers})
            {kept}
        first = end
        row += end == offsets[row + 1]
"""


def _written(algorithm: Algorithm) -> tuple[str, str]:
    """The source of the two loops for one algorithm."""
    numbers, kept = range(algorithm.numbers), {key: 2 + place for place, key in enumerate(algorithm.kept)}
    state = [kept.get(key) for key in algorithm.state]  # the column of its addresses; None where there is none
    written = [0, *kept.values()]
    begin = _BEGIN.format(
        count=2 + len(kept),
        found="".join(f"scalars[row, {j}], " for j in numbers),
        values=", ".join(f"values[group, {j}]" for j in range(algorithm.hyperparameters)),
    )
    run = _RUN.format(
        arrays="; ".join(
            f"t{j} = carray(pointer(addresses[row, {j}] + skipped, stored), (n,))" for j in range(2 + len(kept))
        ),
        given="; ".join(f"c{j} = computed(scalars[row, {j}])" for j in numbers),
        new="".join("_, " if j is None else f"n{j}, " for j in (0, *state)),
        old=", ".join("computed(0.0)" if j is None else f"widen(t{j}[i])" for j in (0, 1, *state)),
        numbers=", ".join(f"c{j}" for j in numbers),
        kept="; ".join(f"t{j}[i] = narrow(n{j})" for j in written),
    )
    return begin, run


@functools.cache
def compiled(algorithm: Algorithm, dtype: torch.dtype, counted: torch.dtype) -> Kernel:
    """The algorithm's two loops for parameters of one dtype.

    Args:
        algorithm: what to do.
        dtype: of parameters, gradients and state, one of `DTYPES`.
        counted: of the counts of steps, torch.float32 or torch.float64.

    Returns:
        `begin` counts the steps of the ready rows up, fills `scalars` and `offsets`, and returns how many elements that
        is; `run` updates those from `first` to `last`, without the interpreter's lock.
    """
    stored, computed, widen, narrow = _MEMORY[dtype]
    meanings = {
        "BLOCK": BLOCK,
        "READY": READY,
        "carray": carray,
        "computed": computed,
        "counted": _MEMORY[counted][0],
        "float64": numba.float64,
        "formula": numba.njit(error_model="numpy")(bound(algorithm.scalars, _VOCABULARY)),
        "narrow": narrow,
        "np": np,
        "pointer": pointer,
        "size": dtype.itemsize,
        "stored": stored,
        "update": numba.njit(error_model="numpy")(bound(algorithm.update, _VOCABULARY)),
        "widen": widen,
    }
    variant = f"{algorithm.fingerprint}_{dtype}_{counted}".replace("torch.", "")
    for name, source in zip(Kernel._fields, _written(algorithm), strict=True):
        exec(compile(source, __file__, "exec"), meanings)
        function: Any = meanings[name]
        function.__module__, function.__qualname__ = __name__, f"{name}_{variant}"  # under which it is kept on disk
    return Kernel(jit(meanings["begin"]), jit(meanings["run"], lock=False))


@final
class Executor:
    """Updates the rows of a table on the processor.

    Args:
        algorithm: what to do.
        dtype: of parameters, gradients and state.
        counted: of the counts of steps.
        groups: int64 `[rows]`, whose numbers each row reads.
        lengths: int64 `[rows]`, how many elements each has.
    """

    memory: Final = None

    def __init__(
        self,
        algorithm: Algorithm,
        dtype: torch.dtype,
        counted: torch.dtype,
        groups: NDArray[np.int64],
        lengths: NDArray[np.int64],
    ) -> None:
        self._kernel = compiled(algorithm, dtype, counted)
        self._rows = groups, lengths
        self._offsets = np.zeros(len(groups) + 1, dtype=np.int64)
        self._scalars = np.empty((len(groups), algorithm.numbers))

    def run(
        self,
        status: NDArray[np.int8],
        addresses: NDArray[np.int64],
        values: NDArray[np.float64],
        scale: Tensor | None,
        overflow: Tensor | None,
        apart: Callable[..., bool],
    ) -> None:
        """Update every ready row; in one thread, row after row, where they are not apart.

        Args:
            status: what each row is.
            addresses: where its tensors are.
            values: as those of `Table.run`.
            scale: as that of `Table.run`.
            overflow: as that of `Table.run`.
            apart: `apart(gradients=True)` tells whether no two rows write to the same memory, their gradients included.
        """
        if overflow is not None and overflow:
            return
        begin, run = self._kernel
        divisor = 1.0 if scale is None else float(scale)
        elements = begin(status, *self._rows, values, addresses, self._offsets, self._scalars)
        table = self._offsets, addresses, self._scalars, divisor
        if elements < 2 * SHARE or apart(gradients=divisor != 1.0):
            execute(run, elements, *table)
        else:
            run(0, elements, *table)


def execute(run: Callable[..., None], elements: int, *table: object) -> None:
    """Update the elements of a table, in as many threads as torch uses and there is work for.

    The threads are Python's, without the interpreter's lock, and sleep between steps. numba's own may bring a second
    OpenMP, whose threads spin against torch's.
    """
    parts = max(1, min(torch.get_num_threads(), elements // SHARE))
    ends = [elements * part // parts for part in range(parts + 1)]
    others = [_threads().submit(run, *ends[part : part + 2], *table) for part in range(1, parts)]
    run(0, ends[1], *table)
    for other in others:
        other.result()


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="paramgroups")


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads
    os.register_at_fork(after_in_child=_threads.cache_clear)

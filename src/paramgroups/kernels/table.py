"""A row for each of many parameters that one compiled loop updates: where its tensors are, and whose numbers it reads.

Knows tensors and numbers. Every address is asked for anew in every step, of the tensors that are there then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paramgroups.kernels import cpu, walk
from paramgroups.kernels.algorithm import Algorithm
from paramgroups.kernels.objects import LAYOUT, ids, keys_of


class Row(NamedTuple):
    """One parameter, the state that its algorithm keeps, its count of steps, and the index of its group."""

    parameter: Tensor
    state: tuple[Tensor, ...]
    step: Tensor | None
    group: int


class Executor(Protocol):
    """Who updates a table's rows."""

    @property
    def memory(self) -> torch.device | None:
        """The device in whose memory it is given the groups' numbers; None where they are numpy's."""

    def run(
        self,
        status: NDArray[np.int8],
        addresses: NDArray[np.int64],
        values: Any,
        scale: Tensor | None,
        overflow: Tensor | None,
        apart: Callable[..., bool],
    ) -> None:
        """Update every ready row."""


def executor_for(device: torch.device) -> Callable[..., Executor]:
    """Who updates the rows of tensors on a device."""
    if device.type == "cpu":
        return cpu.Executor
    from paramgroups.kernels.device import Executor as OnDevice

    return functools.partial(OnDevice, device)


def _integers(values: Iterable[int]) -> NDArray[np.int64]:
    return np.array([*values], dtype=np.int64)


@final
class Table:
    """The rows of parameters of one dtype, on one device, that one algorithm updates.

    Args:
        algorithm: what updates them.
        rows: at least one.
        places: where each row's parameter and gradient will be in the lists that `look` is given; in order by default.
    """

    def __init__(self, algorithm: Algorithm, rows: Sequence[Row], places: Iterable[int] | None = None) -> None:
        assert LAYOUT is not None  # or else no table is made
        first, step = rows[0].parameter, rows[0].step
        counts = [row.step for row in rows if row.step is not None]
        state = [tensor for row in rows for tensor in row.state]
        self._kept = state, counts
        dtypes = walk.DTYPES[first.dtype], -1 if step is None else walk.DTYPES[step.dtype]
        columns = len(algorithm.kept)
        self._status: NDArray[np.int8] = np.zeros(len(rows), dtype=np.int8)
        self._addresses = np.zeros((len(rows), 2 + columns + (step is not None)), dtype=np.int64)
        self._written = [0, *range(2, 2 + columns)]  # the columns of what a step changes, count of steps aside
        self._fixed = (
            _integers(range(len(rows)) if places is None else places),
            ids(state).reshape(len(rows), columns),
            ids(counts),
            np.cumsum([0, *(row.parameter.ndim for row in rows)]),
            _integers(size for row in rows for size in row.parameter.shape),
            _integers(stride for row in rows for stride in row.parameter.stride()),
            (*dtypes, keys_of(first), first.get_device()),
            (LAYOUT.tensor, LAYOUT.keys, id(None)),
            np.zeros(1, dtype=np.int64),
        )
        lengths = _integers(row.parameter.numel() for row in rows)
        groups, counted = _integers(row.group for row in rows), torch.float32 if step is None else step.dtype
        self._executor = executor_for(first.device)(algorithm, first.dtype, counted, groups, lengths)
        self._bytes = lengths * first.dtype.itemsize
        self._last = np.zeros((0, 0), dtype=np.int64), True  # what was found the last time, and of which addresses
        self._alive: object = None

    def look(self, parameters: list[Any], gradients: list[Any]) -> tuple[int, int]:
        """Find where everything is now, and what each row is.

        Args:
            parameters: tensors, those of the rows in their places.
            gradients: theirs, or None.

        Returns:
            How many rows are ready, and how many have a gradient and are not.
        """
        self._alive = parameters, gradients  # until they have been run
        found: tuple[int, int] = walk.look(id(parameters), id(gradients), *self._fixed, self._addresses, self._status)
        return found

    @property
    def ready(self) -> list[int]:
        """The rows that `run` will update."""
        return [*np.flatnonzero(self._status == walk.READY)]

    @property
    def wrong(self) -> list[int]:
        """The rows that have a gradient and cannot be run."""
        return [*np.flatnonzero(self._status > walk.READY)]

    @property
    def changed(self) -> bool:
        """Whether a parameter, or state of one, is no longer what it was."""
        return walk.CHANGED in self._status

    @property
    def memory(self) -> torch.device | None:
        """The device in whose memory `run` is given `values`; None where they are numpy's."""
        return self._executor.memory

    def run(self, values: Any, scale: Tensor | None = None, overflow: Tensor | None = None) -> None:
        """Update every ready row.

        Args:
            values: float64 `[groups, hyperparameters]`, in the order in which the algorithm's `scalars` takes them.
            scale: what the gradients are divided by first, in place.
            overflow: where there is one that is not 0, nothing is done.
        """
        self._executor.run(self._status, self._addresses, values, scale, overflow, self._apart)
        self._alive = None

    def tell(self, parameters: list[Tensor]) -> None:
        """Tell autograd that those of the ready rows have changed."""
        walk.tell(parameters, self._fixed[0], self._status)

    def _apart(self, *, gradients: bool) -> bool:
        """Whether no two ready rows write to the same memory, as parameters do that share their data."""
        ready = self._status == walk.READY
        rows = slice(None) if ready.all() else ready
        starts = self._addresses[rows][:, [*self._written, 1] if gradients else self._written]
        if not np.array_equal(starts, self._last[0]):
            order = np.argsort(starts, axis=None)
            ends = starts + self._bytes[ready, None]
            self._last = starts, bool(np.all(ends.flat[order[:-1]] <= starts.flat[order[1:]]))
        return self._last[1]

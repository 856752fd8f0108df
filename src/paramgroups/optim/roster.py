"""Which parameters of an optimizer are served by tables, and all that must stay as it is for this to hold.

Knows groups and state as torch keeps them. Looks at all of them in every step, as cheaply as it can.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter, is_, itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Protocol, final

import numpy as np
import torch
from torch import Tensor, nn

from paramgroups.kernels.algorithm import Algorithm

if TYPE_CHECKING:
    from paramgroups.kernels.table import Row, Table

READY, CHANGED = 1, 3
Group = dict[str, Any]

_PLAIN: Final = {Tensor, nn.Parameter}  # subclasses may keep their numbers elsewhere
_ORDINARY: Final = {Tensor, NoneType}
_COUNTS: Final = {torch.float32, torch.float64}
_NUMBERS: Final = {float, int, bool}


class Served(Protocol):
    """What a roster asks of an optimizer."""

    param_groups: list[Group]
    state: Any
    defaults: dict[str, Any]
    numbers: Any
    deciding: Any

    def algorithm(self, group: Group) -> Algorithm: ...


@final
class Roster:
    """What an optimizer's tables were made from, and the tables.

    Args:
        optimizer: whose parameters they serve.
        parameters: all of them, in the order of the groups.
    """

    def __init__(self, optimizer: Served, parameters: Sequence[Tensor]) -> None:
        groups = optimizer.param_groups
        self.stale = False
        self.updated: list[Tensor] = []
        self._parameters = parameters
        self._sizes = [len(group["params"]) for group in groups]
        self._state = list(optimizer.state.values())
        self._columns = {key: [group[key] for group in groups] for key in optimizer.defaults}
        self._algorithms = [optimizer.algorithm(group) if served(group) else None for group in groups]
        self._places: dict[str, int | slice] = {}
        self._changing: set[str] = set()  # tensors, whose numbers change in place
        width = 0
        for key in optimizer.numbers:
            first = self._columns[key][0]
            self._places[key] = slice(width, width + len(first)) if isinstance(first, (tuple, list)) else width
            width += len(first) if isinstance(first, (tuple, list)) else 1
        self._values = np.empty((len(groups), width))
        for key in optimizer.numbers:
            self._fill(key, self._columns[key])
        self._others: list[int] = []
        self._tables: list[tuple[Table, list[int], Callable[[Sequence[Any]], Sequence[Any]]]] = []
        self._kept: dict[
            str, tuple[list[dict[str, Any]], list[Any]]
        ] = {}  # key -> the states that rows have, and what is there
        self._make_tables(optimizer)
        self._distributed = any(local(tensor) is not tensor for tensor in parameters)
        self._singles = [position for position, tensor in enumerate(parameters) if tensor.numel() == 1]

    def _make_tables(self, optimizer: Served) -> None:
        """Give every parameter that can have one its row."""
        found: dict[object, list[tuple[int, Row]]] = {}
        owners = chain.from_iterable([index] * size for index, size in enumerate(self._sizes))
        for position, (parameter, group) in enumerate(zip(self._parameters, owners, strict=True)):
            algorithm = self._algorithms[group]
            row = None if algorithm is None else _row(parameter, optimizer.state, algorithm, group)
            if row is None:
                self._others.append(position)
            else:
                kind = algorithm, row.parameter.dtype, None if row.step is None else row.step.dtype
                found.setdefault(kind, []).append((position, row))
        if not found:
            return
        from paramgroups.kernels.table import Table

        for (algorithm, *_), rows in found.items():  # type: ignore[misc]  # a key is the tuple above
            positions = [position for position, _ in rows]
            for key in (*algorithm.kept, *(["step"] if algorithm.counts else [])):
                owners = [optimizer.state[self._parameters[position]] for position in positions]
                known = self._kept.setdefault(key, ([], []))
                known[0].extend(owners)
                known[1].extend(own[key] for own in owners)
            self._tables.append((Table(algorithm, [row for _, row in rows]), positions, self._picking(positions)))

    def _picking(self, positions: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
        """What takes the items at these positions out of a sequence of all."""
        if len(positions) == len(self._parameters):
            return lambda items: items
        return itemgetter(*positions) if len(positions) > 1 else lambda items: [items[positions[0]]]

    def holds(self, optimizer: Served, parameters: Sequence[Tensor]) -> bool:
        """Whether all is as it was, but for numbers, which are read anew."""
        groups = optimizer.param_groups
        if [len(group["params"]) for group in groups] != self._sizes or not _same(parameters, self._parameters):
            return False
        state = list(optimizer.state.values())
        if not _same(state, self._state):
            return False
        try:
            for key, (owners, tensors) in self._kept.items():
                if not all(map(is_, [own[key] for own in owners], tensors)):
                    return False
        except KeyError:
            return False
        for key, known in self._columns.items():
            column = [group[key] for group in groups]
            if column == known and key not in self._changing:
                continue
            if key not in self._places:
                return False
            if key in optimizer.deciding and not self._decided(optimizer):
                return False
            self._fill(key, column)
        return True

    def _decided(self, optimizer: Served) -> bool:
        """Whether every group still takes the algorithm that it took."""
        pairs = zip(optimizer.param_groups, self._algorithms, strict=True)
        return all(known is None or optimizer.algorithm(group) == known for group, known in pairs)

    def _fill(self, key: str, column: list[Any]) -> None:
        """Read a hyperparameter of all groups."""
        self._columns[key] = column
        flat = list(chain.from_iterable(column)) if isinstance(self._places[key], slice) else column
        self._values[:, self._places[key]] = np.fromiter(flat, np.float64, len(flat)).reshape(
            (len(column), -1) if flat is not column else -1
        )
        (self._changing.discard if set(map(type, flat)) <= _NUMBERS else self._changing.add)(key)

    def look(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[int]:
        """Find where everything is now, and keep in `updated` the parameters that `run` will update.

        Returns:
            The positions of those parameters that have a gradient, but nothing that can serve them in this step.
        """
        left = [position for position in self._others if gradients[position] is not None]
        self.updated = []
        opened, gradients = self._opened(parameters, gradients, left)
        for table, positions, pick in self._tables:
            ready, wrong = table.look(pick(opened), pick(gradients))
            if ready == len(positions):
                self.updated += pick(parameters)
                continue
            self.updated += [
                parameters[p] for p, status in zip(positions, table.status, strict=True) if status == READY
            ]
            if wrong:
                left += [p for p, status in zip(positions, table.status, strict=True) if status > READY]
                self.stale = self.stale or CHANGED in table.status
        return sorted(left)

    def _opened(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], left: list[int]
    ) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
        """Parameters and gradients as plain tensors; what has another kind of gradient is added to those `left`."""
        odd = [
            position for position in self._singles if gradients[position] is not None and gradients[position].is_neg()
        ]
        if not (odd or self._distributed or not set(map(type, gradients)) <= _ORDINARY):
            return parameters, gradients
        taken = set(left)
        found = list(gradients)
        for position, gradient in enumerate(gradients):
            if gradient is None:
                continue
            found[position] = local(gradient)
            if (
                position in odd
                or type(found[position]) not in _PLAIN
                or not _placed_alike(parameters[position], gradient)
            ):
                found[position] = None
                if position not in taken:
                    left.append(position)
        return [local(parameter) for parameter in parameters], found

    def run(self, divisor: float) -> None:
        """Update what the last look found ready, its gradients divided first where `divisor` is not 1."""
        for table, *_ in self._tables:
            table.run(self._values, divisor)


def served(group: Group) -> bool:
    """Whether a group leaves its step to tables, and there are any."""
    asks_for_torchs = group.get("foreach") or group.get("differentiable") or group.get("capturable")
    return not asks_for_torchs and group.get("fused") is not False and _usable()


@functools.cache
def _usable() -> bool:
    """Whether tables can be made here; says once, in a sentence, what is missed where they cannot."""
    missed = "so paramgroups.optim takes torch's own steps, which pay for every group."
    try:
        from paramgroups.kernels.walk import AVAILABLE
    except ImportError:
        warnings.warn(f"numba is not installed, {missed} Install it with: pip install 'paramgroups[cpu]'", stacklevel=2)
        return False
    if not AVAILABLE:
        warnings.warn(f"torch {torch.__version__} does not tell where its tensors are, {missed}", stacklevel=2)
    return AVAILABLE


def local(tensor: Any) -> Any:
    """What this process holds of a distributed tensor; any other as it is."""
    return getattr(tensor, "_local_tensor", tensor)


def _placed_alike(tensor: Any, other: Any) -> bool:
    """Whether two tensors are spread over the same processes in the same way."""
    return getattr(tensor, "placements", None) == getattr(other, "placements", None)


def _same(objects: Sequence[object], others: Sequence[object]) -> bool:
    return len(objects) == len(others) and all(map(is_, objects, others))


def _row(parameter: Tensor, states: Any, algorithm: Algorithm, group: int) -> Row | None:
    """The parameter's row, or None where something about it is not ordinary, or its state is not there yet."""
    from paramgroups.kernels.cpu import DTYPES
    from paramgroups.kernels.table import Row

    own = local(parameter)
    if type(own) not in _PLAIN or own.dtype not in DTYPES or own.device.type != "cpu" or own.layout != torch.strided:
        return None
    if own.numel() == 0 or own.is_neg() or not torch.ops.aten.is_non_overlapping_and_dense(own):
        return None
    kept = states.get(parameter, {})
    state = tuple(local(kept.get(key)) for key in algorithm.kept)
    if not all(type(tensor) is Tensor and _laid_out_alike(tensor, own) for tensor in state):
        return None
    step = kept.get("step") if algorithm.counts else None
    if algorithm.counts and not (
        type(step) is Tensor and step.ndim == 0 and step.dtype in _COUNTS and step.device == own.device
    ):
        return None
    return Row(own, state, step, group)


def _laid_out_alike(tensor: Tensor, other: Tensor) -> bool:
    """Whether element for element of the two stand in the same order."""
    attributes = attrgetter("dtype", "device", "layout", "shape")
    return attributes(tensor) == attributes(other) and tensor.stride() == other.stride() and not tensor.is_neg()

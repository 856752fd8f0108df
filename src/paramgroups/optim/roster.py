"""Which parameters of an optimizer are served by tables, and all that must stay as it is for this to hold.

Knows groups and state as torch keeps them, and looks at all of them in every step, as cheaply as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import is_, itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol, final

import numpy as np
from torch import Tensor

from paramgroups.kernels.algorithm import Algorithm
from paramgroups.optim.ordinary import PLAIN, Group, row_of, served
from paramgroups.spreading import local, spread_alike

if TYPE_CHECKING:
    from paramgroups.kernels.table import Row, Table

_GRADIENTS: Final = {Tensor, NoneType}
_NUMBERS: Final = {float, int, bool}


class Stepping(Protocol):
    """What a roster asks of an optimizer."""

    param_groups: list[Group]
    defaults: dict[str, Any]
    numbers: ClassVar[tuple[str, ...]]
    deciding: ClassVar[frozenset[str]]
    assumed: ClassVar[Mapping[str, float]]

    @property
    def state(self) -> Any:
        """Parameter -> its state."""

    def algorithm(self, group: Group) -> Algorithm:
        """The update that a group's parameters take."""


class _Served(NamedTuple):
    """A table, and where its rows' parameters are among all."""

    table: Table
    positions: list[int]
    pick: Callable[[Sequence[Any]], Sequence[Any]]


@final
class Roster:
    """The tables of an optimizer, and what they were made from.

    Args:
        optimizer: whose parameters they serve.
        parameters: all of them, in the order of the groups.
    """

    def __init__(self, optimizer: Stepping, parameters: Sequence[Tensor]) -> None:
        groups = optimizer.param_groups
        self.stale = False
        self.updated: list[Tensor] = []
        self._parameters = parameters
        self._sizes = [len(group["params"]) for group in groups]
        self._algorithms = [optimizer.algorithm(group) if served(group) else None for group in groups]
        self._owners, self._kept = list(optimizer.state), _all_of(optimizer.state)
        keys = {key for key in (*optimizer.numbers, *optimizer.defaults) if all(key in group for group in groups)}
        self._columns = {key: [group[key] for group in groups] for key in keys}
        assumed = {key: [value] * len(groups) for key, value in optimizer.assumed.items()}
        self._values = _Values(optimizer.numbers, assumed | self._columns)
        self._others: list[int] = []
        self._tables = self._make_tables(optimizer)
        self._singles = [
            place for served in self._tables for place in served.positions if parameters[place].numel() == 1
        ]
        self._distributed = any(local(tensor) is not tensor for tensor in parameters)
        self._parts = [*map(local, self._kept)]

    def _make_tables(self, optimizer: Stepping) -> list[_Served]:
        """Give every parameter a row, or a place among the others."""
        found: dict[tuple[Algorithm, object, object], tuple[list[int], list[Row]]] = {}
        owners = chain.from_iterable([index] * size for index, size in enumerate(self._sizes))
        for position, (parameter, group) in enumerate(zip(self._parameters, owners, strict=True)):
            algorithm, state = self._algorithms[group], optimizer.state.get(parameter, {})
            row = None if algorithm is None else row_of(parameter, state, algorithm, group)
            if algorithm is None or row is None:
                self._others.append(position)
                continue
            kind = algorithm, row.parameter.dtype, None if row.step is None else row.step.dtype
            positions, rows = found.setdefault(kind, ([], []))
            positions.append(position)
            rows.append(row)
        if not found:
            return []
        from paramgroups.kernels.table import Table

        made = []
        for (algorithm, *_), (positions, rows) in found.items():
            pick: Callable[[Sequence[Any]], Sequence[Any]] = itemgetter(*positions, *positions[:1])  # always a tuple
            made.append(_Served(Table(algorithm, rows), positions, pick))
        return made

    def holds(self, optimizer: Stepping, parameters: Sequence[Tensor]) -> bool:
        """Whether all is as it was, but for the numbers, which are read anew."""
        groups = optimizer.param_groups
        return (
            [len(group["params"]) for group in groups] == self._sizes
            and all(map(is_, parameters, self._parameters))
            and self._same_state(optimizer)
            and self._same_groups(optimizer)
        )

    def _same_state(self, optimizer: Stepping) -> bool:
        """Whether every parameter has the very state that it had, and this process the same part of it."""
        kept = _all_of(optimizer.state)
        return (
            len(optimizer.state) == len(self._owners)
            and len(kept) == len(self._kept)
            and all(map(is_, optimizer.state, self._owners))
            and all(map(is_, kept, self._kept))
            and (not self._distributed or all(map(is_, map(local, kept), self._parts)))
        )

    def _same_groups(self, optimizer: Stepping) -> bool:
        """Whether every group takes the update that it took; its numbers are read where they have changed."""
        for key, known in self._columns.items():
            column = [group[key] for group in optimizer.param_groups]
            if column == known and key not in self._values.changing:
                continue
            if key not in optimizer.numbers or (key in optimizer.deciding and not self._decided(optimizer)):
                return False
            self._values.fill(key, column)
            self._columns[key] = column
        return True

    def _decided(self, optimizer: Stepping) -> bool:
        pairs = zip(optimizer.param_groups, self._algorithms, strict=True)
        return all(known is None or optimizer.algorithm(group) == known for group, known in pairs)

    def look(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[int]:
        """Find where everything is now, and keep in `updated` the parameters that `run` will update.

        Returns:
            The positions of those parameters that have a gradient, but nothing that can serve them in this step.
        """
        left = [place for place in self._others if gradients[place] is not None]
        self.updated = []
        opened, gradients = self._opened(parameters, gradients, left)
        for table, positions, pick in self._tables:
            ready, wrong = table.look(pick(opened), pick(gradients))
            if ready == len(positions):
                self.updated += pick(parameters)[:-1]
                continue
            self.updated += [parameters[positions[row]] for row in table.ready]
            if wrong:
                left += [positions[row] for row in table.wrong]
                self.stale = self.stale or table.changed
        return sorted(left)

    def _opened(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], left: list[int]
    ) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
        """Parameters and gradients as plain tensors; what has another kind of gradient is added to those `left`."""
        # A negation that is still to be made shows in the strides of a tensor, unless it has one element.
        odd = {
            place
            for place in self._singles
            if (single := gradients[place]) is not None and (single.is_neg() or parameters[place].is_neg())
        }
        if not (odd or self._distributed or not set(map(type, gradients)) <= _GRADIENTS):
            return parameters, gradients
        found = list(gradients)
        for place, gradient in enumerate(gradients):
            own = found[place] = local(gradient)
            if own is not None and (
                place in odd or type(own) not in PLAIN or not spread_alike(parameters[place], gradient)
            ):
                found[place] = None
                if place not in self._others:
                    left.append(place)
        return [local(parameter) for parameter in parameters], found

    def run(self, divisor: float) -> None:
        """Update what the last look found ready, its gradients divided first where `divisor` is not 1."""
        for table, *_ in self._tables:
            table.run(self._values.table, divisor)


def _all_of(states: Mapping[Tensor, dict[str, Any]]) -> list[Any]:
    """All that the parameters' states hold, one after the other."""
    return list(chain.from_iterable(map(dict.values, states.values())))


@final
class _Values:
    """All groups' hyperparameters as one table of numbers, `[groups, numbers]`."""

    def __init__(self, names: Sequence[str], columns: dict[str, list[Any]]) -> None:
        self.changing: set[str] = set()  # whose numbers may change while the objects stay: tensors, lists
        self._places: dict[str, int | slice] = {}
        width = 0
        for name in names:
            first = next(iter(columns[name]), None)
            several = len(first) if isinstance(first, Sequence) and not isinstance(first, str) else 0
            self._places[name] = slice(width, width + several) if several else width
            width += several or 1
        self.table = np.empty((len(columns[names[0]]), width))
        for name in names:
            self.fill(name, columns[name])

    def fill(self, name: str, column: list[Any]) -> None:
        """Write the numbers of one hyperparameter, a value (or a tuple of them) a group."""
        place = self._places[name]
        several = isinstance(place, slice)
        numbers = list(chain.from_iterable(column)) if several else column
        fixed = set(map(type, numbers)) <= _NUMBERS and (not several or set(map(type, column)) <= {tuple})
        if not fixed:
            numbers = [0.0 + number for number in numbers]  # None is no number, nor is text, though numpy reads both
        target = self.table[:, place]
        target[...] = np.fromiter(numbers, np.float64, len(numbers)).reshape(target.shape)
        (self.changing.discard if fixed else self.changing.add)(name)

"""Which parameters of an optimizer are served by tables, and all that must stay as it is for this to hold.

Knows groups and state as torch keeps them, and looks at all of them in every step, as cheaply as it can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol, final

import numpy as np
import torch
from torch import Tensor

from paramgroups.errors import CaptureError
from paramgroups.kernels.algorithm import Algorithm
from paramgroups.optim.ordinary import Group, bring_count, row_of, served
from paramgroups.spreading import local, spread_alike

if TYPE_CHECKING:
    from paramgroups.kernels.device import Mirror
    from paramgroups.kernels.table import Row, Table

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
    places: list[int]


@final
class Roster:
    """The tables of an optimizer, and what they were made from.

    Args:
        optimizer: whose parameters they serve.
    """

    def __init__(self, optimizer: Stepping) -> None:
        from paramgroups.kernels.known import Known

        groups = optimizer.param_groups
        self.parameters: list[Tensor] = [*chain.from_iterable(group["params"] for group in groups)]
        self._on_gpu = any(parameter.is_cuda for parameter in self.parameters)
        if self._capturing():
            raise CaptureError(
                "A CUDA graph is being captured, and the optimizer has not yet made what a captured step reads",
                "Take two steps before the capture, with the gradients and the groups that the captured one will have.",
            )
        self.stale = False
        self.captured = False  # whether a CUDA graph has one of its runs
        self._algorithms = [optimizer.algorithm(group) if served(group) else None for group in groups]
        keys = {key for key in (*optimizer.numbers, *optimizer.defaults) if all(key in group for group in groups)}
        assumed = {key: [value] * len(groups) for key, value in optimizer.assumed.items()}
        numbers = {key: [group[key] for group in groups] for key in keys.intersection(optimizer.numbers)}
        self._values = _Values(optimizer.numbers, assumed | numbers)
        self._others: list[int] = []
        self._tables = self._make_tables(optimizer)
        self._distributed = any(local(tensor) is not tensor for tensor in self.parameters)
        self._known = Known(groups, optimizer.state, keys)
        self._parts = self._parts_of(optimizer)

    def _make_tables(self, optimizer: Stepping) -> list[_Served]:
        """Give every parameter a row, or a place among the others."""
        from paramgroups.kernels.table import Table

        found: dict[tuple[Algorithm, object, object, object], tuple[list[int], list[Row]]] = {}
        owners = chain.from_iterable(
            [index] * len(group["params"]) for index, group in enumerate(optimizer.param_groups)
        )
        for place, (parameter, group) in enumerate(zip(self.parameters, owners, strict=True)):
            algorithm, state = self._algorithms[group], optimizer.state.get(parameter, {})
            if algorithm is not None and algorithm.counts:
                bring_count(state, parameter)
            row = None if algorithm is None else row_of(parameter, state, algorithm, group)
            if algorithm is None or row is None:
                self._others.append(place)
                continue
            own = row.parameter
            kind = algorithm, own.device, own.dtype, None if row.step is None else row.step.dtype
            places, rows = found.setdefault(kind, ([], []))
            places.append(place)
            rows.append(row)
        return [_Served(Table(algorithm, rows, places), places) for (algorithm, *_), (places, rows) in found.items()]

    def holds(self, optimizer: Stepping) -> bool:
        """Whether all is as it was, but for the numbers, which are read anew."""
        return (
            self._known.holds(optimizer.param_groups, optimizer.state)
            and all(map(is_, self._parts_of(optimizer), self._parts))
            and self._same_groups(optimizer)
        )

    def _parts_of(self, optimizer: Stepping) -> list[Any]:
        """What this process holds of all state, where something is spread over several."""
        kept = chain.from_iterable(map(dict.values, optimizer.state.values())) if self._distributed else ()
        return [*map(local, kept)]

    def _same_groups(self, optimizer: Stepping) -> bool:
        """Whether every group takes the update that it took; its numbers are read where they have changed."""
        for key in {*self._known.changed, *self._values.changing}:
            column = [group[key] for group in optimizer.param_groups]
            if column != self._known.columns[key] or key in self._values.changing:
                if key not in optimizer.numbers or (key in optimizer.deciding and not self._decided(optimizer)):
                    return False
                self._values.fill(key, column)
            self._known.keep(key, column)
        return True

    def _decided(self, optimizer: Stepping) -> bool:
        pairs = zip(optimizer.param_groups, self._algorithms, strict=True)
        return all(known is None or optimizer.algorithm(group) == known for group, known in pairs)

    def look(self, gradients: list[Tensor | None]) -> list[int]:
        """Find where everything is now that `run` will update.

        Args:
            gradients: of all parameters.

        Returns:
            The places of those parameters that have a gradient, but nothing that can serve them in this step.
        """
        left = [place for place in self._others if gradients[place] is not None]
        parameters, opened = self._opened(gradients, left) if self._distributed else (self.parameters, gradients)
        found = [table.look(parameters, opened) for table, _ in self._tables]
        for (table, places), (_, wrong) in zip(self._tables, found, strict=True):
            if wrong:
                left += [places[row] for row in table.wrong]
                self.stale = self.stale or table.changed
        return sorted(left)

    def _opened(self, gradients: list[Tensor | None], left: list[int]) -> tuple[list[Tensor], list[Tensor | None]]:
        """What this process holds of all; what has another kind of gradient is added to those `left`."""
        found: list[Tensor | None] = [*map(local, gradients)]
        for place, (parameter, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
            if gradient is not None and not spread_alike(parameter, gradient):
                found[place] = None
                if place not in self._others:
                    left.append(place)
        return [*map(local, self.parameters)], found

    def run(self, scale: Tensor | None, overflow: Tensor | None) -> None:
        """Update what the last look found ready, its gradients divided first; after an overflow, do nothing."""
        self.captured = self.captured or self._capturing()
        for table, *_ in self._tables:
            table.run(self._values.on(table.memory), scale, overflow)
            table.tell(self.parameters)

    def refresh(self) -> None:
        """Send the groups' numbers to the devices that read them in captured runs."""
        self._values.send()

    def _capturing(self) -> bool:
        return self._on_gpu and torch.cuda.is_current_stream_capturing()


def _apart(number: object) -> bool:
    """Whether a number is a GPU's, and is not waited for."""
    return isinstance(number, Tensor) and number.is_cuda


@final
class _Values:
    """All groups' hyperparameters as one table of numbers, `[groups, numbers]`."""

    def __init__(self, names: Sequence[str], columns: dict[str, list[Any]]) -> None:
        self.changing: set[str] = set()  # whose numbers may change while the objects stay: tensors, lists
        self._tensors: dict[str, dict[int, Tensor]] = {}  # name -> place in the table, flat -> a number of a GPU's
        self._mirrors: dict[torch.device, Mirror] = {}
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
        numbers = self._at_hand(name, list(chain.from_iterable(column)) if several else column)
        fixed = set(map(type, numbers)) <= _NUMBERS and (not several or set(map(type, column)) <= {tuple})
        if not fixed:
            numbers = [0.0 + number for number in numbers]  # None is no number, nor is text, though numpy reads both
        target = self.table[:, place]
        target[...] = np.fromiter(numbers, np.float64, len(numbers)).reshape(target.shape)
        (self.changing.discard if fixed else self.changing.add)(name)

    def _at_hand(self, name: str, numbers: list[Any]) -> list[Any]:
        """The numbers, with NaN for those that are a GPU's, which are remembered."""
        apart = {index: number for index, number in enumerate(numbers) if _apart(number)}
        if not apart and name not in self._tensors:
            return numbers
        flat = np.arange(self.table.size).reshape(self.table.shape)[:, self._places[name]].reshape(-1)
        self._tensors[name] = {int(flat[index]): number for index, number in apart.items()}
        return [np.nan if index in apart else number for index, number in enumerate(numbers)]

    def on(self, memory: torch.device | None) -> Any:
        """The table in a device's memory, up to date; as it is, with what has to be waited for, where that is None."""
        tensors = {place: tensor for found in self._tensors.values() for place, tensor in found.items()}
        if memory is None:
            for place, tensor in tensors.items():
                self.table.flat[place] = float(tensor)
            return self.table
        from paramgroups.kernels.device import Mirror, capturing

        mirror = self._mirrors.get(memory)
        if mirror is None:
            mirror = self._mirrors[memory] = Mirror(self.table, memory)
        elif not capturing(memory):  # what a graph sends it would send again at each replay
            mirror.follow(self.table)
        if tensors:
            torch._foreach_copy_([mirror.places[place] for place in tensors], [*tensors.values()])
        return mirror.tensor

    def send(self) -> None:
        """Bring the table up to date in every device's memory."""
        for mirror in self._mirrors.values():
            mirror.follow(self.table)

"""Which settings hold in a group whose parameters were saved in others: the present ones, or the saved.

Knows group entries; knows no state and no names of parameters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from paramgroups.errors import StateMismatchError, listing
from paramgroups.hyperparameters import ALGORITHM, own_copy, without_tensors
from paramgroups.state.report import Difference
from paramgroups.tables import show


@final
@dataclass(frozen=True)
class Settling:
    """A present group, held against the saved ones from which its parameters come.

    Args:
        name: what the group is called.
        group: its entries.
        settings: those of them that a user sets.
        origins: the saved groups.
        driven: the hyperparameters that schedules have; `"betas[0]"` is one of a tuple.
    """

    name: str
    group: Mapping[str, Any]
    settings: Mapping[str, Any]
    origins: Sequence[Mapping[str, Any]]
    driven: Collection[str]

    def compared(
        self, own: Collection[str] | None, *, saved: bool, same: bool
    ) -> tuple[dict[str, Any], list[Difference]]:
        """What is to be put into the group, and what differs.

        Args:
            own: the entries that the class itself keeps in a group, as Prodigy its `d`; None where nobody knows.
            saved: the saved settings are to hold.
            same: the class is still the same, so what it keeps is of use.

        Raises:
            StateMismatchError: the parameters come from groups that were set differently, and that is to hold.
        """
        taken: dict[str, Any] = {}
        differences: list[Difference] = []
        for key, values in self._saved("run"):
            if own is None or key in own:
                taken |= {key: self._one(key, values, ".")} if same else {}
            elif same or key in self.group:  # a user put it there
                taken |= self._by_policy(key, values, differences, saved=saved)
        for key, values in self._saved("settings"):
            if key in self.settings:
                taken |= self._by_policy(key, values, differences, saved=saved and key != ALGORITHM)
        return taken, differences

    def outcome(self, taken: Mapping[str, Any]) -> dict[str, Any]:
        """The group with what is put into it, and what schedules have as it was: so it will be at that position."""
        driven = {path.partition("[")[0] for path in self.driven}
        saved = self.origins[0]["settings"] if self.origins else {}
        return {**self.group, **taken, **{key: saved[key] for key in driven & saved.keys()}}

    def _saved(self, part: str) -> Iterator[tuple[str, list[Any]]]:
        """Each entry that was saved, and its values."""
        for key in dict.fromkeys(key for origin in self.origins for key in origin[part]):
            values = [origin[part][key] for origin in self.origins if key in origin[part]]
            yield key, [self._less_driven(key, value) for value in values]

    def _less_driven(self, key: str, value: Any) -> Any:
        """A value, what schedules have of it as it stands now."""
        present = self.group.get(key)
        if key in self.driven:
            return present
        if isinstance(value, (tuple, list)) and isinstance(present, (tuple, list)) and len(value) == len(present):
            pairs = enumerate(zip(value, present, strict=True))
            return tuple(now if f"{key}[{index}]" in self.driven else was for index, (was, now) in pairs)
        return value

    def _by_policy(self, key: str, values: list[Any], differences: list[Difference], *, saved: bool) -> dict[str, Any]:
        """What of an entry is to stand in the group: the saved value also where there is no present one."""
        alike, here = all(_same(value, values[0]) for value in values), key in self.group
        way_out = ", or hyperparameters='current' to keep what is set now."
        taken = {key: self._one(key, values, way_out)} if saved or (alike and not here) else {}
        if not (alike and here and _same(values[0], self.group[key])):
            former = without_tensors(values[0]) if alike else ", ".join(map(show, values))
            present = without_tensors(self.group.get(key))
            differences.append(Difference(f"{key}/{self.name}", former, present, former if taken else present))
        return taken

    def _one(self, key: str, values: list[Any], way_out: str) -> Any:
        """The value that all have.

        Raises:
            StateMismatchError: they have several.
        """
        if all(_same(value, values[0]) for value in values):
            return values[0]
        raise StateMismatchError(
            f"{key} of group {self.name!r} was saved with several values, {', '.join(map(show, values))}: its "
            f"parameters were in groups {listing(origin['name'] for origin in self.origins)}.",
            f"Keep these in groups of their own{way_out}",
        )


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same, a number as a tensor would hold it."""
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    dtypes = [value.dtype for value in (one, other) if isinstance(value, Tensor)]
    if dtypes and all(isinstance(value, (Tensor, float, int)) for value in (one, other)):
        one, other = (torch.as_tensor(value, dtype=dtypes[-1], device="cpu").tolist() for value in (one, other))
    try:
        return bool(one == other)
    except (RuntimeError, ValueError):  # an array is no answer to a comparison
        return False


def fill(groups: Sequence[dict[str, Any]], taken: Sequence[Mapping[str, Any]]) -> None:
    """Put entries into groups: tensors that stand there are filled, for whoever holds them; shared ones first parted.

    Args:
        groups: of an optimizer.
        taken: for each group what is put into it.
    """
    shared = Counter(id(tensor) for group in groups for tensor in tensors_in(group))
    for group, entries in zip(groups, taken, strict=True):
        for key, value in entries.items():
            group[key] = _in_place_of(group.get(key), value, shared)


def tensors_in(group: Mapping[str, Any]) -> Iterator[Tensor]:
    """The tensors among a group's entries."""
    for key, value in group.items():
        items = value if isinstance(value, (tuple, list)) else (value,)
        yield from (item for item in items if key != "params" and isinstance(item, Tensor))


def _in_place_of(present: Any, value: Any, shared: Mapping[int, int]) -> Any:
    """What is to stand where `present` does."""
    if isinstance(present, Tensor) and isinstance(value, (Tensor, float, int)):
        own = present.detach().clone() if shared[id(present)] > 1 else present
        with torch.no_grad():
            return own.copy_(torch.as_tensor(value))
    if isinstance(present, (tuple, list)) and isinstance(value, (tuple, list)) and len(present) == len(value):
        return type(present)(_in_place_of(here, saved, shared) for here, saved in zip(present, value, strict=True))
    if isinstance(value, Tensor) and isinstance(present, (int, float)):
        return value.item()
    return own_copy(value)

"""Whether an optimizer's groups and state still hold the very objects that they held: looked at from compiled code.

Knows lists, dicts and the identity of objects; knows nothing of what they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import Any, Final, final

import numpy as np

from paramgroups.kernels.jit import jit
from paramgroups.kernels.objects import dict_next, ids, list_item, list_size

_SAME: Final = -1
"""An entry's value must be the very one that it was."""
_ANY: Final = -2
"""It does not matter."""


@jit
def _look_into(whole, entries, first, last, changed, scratch):
    """How many values of a dict are others, where they may be; -1 where anything else is not what it was."""
    position = scratch.ctypes.data
    scratch[0] = 0
    count = 0
    for entry in range(first, last):
        if dict_next(whole, position, position + 8, position + 16) == 0 or scratch[1] != entries[entry, 0]:
            return -1
        if scratch[2] != entries[entry, 1]:
            column = entries[entry, 2]
            if column == _SAME:
                return -1
            if column >= 0:
                changed[column] = True
                count += 1
    return count if dict_next(whole, position, position + 8, position + 16) == 0 else -1


@jit
def _look_at_groups(groups, lists, members, ends, entries, changed, scratch):
    """How many values of the dicts in a list are others, where they may be; -1 where anything else is not what it was.

    Args:
        groups: a list, by its address.
        lists: int64 `[groups, 2]`, a list in each of its dicts, and where that list's members end.
        members: int64 `[members]`, those of all these lists.
        ends: int64 `[groups + 1]`, where each dict's entries begin.
        entries: int64 `[entries, 3]`, key, value, and `_SAME`, `_ANY`, or which of `changed` is set for another value.
        changed: bool.
        scratch: int64 `[6]`, for answers.
    """
    if list_size(groups) != lists.shape[0]:
        return -1
    count = member = 0
    for index in range(lists.shape[0]):
        found = _look_into(list_item(groups, index), entries, ends[index], ends[index + 1], changed, scratch)
        own, end = lists[index]
        if found < 0 or list_size(own) != end - member:
            return -1
        for place in range(end - member):
            if list_item(own, place) != members[member + place]:
                return -1
        member = end
        count += found
    return count


@jit
def _look_at_state(state, owners, ends, entries, changed, scratch):
    """0 where a dict of dicts has the very keys that it had, and each of its dicts the very entries; -1 elsewhere.

    Args:
        state: the dict, by its address.
        owners: int64 `[dicts]`, its keys.
        ends: as above.
        entries: as above.
        changed: as above.
        scratch: as above.
    """
    position = scratch.ctypes.data + 24
    scratch[3] = 0
    for index in range(owners.size):
        if dict_next(state, position, position + 8, position + 16) == 0 or scratch[4] != owners[index]:
            return -1
        if _look_into(scratch[5], entries, ends[index], ends[index + 1], changed, scratch) < 0:
            return -1
    return 0 if dict_next(state, position, position + 8, position + 16) == 0 else -1


def _listed(dicts: Collection[Mapping[Any, Any]], kinds: Mapping[str, int], other: int) -> Any:
    """All entries of dicts as these functions take them: where each dict's begin, and the entries."""
    ends = np.cumsum([0, *map(len, dicts)])
    found = [(id(key), id(value), kinds.get(key, other)) for each in dicts for key, value in each.items()]
    return ends, np.array(found, dtype=np.int64).reshape(-1, 3)


@final
class Known:
    """The very objects that an optimizer's groups and state held.

    Args:
        groups: dicts, each with a list of parameters under "params".
        state: parameter -> its state.
        columns: the keys of the groups that are looked at.
    """

    def __init__(
        self, groups: list[dict[str, Any]], state: Mapping[Any, Mapping[str, Any]], columns: Iterable[str]
    ) -> None:
        self.columns = {key: [group[key] for group in groups] for key in columns}
        lists = [group["params"] for group in groups]
        members = [*chain.from_iterable(lists)]
        kept = [[*each.items()] for each in (*groups, *state.values())]
        self._alive = lists, members, [*state], kept  # an address is an object's for as long as that lives
        self._sound = {type(each) for each in (groups, *lists)} == {list} and isinstance(state, dict)
        self._count = 0
        self._places = {key: place for place, key in enumerate(self.columns)}
        self._changed = np.zeros(len(self.columns), dtype=np.bool_)
        ends, self._entries = _listed(groups, {"params": _SAME, **self._places}, _ANY)
        spans = np.stack([ids(lists), np.cumsum([*map(len, lists)], dtype=np.int64)], axis=1)
        rest = self._changed, np.zeros(6, dtype=np.int64)
        self._groups = spans, ids(members), ends, self._entries, *rest
        self._state = ids(state), *_listed(state.values(), {}, _SAME), *rest

    def holds(self, groups: object, state: object) -> bool:
        """Whether all of them are there; the values in a column may be others, which `changed` tells then."""
        if not self._sound or type(groups) is not list or not isinstance(state, dict):
            return False
        self._count = _look_at_groups(id(groups), *self._groups)
        return bool(self._count >= 0 and _look_at_state(id(state), *self._state) == 0)

    @property
    def changed(self) -> list[str]:
        """The columns in which the last look found an object that is not known."""
        return [key for key, place in self._places.items() if self._changed[place]] if self._count else []

    def keep(self, key: str, column: list[Any]) -> None:
        """Take the values in a column for those that are known."""
        self.columns[key] = column
        self._entries[self._entries[:, 2] == self._places[key], 1] = ids(column)
        self._changed[self._places[key]] = False

"""How two checkpoints differ, by name, and by how much.

Knows what `save` writes; knows no model and no optimizer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, TypeVar, final

import torch
from torch import Tensor

from paramgroups.hyperparameters import without_tensors
from paramgroups.state.contents import leaves, schedules
from paramgroups.tables import Table, show, stacked

_Path: TypeAlias = tuple[str, ...]
_Key = TypeVar("_Key", str, _Path)


class Change(NamedTuple):
    """What is different, where, and what each of the two has there, None for nothing."""

    what: str
    where: tuple[str, ...]
    first: Any
    second: Any


class Values(NamedTuple):
    """The values of one part that both have: how many differ, by how much at most (None: that is no number), where."""

    part: str
    both: int
    differ: int
    most: float | None
    where: str


@final
@dataclass(frozen=True)
class Comparison:
    """What two checkpoints have different."""

    changes: tuple[Change, ...]
    values: tuple[Values, ...]

    @property
    def equal(self) -> bool:
        """Whether it is nothing."""
        return not self.changes and not any(each.differ for each in self.values)

    def data(self) -> dict[str, Any]:
        """The same as JSON could hold it."""
        values = [each._asdict() for each in self.values]
        for each in values:
            if each["most"] is not None and not math.isfinite(each["most"]):
                each["most"] = str(each["most"])
        return {"equal": self.equal, "changes": [each._asdict() for each in self.changes], "values": values}

    def tables(self) -> list[Table]:
        """Each change and where it is; then a row for each part whose values were compared."""
        told = [stacked(each.what, each.where, _shown(each.first), _shown(each.second)) for each in self.changes]
        changes = tuple(chain.from_iterable(told))
        values = [(v.part, f"{v.both:,}", f"{v.differ:,}", _shown(v.most), v.where) for v in self.values]
        return [
            *([Table(("what", "where", "first", "second"), changes)] if changes else []),
            *([Table(("values", "in both", "differ", "at most by", "in"), tuple(values))] if values else []),
        ]


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """How two checkpoints differ: parameters, groups, settings, position, schedules and journal; then every value.

    Args:
        first: what `contents.read` gave.
        second: another.

    Example:
        >>> from paramgroups.state import named_state
        >>> net = torch.nn.Linear(2, 1)
        >>> rest = {"scheduler": None, "model": net.state_dict(), "extra": None}
        >>> one, other = ({"optimizer": named_state(torch.optim.SGD(net.named_parameters(), lr)), **rest}
        ...               for lr in (1, 2))
        >>> compare(one, other).changes
        (Change(what='setting', where=('lr/group0',), first=1, second=2),)
    """
    one, other = first["optimizer"], second["optimizer"]
    changes = [
        *_by_key("optimizer", {"class": one["optimizer"][0]}, {"class": other["optimizer"][0]}),
        *_parameters(one["parameters"], other["parameters"]),
        *_groups(one["groups"], other["groups"]),
        *_timing(first["scheduler"], second["scheduler"]),
    ]
    shared = one["parameters"].keys() & other["parameters"].keys()
    states = [
        {name: record["state"] for name, record in state["parameters"].items() if name in shared} | state["others"]
        for state in (one, other)
    ]
    values: list[Values] = []
    for part, pair in (
        ("state", states),
        ("model", (first["model"], second["model"])),
        ("extra", (first["extra"], second["extra"])),
    ):
        mine, theirs = (dict(leaves({} if held is None else held)) for held in pair)
        changes += _by_key(part, *_lacking(mine, theirs))
        values += _values(part, mine, theirs)
    return Comparison(tuple(_gathered(changes)), tuple(values))


def _parameters(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Change]:
    """Parameters that only one has, and those of another shape or dtype."""
    yield from _by_key("parameter", *_lacking(one, other))
    for name in _shared(one, other):
        for key in ("shape", "dtype"):
            yield from _by_key(key, {name: one[name].get(key)}, {name: other[name].get(key)})


def _groups(one: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]]) -> Iterator[Change]:
    """Parameters that are in another group; and what is set otherwise, wherever two groups share a parameter."""
    homes, others = ({name: group for group in groups for name in group["parameters"]} for groups in (one, other))
    pairs = {}
    for name in _shared(homes, others):
        mine, theirs = homes[name], others[name]
        pairs[mine["name"], theirs["name"]] = mine, theirs
        yield from _by_key("group", {name: mine["name"]}, {name: theirs["name"]})
    for (name, another), pair in pairs.items():
        place = name if name == another else f"{name} → {another}"
        mine, theirs = (
            {
                f"{key}/{place}": without_tensors(value)
                for part in ("settings", "run")
                for key, value in group[part].items()
            }
            | {f"rules/{place}": tuple(group["rules"])}
            for group in pair
        )
        yield from _by_key("setting", mine, theirs)


def _timing(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> Iterator[Change]:
    """Position, schedules, bases and journal."""
    yield from _by_key("position", *({"update": each["step"]} if each else {} for each in (one, other)))
    planned = ({"horizon": each.get("horizon"), **schedules(each)} if each else {} for each in (one, other))
    yield from _by_key("schedule", *planned)
    bases = (
        {
            f"{path}/{group['name']}": base
            for group in (each or {"groups": ()})["groups"]
            for path, base in group["bases"].items()
        }
        for each in (one, other)
    )
    yield from _by_key("base", *bases)
    mine, theirs = (list(map(repr, each["journal"])) if each else [] for each in (one, other))
    if mine != theirs:
        told = [f"{len(own)}, {len({*own} - {*rest})} only here" for own, rest in ((mine, theirs), (theirs, mine))]
        yield Change("journal", ("entries",), *told)


def _values(part: str, one: Mapping[_Path, Any], other: Mapping[_Path, Any]) -> Iterator[Values]:
    """How the values differ that both have; those of the state by entry, as `exp_avg` and `step` differ otherwise."""
    found: dict[str, dict[_Path, float | None]] = {}
    for path in _shared(one, other):
        key = f"{part} [{path[1]}]" if part == "state" and path[1:] else part
        found.setdefault(key, {})[path] = _gap(one[path], other[path])
    for key, gaps in found.items():
        apart = {_written(path): gap for path, gap in gaps.items() if gap != 0.0}
        known = {name: gap for name, gap in apart.items() if gap is not None}
        where = max(known, key=lambda name: (math.isnan(known[name]), known[name]), default=next(iter(apart), ""))
        yield Values(key, len(gaps), len(apart), known.get(where), where)


def _gap(one: Any, other: Any) -> float | None:
    """How far two values are from each other at most, 0 where they are equal; None where that is no number."""
    if isinstance(one, Tensor) and isinstance(other, Tensor) and one.dtype == other.dtype and one.shape == other.shape:
        return _widest(one, other)
    if isinstance(one, Tensor) or isinstance(other, Tensor) or type(one) is not type(other):
        return None
    if one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other)):
        return 0.0
    return float(abs(one - other)) if isinstance(one, (int, float)) else None


def _widest(one: Tensor, other: Tensor) -> float:
    """The largest difference of two tensors of one dtype and shape; of wide floats only what differs is copied."""
    wide = one.is_complex() or one.dtype == torch.float64
    exact = one.dtype if wide else torch.float32 if one.is_floating_point() else torch.int64
    one, other = (each.to_dense().to(exact) for each in (one, other))
    if one.equal(other):  # most are, and this copies nothing
        return 0.0
    apart = (one != other) & ~(one.isnan() & other.isnan())
    gaps = (one[apart] - other[apart]).abs()
    return float(gaps.max()) if gaps.numel() else 0.0


def _lacking(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Of each what the other lacks."""
    mine, theirs = (
        {_written(key): "held" for key in own if key not in rest} for own, rest in ((one, other), (other, one))
    )
    return mine, theirs


def _by_key(what: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Change]:
    """What stands otherwise under a name."""
    for name in dict.fromkeys((*one, *other)):
        mine, theirs = one.get(name), other.get(name)
        if mine != theirs and repr(mine) != repr(theirs):  # NaN is the same as NaN
            yield Change(what, (name,), mine, theirs)


def _gathered(changes: Iterable[Change]) -> Iterator[Change]:
    """The same change in several places told once."""
    places: dict[tuple[str, str, str], list[Change]] = {}
    for change in changes:
        places.setdefault((change.what, repr(change.first), repr(change.second)), []).append(change)
    for several in places.values():
        yield several[0]._replace(where=tuple(name for change in several for name in change.where))


def _shared(one: Mapping[_Key, Any], other: Mapping[_Key, Any]) -> list[_Key]:
    return [key for key in one if key in other]


def _written(path: str | _Path) -> str:
    """`head.weight [exp_avg]`, as a load report has it."""
    if isinstance(path, str) or not path:
        return str(path or "")
    return f"{path[0]} [{'.'.join(path[1:])}]" if path[1:] else path[0]


def _shown(value: Any) -> str:
    return "—" if value is None else show(value)

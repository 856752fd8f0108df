"""What was not planned: the small, ordered, saved list of changes that a run's hyperparameters depend on.

Knows what each kind of entry says and how it is written down; what follows from an entry is the lane's to know.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, final

from paramgroups.errors import StateMismatchError
from paramgroups.tables import Table, show


@final
@dataclass(frozen=True, kw_only=True)
class Edit:
    """A value written by hand before update `step`, solved for the base: from `old` to `new`."""

    step: int
    group: str
    hyperparameter: str
    value: float
    old: float
    new: float


@final
@dataclass(frozen=True, kw_only=True)
class Rebase:
    """The base was set, from update `step` on: from `old` to `new`."""

    step: int
    group: str
    hyperparameter: str
    old: float
    new: float


@final
@dataclass(frozen=True, kw_only=True)
class Override:
    """A value instead of the schedule's, or a multiple of it, from update `step` to before `until` or the release."""

    step: int
    group: str
    hyperparameter: str
    value: float | None = None
    scale: float | None = None
    until: int | None = None


@final
@dataclass(frozen=True, kw_only=True)
class Release:
    """The schedule's value again, from update `step` on."""

    step: int
    group: str
    hyperparameter: str


@final
@dataclass(frozen=True, kw_only=True)
class Restart:
    """The schedule from its beginning, from update `step` on."""

    step: int
    group: str
    hyperparameter: str


@final
@dataclass(frozen=True, kw_only=True)
class Reschedule:
    """Another schedule from update `step` on, which counts from there and multiplies what stood there, `base`."""

    step: int
    group: str
    hyperparameter: str
    schedule: str
    base: float


@final
@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What was due at update `old` is due at `new`: what is left after `step` takes longer, or less long."""

    step: int
    group: str
    hyperparameter: str
    old: int
    new: int


@final
@dataclass(frozen=True, kw_only=True)
class Observe:
    """A metric was observed before update `step`; "nan", "inf" or "-inf" where it was no finite number.

    As text these equal themselves, and are JSON.
    """

    step: int
    group: str
    hyperparameter: str
    metric: float | str

    def __post_init__(self) -> None:
        number = float(self.metric)
        object.__setattr__(self, "metric", number if math.isfinite(number) else str(number))


@final
@dataclass(frozen=True, kw_only=True)
class Thaw:
    """The group's parameters were thawed before update `step`: what is due is multiplied by `warmup` from there on."""

    step: int
    group: str
    hyperparameter: str
    warmup: str


Entry: TypeAlias = Edit | Rebase | Override | Release | Restart | Reschedule | Stretch | Observe | Thaw

_CLASSES: tuple[type[Entry], ...] = (Edit, Rebase, Override, Release, Restart, Reschedule, Stretch, Observe, Thaw)
_KINDS = {kind.__name__.lower(): kind for kind in _CLASSES}


def to_json(entry: Entry) -> dict[str, Any]:
    """An entry as JSON has it.

    Example:
        >>> to_json(Release(step=3, group="head", hyperparameter="lr"))
        {'kind': 'release', 'step': 3, 'group': 'head', 'hyperparameter': 'lr'}
    """
    return {"kind": type(entry).__name__.lower(), **asdict(entry)}


def from_json(data: Mapping[str, Any]) -> Entry:
    """The entry that `to_json` wrote.

    Raises:
        StateMismatchError: the data is no entry of ours.
    """
    fields = dict(data)
    kind = _KINDS.get(str(fields.pop("kind", None)))
    try:
        return kind(**fields)  # type: ignore[misc]  # None is not callable: the same answer as a wrong field
    except (TypeError, ValueError) as error:
        raise StateMismatchError(
            f"The journal holds {dict(data)!r}, which is no entry this version knows.",
            f"Known kinds: {', '.join(_KINDS)}. Was the file written by a newer version?",
        ) from error


def history(entries: Iterable[Entry]) -> Table:
    """The journal as a table: when, where and what.

    Example:
        >>> print(history([Release(step=3, group="head", hyperparameter="lr")]))
        step  hyperparameter  what
           3  lr/head         release
    """
    rows = []
    for entry in entries:
        data = to_json(entry)
        kind, step, group, path = (data.pop(key) for key in ("kind", "step", "group", "hyperparameter"))
        details = (f"{key} {value if isinstance(value, str) else show(value)}" for key, value in data.items())
        what = ", ".join(detail for detail, value in zip(details, data.values(), strict=True) if value is not None)
        rows.append((str(step), f"{path}/{group}", f"{kind} {what}".strip()))
    return Table(("step", "hyperparameter", "what"), tuple(rows), "" if rows else "Nothing but what was planned.")

"""What was not planned: the small, ordered, saved list of changes that a run's hyperparameters depend on.

Knows what each kind of entry says and how it is written down; what follows from an entry is the lane's to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, final

from paramgroups.errors import StateMismatchError


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
    """A value instead of the schedule's, from update `step` to before update `until`, or until released."""

    step: int
    group: str
    hyperparameter: str
    value: float
    until: int | None


@final
@dataclass(frozen=True, kw_only=True)
class Release:
    """The schedule's value again, from update `step` on."""

    step: int
    group: str
    hyperparameter: str


Entry: TypeAlias = Edit | Rebase | Override | Release

_KINDS: dict[str, type[Entry]] = {kind.__name__.lower(): kind for kind in (Edit, Rebase, Override, Release)}


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
    except TypeError as error:
        raise StateMismatchError(
            f"The journal holds {dict(data)!r}, which is no entry this version knows.",
            f"Known kinds: {', '.join(_KINDS)}. Was the file written by a newer version?",
        ) from error

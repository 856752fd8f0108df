"""What came of loading a state, said by name.

Knows names and values that were compared; knows no optimizer and no file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from paramgroups.tables import Table, show

_NAMED = 4  # names spelled out in a row


class Difference(NamedTuple):
    """A setting that the saved run and the present one have with different values, and which of them holds now."""

    where: str
    saved: Any
    current: Any
    used: Any


@final
@dataclass(frozen=True)
class LoadReport:
    """What became of every parameter's state, and what the saved run had set otherwise. Prints as a table.

    Args:
        moved: parameters whose state was taken over; those without any yet are among them.
        fresh: parameters that nothing was saved for; `name [entry]` where an entry of the state is new.
        dropped: parameters that were saved and are not here; `name [entry]` where an entry is no longer kept.
        reshaped: name -> the saved shape and the present one: such a parameter's state starts anew.
        refitted: parameters whose state was of another algorithm's kind, and starts anew.
        renamed: saved name -> present name, of those that moved under another.
        hyperparameters: what differs, as `hyperparameter/group`.
        schedules: what differs in schedules, bases and horizon.
        step: the scheduler's position, if it was loaded.
        extra: what was saved beside.
    """

    moved: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    refitted: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    hyperparameters: tuple[Difference, ...] = ()
    schedules: tuple[Difference, ...] = ()
    step: int | None = None
    extra: Any = None

    @property
    def complete(self) -> bool:
        """Whether everything that was saved was taken over, and nothing else is here."""
        return not (self.fresh or self.dropped or self.reshaped or self.refitted)

    def table(self) -> Table:
        """A row for each kind of outcome, and one for each difference."""
        at = "" if self.step is None else f", at update {self.step:,}"
        count = len(self.moved)
        title = f"State of {count:,} parameter{'s' * (count != 1)} taken over{at}"
        rows = tuple(self._rows())
        return Table(("what", "where", "saved", "current", "used") if rows else (), rows, title)

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        for what, names in (("fresh", self.fresh), ("dropped", self.dropped), ("refitted", self.refitted)):
            if names:
                yield what, _listed(names), "", "", ""
        for name, saved, present in self.reshaped:
            yield "reshaped", name, str(saved), str(present), "fresh"
        if self.renamed:
            yield "renamed", _listed(tuple(f"{old} → {new}" for old, new in self.renamed)), "", "", ""
        for what, differences in (("hyperparameter", self.hyperparameters), ("schedule", self.schedules)):
            for each in differences:
                yield what, each.where, _shown(each.saved), _shown(each.current), _shown(each.used)

    def __str__(self) -> str:
        return str(self.table())

    def __rich__(self) -> Any:
        return self.table().__rich__()


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else show(value)


def _listed(names: tuple[str, ...]) -> str:
    left = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {left:,} more" if left > 0 else "")

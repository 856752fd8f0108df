"""What came of loading a state, said by name.

Knows names and values that were compared; knows no optimizer and no file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from paramgroups.tables import Table, show, stacked


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
        """What became of what, and which settings differ; of places that have the same outcome the first few."""
        at = "" if self.step is None else f", at update {self.step:,}"
        count = len(self.moved)
        title = f"State of {count:,} parameter{'s' * (count != 1)} taken over{at}"
        rows = list(self._rows())
        shown = 5 if any(any(values) for _, _, *values in rows) else 2 if rows else 0
        return Table(("what", "where", "saved", "current", "used")[:shown], tuple(row[:shown] for row in rows), title)

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """What has the same outcome together."""
        places: dict[tuple[str, ...], dict[str, None]] = {}
        for what, where, *values in self._outcomes():
            places.setdefault((what, *values), {})[where] = None
        for (what, *values), several in places.items():
            yield from stacked(what, list(several), *values)

    def _outcomes(self) -> Iterator[tuple[str, str, str, str, str]]:
        for what, names in (("fresh", self.fresh), ("dropped", self.dropped), ("refitted", self.refitted)):
            yield from ((what, name, "", "", "") for name in names)
        for name, before, after in self.reshaped:
            yield "reshaped", name, str(before), str(after), "fresh"
        for old, new in self.renamed:
            yield "renamed", _renamed(old, new), "", "", ""
        for what, differences in (("hyperparameter", self.hyperparameters), ("schedule", self.schedules)):
            for where, *values in differences:
                saved, current, used = (each if isinstance(each, str) else show(each) for each in values)
                yield what, where, saved, current, {current: "current", saved: "saved"}.get(used, used)

    def __str__(self) -> str:
        return str(self.table())

    def __rich__(self) -> Any:
        return self.table().__rich__()


def _renamed(old: str, new: str) -> str:
    """Two names, less the steps at their ends that are the same: what was renamed may be a module."""
    olds, news = old.split("."), new.split(".")
    while olds[1:] and news[1:] and olds[-1] == news[-1]:
        del olds[-1], news[-1]
    return f"{'.'.join(olds)} → {'.'.join(news)}"

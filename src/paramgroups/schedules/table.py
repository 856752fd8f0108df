"""The curve given as a list of numbers at even distances.

Knows the numbers, and the file that they may come from; knows no formula.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from paramgroups.errors import ScheduleArgumentError, did_you_mean
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Absolute, Array, Line, blend, finite
from paramgroups.schedules.shapes import require_time
from paramgroups.schedules.units import Duration

_INTERPOLATIONS = ("linear", "constant")


@final
@dataclass(frozen=True, repr=False, init=False)
class Table(Schedule):
    """Given numbers, the next one `every` so many steps, joined by straight lines or by steps; the last holds.

        v(t) = (1 - p) * numbers[i] + p * numbers[i + 1],   i = floor(t / every),   p = t / every - i   ("linear")
        v(t) = numbers[i]   ("constant")

    Numbers at uneven distances, and levels of both kinds, are a `Piecewise`. Its code is as long as its numbers: where
    text is read, in recipes and by `scheduler.reschedule`, there is room for several hundred.

    Args:
        numbers: At least one finite number; a list, an array, or whatever gives them one by one.
        absolute: Whether they are in the hyperparameter's own unit; otherwise they are factors of the base.
        every: The distance from one to the next, > 0, such as `"1 epoch"`.
        interpolation: `"linear"` or `"constant"`.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `every` is not a duration, or no steps at all.

    Example:
        >>> Table([1.0, 0.5, 0.0], every=2).values(6, base=1.0)
        array([1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ])
    """

    numbers: tuple[float, ...]
    _: KW_ONLY
    absolute: bool = False
    every: Duration = 1
    interpolation: Literal["linear", "constant"] = "linear"

    def __init__(
        self,
        numbers: Iterable[float],
        *,
        absolute: bool = False,
        every: Duration = 1,
        interpolation: Literal["linear", "constant"] = "linear",
    ) -> None:
        given = {"numbers": _as_numbers(numbers), "absolute": absolute, "every": every, "interpolation": interpolation}
        for name, value in given.items():
            object.__setattr__(self, name, value)
        super().__post_init__()
        require_time(self.every, "Table.every")
        if not isinstance(absolute, bool):
            raise ScheduleArgumentError("absolute", absolute, "Table", "True or False")
        if interpolation not in _INTERPOLATIONS:
            allowed = " or ".join(map(repr, _INTERPOLATIONS))
            raise ScheduleArgumentError("interpolation", interpolation, "Table", allowed)

    @classmethod
    def from_csv(cls, path: str | Path, *, column: str | int = 0, **options: Any) -> Table:
        r"""The numbers of one column of a CSV file, which are kept: the file is not looked at again.

        Args:
            path: The file, in UTF-8, separated by commas. Empty lines are skipped.
            column: By its name, where the first line has names, or by its place from 0, where there is no such line.
            **options: `absolute`, `every` and `interpolation`, as in `Table`.

        Raises:
            ScheduleArgumentError: If there is no such column, or one of its cells is not a finite number.
            OSError: If the file cannot be read.

        Example:
            >>> import pathlib, tempfile
            >>> path = pathlib.Path(tempfile.mkdtemp(), "curve.csv")
            >>> _ = path.write_text("step,lr\n0,0.1\n1,0.05\n")
            >>> Table.from_csv(path, column="lr", absolute=True)
            Table((0.1, 0.05), absolute=True)
        """
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            place = _place(next(reader, []), column, str(path)) if isinstance(column, str) else column
            return cls([_cell(row, place, f"{path}, line {reader.line_num}") for row in reader if row], **options)

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({Absolute if self.absolute else float})

    @property
    def _open_ended(self) -> bool:
        return False

    @property
    def _length(self) -> int:
        return (len(self.numbers) - 1) * int(self.every)

    def _line(self, times: Array, base: float) -> Line:
        every, last = int(self.every), len(self.numbers) - 1
        place, since = np.divmod(np.minimum(times, last * every), every)
        left = place.astype(np.intp)
        numbers = np.array(self.numbers)
        values = numbers[left]
        if self.interpolation == "linear":
            share = since / every
            ends = Line(values, 0.0), Line(numbers[np.minimum(left + 1, last)], 0.0)
            values = np.asarray(blend(1.0 - share, *ends).factor)
        return Line(0.0, values) if self.absolute else Line(values, 0.0)


def _as_numbers(given: object) -> tuple[float, ...]:
    """`given` one by one as floats, or the error that says that it is no list of numbers."""
    items = () if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable) else given
    rows = [finite(number) for number in items]
    numbers = tuple(number for number in rows if number is not None)
    if not numbers or len(numbers) < len(rows):
        raise ScheduleArgumentError("numbers", given, "Table", "finite numbers, at least one")
    return numbers


def _place(names: list[str], column: str, where: str) -> int:
    """Where the column of that name is, from 0."""
    if column not in names:
        allowed = f"a name in its first line, or a place from 0. {did_you_mean(column, names)}".rstrip(". ")
        raise ScheduleArgumentError("column", column, where, allowed)
    return names.index(column)


def _cell(row: list[str], place: int, where: str) -> float:
    """The number in one line."""
    text = row[place] if 0 <= place < len(row) else None
    try:
        number = finite(float(text or ""))
    except ValueError:
        number = None
    if number is None:
        raise ScheduleArgumentError(f"column {place}", text, where, "a finite number in each line")
    return number

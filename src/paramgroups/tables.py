"""Tables for people: one value that prints as plain text anywhere and as a rich table in a terminal.

Knows rows and columns; knows nothing of what they are about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

_STRUCK = "~~"  # struck-out text, as in Markdown
_STACKED = 4  # places that are told, where several are said the same of


@final
@dataclass(frozen=True)
class Table:
    """Rows under column headings. A cell between `~~` is struck out; numbers are set flush right.

    Example:
        >>> print(Table(("group", "lr"), (("head", "0.001"), ("default", "0.01"))))
        group       lr
        head     0.001
        default   0.01
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.columns:
            return "\n".join((self.title, *self.notes))
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        right = self._flush_right()
        text = [
            "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join(([self.title] if self.title else []) + text + list(self.notes))

    def __rich__(self) -> RichTable | Text:
        if not self.columns:
            return _rich_text(str(self))
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as RichTable

        table = RichTable(title=self.title or None, caption="\n".join(self.notes) or None, box=SIMPLE_HEAD)
        table.caption_justify = "left"
        for name, right in zip(self.columns, self._flush_right(), strict=True):
            table.add_column(name, justify="right" if right else "left")
        for row in self.rows:
            table.add_row(*map(_rich_text, row))
        return table

    def _flush_right(self) -> list[bool]:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        return [bool(cells) and all(_is_number(c) for c in cells) and any(cells) for cells in columns]


def struck(text: str) -> str:
    """`text`, marked as struck out."""
    return f"{_STRUCK}{text}{_STRUCK}"


def _rich_text(cell: str) -> Text:
    from rich.text import Text

    if cell.startswith(_STRUCK) and cell.endswith(_STRUCK):
        return Text(cell.removeprefix(_STRUCK).removesuffix(_STRUCK), "strike dim")
    return Text(cell)


def number(value: float) -> str:
    """A number in the fewest characters that say it to six digits.

    Example:
        >>> number(0.1 * 3e-4), number(12)
        ('3e-05', '12')
    """
    return f"{value:.6g}"


def show(value: object) -> str:
    """A hyperparameter's value as people write it.

    Example:
        >>> show((0.9, 0.999)), show(1e-3), show(None), show(True)
        ('(0.9, 0.999)', '0.001', 'None', 'True')
    """
    if isinstance(value, (tuple, list)):
        return f"({', '.join(show(item) for item in value)})"
    if isinstance(value, float) or (hasattr(value, "item") and getattr(value, "ndim", 1) == 0):
        return number(float(value))  # type: ignore[arg-type]  # a float or a tensor of one element
    return str(value)


def stacked(what: str, places: Sequence[str], *values: str) -> list[tuple[str, ...]]:
    """Rows that say the same of several places: one a line, at most four, and then how many are left.

    Example:
        >>> print(Table(("what", "where", "value"), tuple(stacked("lr", ["body", "head"], "0.1"))))
        what  where  value
        lr    body     0.1
              head
    """
    left = len(places) - _STACKED
    lines = [*places[:_STACKED], *([f"and {left:,} more"] if left > 0 else [])]
    blank = ("",) * len(values)
    return [(what, lines[0], *values), *(("", line, *blank) for line in lines[1:])]


def _is_number(cell: str) -> bool:
    return not cell or cell == "—" or cell[0].isdigit() or (cell[0] == "-" and cell[1:2].isdigit())

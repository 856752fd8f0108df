"""The table of a run, a row a step, as CSV: exact, appended to, and cut back where a run goes on from an earlier step.

Knows rows; knows nothing of what the columns mean.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import final


@final
class Metrics:
    """A CSV file that is written from `size` bytes on; whatever came after is dropped.

    Numbers are written as Python's `repr` has them, so that reading gives back the same bits.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self._file = path.open("ab")
        self._file.truncate(size)
        self._empty = size == 0

    def add(self, row: Mapping[str, float]) -> None:
        """Append a row. The first gives the columns their names."""
        if self._empty:
            self._line(row)
            self._empty = False
        self._line(map(repr, row.values()))

    def size(self) -> int:
        """How many bytes are in the file, for sure."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Write everything, and let go of the file."""
        self._file.close()

    def _line(self, cells: object) -> None:
        self._file.write((",".join(cells) + "\n").encode())  # type: ignore[arg-type]  # an iterable of text

"""What another library's arguments may be, and the error that names the argument.

Knows kinds of values; knows no library.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from paramgroups.errors import ScheduleArgumentError, nearest
from paramgroups.schedules.levels import finite
from paramgroups.schedules.units import as_whole


def near(word: str, words: Iterable[str]) -> str:
    """What an error adds to a list of words where one of them is nearly `word`.

    Example:
        >>> near("cosin", ["linear", "cosine"])
        " (did you mean 'cosine'?)"
    """
    return "".join(f" (did you mean {found!r}?)" for found in nearest(word, words, most=1))


@final
@dataclass(frozen=True)
class Arguments:
    """Those of one function, `where`, each read by what it may be.

    Example:
        >>> Arguments("StepLRScheduler").count("warmup_t", 5.0)
        5
    """

    where: str

    def refused(self, name: str, value: object, allowed: str) -> ScheduleArgumentError:
        """The error for one argument."""
        return ScheduleArgumentError(name, value, self.where, allowed)

    def count(self, name: str, value: object, *, least: int = 0) -> int:
        """A whole number, at least `least`."""
        number = as_whole(value)
        if number is None or number < least:
            raise self.refused(name, value, f"a whole number >= {least}")
        return number

    def number(self, name: str, value: object, *, least: float = -math.inf, above: float = -math.inf) -> float:
        """A finite number, at least `least` and more than `above`."""
        number = finite(value)
        if number is None or number < least or number <= above:
            bound = "".join(
                f" {sign} {bound:g}" for sign, bound in ((">=", least), (">", above)) if math.isfinite(bound)
            )
            raise self.refused(name, value, f"a finite number{bound}")
        return number

    def flag(self, name: str, value: object) -> bool:
        """True or False."""
        if not isinstance(value, bool):
            raise self.refused(name, value, "True or False")
        return value

    def choice(self, name: str, value: object, choices: Iterable[str]) -> str:
        """One of the names."""
        names = list(choices)
        if value not in names:
            hint = near(value, names) if isinstance(value, str) else ""
            raise self.refused(name, value, " or ".join(map(repr, names)) + hint)
        return str(value)

    def several(self, name: str, values: object) -> list[Any]:
        """Whatever is in a sequence."""
        if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
            raise self.refused(name, values, "a list, or another sequence")
        return [*values]

    def moments(self, name: str, values: object) -> list[int]:
        """Whole numbers >= 0 in increasing order; one may be there twice."""
        moments = [self.count(name, value) for value in self.several(name, values)]
        if moments != sorted(moments):
            raise self.refused(name, values, "steps in increasing order")
        return moments

    def share(self, name: str, value: object) -> float:
        """A number in [0, 1]."""
        number = finite(value)
        if number is None or not 0 <= number <= 1:
            raise self.refused(name, value, "a number in [0, 1]")
        return number

"""How long things last: durations as counts or text, and the horizon that makes them whole steps.

Knows units and rounding; knows nothing of curves.
"""

from __future__ import annotations

import math
import re
from dataclasses import KW_ONLY, dataclass, fields
from decimal import Decimal
from fractions import Fraction
from numbers import Integral
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from paramgroups.errors import DurationError, ScheduleArgumentError, did_you_mean
from paramgroups.schedules.levels import Array, finite

Duration: TypeAlias = int | str
Steps: TypeAlias = int | npt.ArrayLike

REST = "rest"
_UNITS = ("steps", "epochs", "samples", "tokens")
_WHOLE = 100  # percent
# Digits are bounded: the exact value of "1e999999999" would fill the memory.
_TEXT = re.compile(r"(?P<count>[0-9][0-9_]{0,29}(\.[0-9]{0,30})?(e[+-]?[0-9]{1,2})?)\s*(?P<unit>%|[a-z]+)?")
_KINDS = "Give a whole number of steps >= 0, or text such as '5%', '3 epochs', '2e9 tokens' or 'rest'."


def as_whole(value: object) -> int | None:
    """`value` as an int, or None where it is not a whole number >= 0 (a bool is not one)."""
    number = finite(value)
    if number is None or number < 0 or not number.is_integer():
        return None
    return int(value) if isinstance(value, Integral) else int(number)


def as_times(steps: Steps, where: object) -> Array:
    """`steps` as a contiguous array of float64, by which one step and many take the same path through numpy."""
    if isinstance(steps, Integral) and not isinstance(steps, bool) and steps >= 0:
        return np.arange(int(steps), dtype=np.float64)
    given = np.asarray(steps)
    if given.ndim != 1 or given.dtype.kind not in "iuf":
        raise ScheduleArgumentError("steps", steps, repr(where), "numbers >= 0 in one dimension, or how many steps")
    times = np.ascontiguousarray(given, dtype=np.float64)
    wrong = times[~(np.isfinite(times) & (times >= 0))]
    if wrong.size:
        raise ScheduleArgumentError("step", float(wrong[0]), repr(where), "a finite number >= 0")
    return times


def as_duration(value: object, where: str, *, rest: bool = True) -> Duration:
    """`value` as a duration: an int, or text that waits for a horizon (text in steps does not).

    Where `rest` is False, `"rest"` is an error: what it would be the rest of is not said.
    """
    if not isinstance(value, str):
        steps = as_whole(value)
        if steps is None:
            raise DurationError(value, where, "is not a duration", _KINDS)
        return steps
    text = str(value).strip()
    if text.lower() == REST:
        if not rest:
            raise DurationError(text, where, "has no meaning here", "Say which share of the run: '100%'.")
        return REST
    count, unit = _parse(text, where)
    if unit != "steps":
        return text
    if count.denominator != 1:
        raise DurationError(value, where, "is not a whole number of steps", _KINDS)
    return count.numerator


def multiple(duration: Duration, times: int, where: str = "multiple") -> Duration:
    """A duration so many times over, in its own unit.

    Raises:
        DurationError: It is none, or that would be more than the whole run.

    Example:
        >>> multiple(100, 3), multiple("1.5 epochs", 3), multiple("10%", 3)
        (300, '4.5 epochs', '30%')
    """
    given = as_duration(duration, where, rest=False)
    if isinstance(given, int):
        return given * times
    count, unit = _parse(given, where)
    total = f"{Decimal(count.numerator * times) / Decimal(count.denominator):f}"
    unit = unit.removesuffix("s") if total == "1" else unit
    return as_duration(f"{total}{unit}" if unit == "%" else f"{total} {unit}", where)


def _parse(text: str, where: str) -> tuple[Fraction, str]:
    """The count and the unit (`%` or a plural) that `text` names."""
    match = _TEXT.fullmatch(text.lower())
    if match is None:
        hint = f"{did_you_mean(text, [REST, *_UNITS])} " if text.isalpha() else ""
        raise DurationError(text, where, "is not a duration", hint + _KINDS)
    count, unit = Fraction(match["count"].replace("_", "")), match["unit"]
    if unit is None:
        raise DurationError(text, where, "has no unit", f"Write {text} without quotes for steps. {_KINDS}")
    if unit == "%":
        if count > _WHOLE:
            raise DurationError(text, where, "is more than the whole run", "Give a percentage from 0% to 100%.")
        return count, unit
    plural = unit.removesuffix("s") + "s"
    if plural not in _UNITS:
        raise DurationError(text, where, f"has an unknown unit, {unit!r}", did_you_mean(unit, [*_UNITS, "%"]))
    return count, plural


@final
@dataclass(frozen=True, repr=False)
class Horizon:
    """How long the whole run is: in optimizer steps, and in any other unit its schedules use.

    A duration of `n` epochs (samples, tokens) is `steps * n / epochs` steps, one of `n%` is `steps * n / 100`,
    rounded to the nearest whole step, halves up. The arithmetic is exact, so rounding is the same everywhere.

    Args:
        steps: Optimizer steps of the run, a whole number > 0.
        epochs: Passes over the data in those steps, > 0.
        samples: Examples seen in those steps, > 0.
        tokens: Tokens seen in those steps, > 0.

    Raises:
        DurationError: If a total is not a number > 0, or `steps` is not whole.

    Example:
        >>> horizon = Horizon(steps=1000, epochs=3)
        >>> horizon.steps_in("5%"), horizon.steps_in("1 epoch")
        (50, 333)
    """

    steps: int
    _: KW_ONLY
    epochs: float | None = None
    samples: float | None = None
    tokens: float | None = None

    def __post_init__(self) -> None:
        steps = as_whole(self.steps)
        if not steps:
            raise DurationError(self.steps, "Horizon.steps", "is not a length", "Give a whole number of steps > 0.")
        object.__setattr__(self, "steps", steps)
        for unit in _UNITS[1:]:
            given = getattr(self, unit)
            if given is not None:
                object.__setattr__(self, unit, _total(given, unit))

    def __repr__(self) -> str:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return f"Horizon({', '.join(f'{name}={total!r}' for name, total in given.items() if total is not None)})"

    def steps_in(self, duration: Duration, *, where: str = "Horizon.steps_in") -> int:
        """The whole number of steps that `duration` is in this run.

        Args:
            duration: Steps, or text such as `"5%"` or `"3 epochs"`; `"rest"` has a meaning only in a chain.
            where: What is being measured, for the error to name.

        Returns:
            A whole number >= 0.

        Raises:
            DurationError: If it is not a duration, or its unit is not stated by this horizon.

        Example:
            >>> Horizon(steps=1000, tokens=4e9).steps_in("2e9 tokens")
            500
        """
        duration = as_duration(duration, where, rest=False)
        if isinstance(duration, int):
            return duration
        count, unit = _parse(duration, where)
        total = _WHOLE if unit == "%" else getattr(self, unit)
        if total is None:
            raise DurationError(
                duration,
                where,
                f"needs the {unit} of the run, and {self!r} does not state them",
                f"Give them: Horizon(steps={self.steps}, {unit}=...).",
            )
        return math.floor(self.steps * count / Fraction(total) + Fraction(1, 2))


def _total(value: object, unit: str) -> int | float:
    number = finite(value)
    if number is None or number <= 0:
        raise DurationError(value, f"Horizon.{unit}", "is not a length", f"Give the run's {unit}, a number > 0.")
    return int(value) if isinstance(value, Integral) else number

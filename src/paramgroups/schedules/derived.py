"""One hyperparameter's curve as a function of another's.

Knows how a factor is turned into a value; knows nothing of the curve that the factor comes from.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import final

import numpy as np

from paramgroups.errors import CompositionError, UndefinedValueError
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Array, Level, Line, blend
from paramgroups.schedules.shapes import put_number


@final
@dataclass(frozen=True, repr=False)
class Derived(Schedule):
    """A level where another curve is at its base, another level where that is at 0, and in proportion between them.

        v(t) = f * at_one + (1 - f) * at_zero,   f = of(t) ** power

    Weight decay in proportion to lr needs none of it: a schedule multiplies each group's own base, so the lr's own
    schedule is that of the weight decay too. This is for every other relation to the curve of the lr:

    - weight decay in proportion to the square of the lr: `Derived(lr, power=2)`;
    - weight decay that AdamW's product with lr leaves constant: `Derived(lr, power=-1)`;
    - momentum, high where lr is low: `Derived(lr, at_one=Absolute(0.85), at_zero=Absolute(0.95))`;
    - 1 - momentum in proportion to lr: `Derived(lr, at_one=Absolute(0.9), at_zero=Absolute(1.0))`.

    Args:
        of: The other curve, of plain factors.
        power: Exponent, not 0.
        at_one: Level where the other is at its base, f = 1: a factor of the base, or `Absolute`.
        at_zero: Level where f = 0, likewise.

    Raises:
        ScheduleArgumentError: If a level is none, or `power` not a finite number other than 0.
        CompositionError: If the other curve has an `Absolute` level.
        UndefinedValueError: On evaluation, if the other has no such power, as 0 and a negative one.

    Example:
        >>> from paramgroups.schedules import Absolute, Linear
        >>> Derived(Linear(4), at_one=Absolute(0.85), at_zero=Absolute(0.95)).values(5)
        array([0.85 , 0.875, 0.9  , 0.925, 0.95 ])
    """

    of: Schedule
    _: KW_ONLY
    power: float = 1.0
    at_one: Level = 1.0
    at_zero: Level = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        put_number(self, "power", lambda power: power != 0, "a finite number other than 0")
        if not self.of.pure_factor:
            raise CompositionError(
                [repr(self.of)],
                "it has Absolute levels, and what is derived is derived from a factor",
                "Write it with plain numbers, as a factor.",
            )

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({type(self.at_one), type(self.at_zero)})

    @property
    def _open_ended(self) -> bool:
        return self.of._open_ended

    @property
    def _length(self) -> int:
        return self.of._length

    def _line(self, times: Array, base: float) -> Line:
        given = np.full_like(times, self.of._line(times, 1.0).factor)
        if self.power == 1.0:
            return blend(given, Line.of(self.at_one), Line.of(self.at_zero))
        with np.errstate(all="ignore"):
            factor = np.power(given, self.power)
        (wrong,) = np.nonzero(~np.isfinite(factor))
        if wrong.size:
            raise UndefinedValueError(
                repr(self),
                f"step {float(times[wrong[0]])!r}",
                f"{float(given[wrong[0]])!r} ** {self.power!r} is no finite number",
                "Keep what it is derived from away from there: .clip(low=0.01).",
            )
        return blend(factor, Line.of(self.at_one), Line.of(self.at_zero))

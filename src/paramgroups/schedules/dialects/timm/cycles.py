"""timm's cycles: which cycle of a curve a moment is in, to the bit.

Knows timm's logarithm; knows nothing of warm-up or noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.levels import Array, Level, Line, blend
from paramgroups.schedules.shapes import put_number


@final
@dataclass(frozen=True, repr=False)
class Cycles(Schedule):
    """timm's cycles of a curve: the next one longer and lower, `lr_min` after the last.

        v(t) = w(q ** k_decay / n ** k_decay) * base * cycle_decay ** i + (1 - w) * lr_min
        i = floor(log(1 - t / t_initial * (1 - cycle_mul), cycle_mul)),   n = t_initial * cycle_mul ** i

    q is the time in cycle i, n its length.

    The native `CosineRestarts` counts cycles without a logarithm, which may put the first step of a cycle at the end of
    the one before it; here it is where timm has it.

    Args:
        curve: w, a schedule of plain factors, stretched to each cycle.
        t_initial: How long the first cycle is, a whole number > 0.
        cycle_mul: How much longer each is than the one before it, >= 1.
        cycle_decay: What each multiplies the base by, >= 0.
        cycle_limit: How many.
        k_decay: Exponent of the time in a cycle, > 0.
        lr_min: Level that each cycle goes to, `Absolute` in timm.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> from paramgroups.schedules import Linear
        >>> Cycles(Linear(1), 2, cycle_decay=0.5, cycle_limit=2).values(6, base=1.0)
        array([1.  , 0.5 , 0.5 , 0.25, 0.  , 0.  ])
    """

    curve: Schedule
    t_initial: int
    cycle_mul: float = 1.0
    cycle_decay: float = 1.0
    cycle_limit: int = 1
    k_decay: float = 1.0
    lr_min: Level = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        given = Arguments("Cycles")
        if not (self.curve.pure_factor and self.curve.resolved and self.curve.length):
            raise given.refused("curve", self.curve, "a schedule of plain factors and some steps")
        for name, least in (("t_initial", 1), ("cycle_limit", 0)):
            object.__setattr__(self, name, given.count(name, getattr(self, name), least=least))
        put_number(self, "cycle_mul", lambda ratio: ratio >= 1, "a number >= 1; below it timm's logarithm has no value")
        put_number(self, "cycle_decay", lambda ratio: ratio >= 0, "a finite number >= 0")
        put_number(self, "k_decay", lambda power: power > 0, "a finite number > 0")

    @property
    def single(self) -> bool:
        """Whether it is one cycle of the curve as it is, so that a native shape will do."""
        return self.cycle_limit == 1 and self.k_decay == 1.0

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({float, type(self.lr_min)})

    @property
    def _open_ended(self) -> bool:
        return False

    @property
    def _length(self) -> int:
        if self.cycle_mul == 1.0:
            return self.t_initial * self.cycle_limit
        spans = (self.cycle_mul**self.cycle_limit - 1.0) / (self.cycle_mul - 1.0)
        return math.ceil(self.t_initial * spans) + 1  # the logarithm may be a step late

    def _line(self, times: Array, base: float) -> Line:
        cycles, shares = np.array([self._place(time) for time in times.tolist()]).reshape(-1, 2).T
        over = cycles >= self.cycle_limit
        weights = self.curve._line(shares * int(self.curve.length or 0), 1.0).factor
        peaks = np.power(self.cycle_decay, np.minimum(cycles, self.cycle_limit))
        return blend(np.where(over, 0.0, weights), Line(peaks, 0.0), Line.of(self.lr_min))

    def _place(self, time: float) -> tuple[float, float]:
        """The number of the cycle, and the share of it that is over: timm's own arithmetic, to the bit."""
        ratio, first = self.cycle_mul, self.t_initial
        if ratio == 1.0:
            cycle, span = math.floor(time / first), float(first)
            since = time - first * cycle
        else:
            cycle = math.floor(math.log(1 - time / first * (1 - ratio), ratio))
            if cycle >= self.cycle_limit:
                return cycle, 1.0
            span = ratio**cycle * first
            since = time - (1 - ratio**cycle) / (1 - ratio) * first
        return cycle, max(since, 0.0) ** self.k_decay / span**self.k_decay

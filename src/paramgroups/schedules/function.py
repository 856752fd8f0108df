"""Any function of the step as a schedule.

Knows how to call it and what it may return; knows nothing of what it computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import final

import numpy as np

from paramgroups.errors import ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules.levels import Absolute, Array, Line, finite
from paramgroups.schedules.shapes import Shape
from paramgroups.schedules.units import Duration


@final
@dataclass(frozen=True, repr=False)
class Function(Shape):
    """Whatever `function` returns at each step.

        v(t) = function(t)

    It is called once for each step asked for, with an int where the step is whole, so it should be pure: a function
    that remembers its calls gives other values on resume.

    Args:
        function: From a step to a finite real number.
        absolute: Whether it returns the value in its own unit; otherwise a factor of the base.
        steps: How long, for what follows in a chain, after which `function(steps)` holds; None is open-ended.

    Raises:
        ScheduleArgumentError: If `function` is not callable.
        DurationError: If `steps` is not a duration.
        UndefinedValueError: On evaluation, if it returns anything but a finite real number.

    Example:
        >>> def halve(step):
        ...     return 0.5 ** (step // 10)
        >>> Function(halve).values([0, 10, 25], base=0.2)
        array([0.2 , 0.1 , 0.05])
        >>> Function(halve)
        Function(halve)
    """

    function: Callable[[float], float]
    _: KW_ONLY
    absolute: bool = False
    steps: Duration | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.function):
            raise ScheduleArgumentError("function", self.function, "Function", "a callable from a step to a number")
        if not isinstance(self.absolute, bool):
            raise ScheduleArgumentError("absolute", self.absolute, "Function", "True or False")

    @property
    def closed_form(self) -> bool:
        return False

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({Absolute if self.absolute else float})

    def _line(self, times: Array, base: float) -> Line:
        results = np.array([self._result(time) for time in self._until_end(times).tolist()], dtype=np.float64)
        return Line(0.0, results) if self.absolute else Line(results, 0.0)

    def _result(self, time: float) -> float:
        step = int(time) if time.is_integer() else time
        result = self.function(step)
        number = finite(result)
        if number is None:
            raise UndefinedValueError(
                repr(self),
                f"step {step}",
                f"the function returned {result!r}",
                "Return a finite real number at every step; wrap a tensor or array of one in float().",
            )
        return number

"""The nodes that change a schedule's clock: `.then`, `.repeat`, `.shift` and `.stretch`.

Knows which moment of which schedule it is; leaves the values there as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from itertools import accumulate
from numbers import Real
from typing import Any, final

import numpy as np

from paramgroups.errors import CompositionError, DurationError, ScheduleArgumentError
from paramgroups.schedules.arithmetic import receiver
from paramgroups.schedules.base import Schedule, require_schedule
from paramgroups.schedules.levels import Array, Line
from paramgroups.schedules.units import REST, Duration, Horizon, as_duration, as_whole


def _require_end(schedule: Schedule, purpose: str) -> None:
    if schedule._open_ended:
        raise CompositionError(
            [repr(schedule)],
            f"it is open-ended, and {purpose}",
            "Give it a length: Constant, InverseSqrt and Function take steps=.",
        )


def _left(steps: int, takers: list[tuple[str, int]]) -> int:
    """What `"rest"` is of `steps` of which each of `takers` takes some."""
    left = steps - sum(taken for _, taken in takers)
    if left < 0:
        taken = " and ".join(f"{code} takes {count}" for code, count in takers)
        remedy = "Shorten a part, or make the horizon longer."
        raise DurationError(REST, f"Of {steps} steps {taken}", f"would be {left} steps", remedy)
    return left


@final
@dataclass(frozen=True, repr=False)
class Chain(Schedule):
    """Schedules one after the other, each on its own clock. A boundary belongs to the later one.

    Args:
        parts: Two or more schedules; a chain among them becomes its parts. Only the last may be open-ended.

    Raises:
        CompositionError: If a part before the last is open-ended, if more than one takes the `"rest"`, or if one
            does and another is open-ended.

    Example:
        >>> from paramgroups.schedules import Cosine, Warmup
        >>> Chain((Warmup(10), Cosine(90)))
        Warmup(10).then(Cosine(90))
    """

    parts: tuple[Schedule, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self._flattened()))
        if len(self.parts) < 2:  # noqa: PLR2004
            raise ScheduleArgumentError("parts", self.parts, "Chain", "two or more schedules")
        for part in self.parts[:-1]:
            _require_end(part, "what follows it would never start")
        resting = [repr(part) for part in self.parts if REST in part._texts()]
        if len(resting) > 1:
            raise CompositionError(
                resting,
                "each takes the rest of the chain, and how they share it is not said",
                "Leave 'rest' to one of them, and give the others a length such as '30%'.",
            )
        last = self.parts[-1]
        if resting and last._open_ended and REST not in last._texts():
            raise CompositionError(
                [*resting, repr(last)],
                "one takes the rest of the chain and the other has no end, so nothing says where it starts",
                "Give the last part a length with steps=, or the other one instead of 'rest'.",
            )

    def _flattened(self) -> Iterator[Schedule]:
        for part in self.parts:
            yield from part.parts if isinstance(part, Chain) else [require_schedule(part, "parts", "Chain")]

    def __repr__(self) -> str:
        first, *others = self.parts
        return receiver(first) + "".join(f".then({part!r})" for part in others)

    def _children(self) -> tuple[Schedule, ...]:
        return self.parts

    @property
    def _open_ended(self) -> bool:
        return self.parts[-1]._open_ended

    @property
    def _length(self) -> int:
        return sum(part._length for part in self.parts)

    def seen(self, step: float, metric: float) -> Schedule:
        starts = accumulate((part._length for part in self.parts[:-1]), initial=0)
        pairs = zip(self.parts, starts, strict=True)
        return Chain(tuple(part.seen(step - start, metric) if step >= start else part for part, start in pairs))

    def _resolve(self, horizon: Horizon, rest: int) -> Schedule:
        fixed = [None if REST in part._texts() else part._resolve(horizon, rest) for part in self.parts]
        if None in fixed:
            rest = _left(rest, [(repr(part), part._length) for part in fixed if part])
        return Chain(tuple(new or old._resolve(horizon, rest) for new, old in zip(fixed, self.parts, strict=True)))

    def _line(self, times: Array, base: float) -> Line:
        starts = list(accumulate((part._length for part in self.parts[:-1]), initial=0))
        owners = np.searchsorted(starts[1:], times, side="right")
        factor, offset = np.empty_like(times), np.empty_like(times)
        for number, (part, start) in enumerate(zip(self.parts, starts, strict=True)):
            owned = owners == number
            if owned.any():
                factor[owned], offset[owned] = part._line(times[owned] - start, base)
        return Line(factor, offset)


@final
@dataclass(frozen=True, repr=False)
class Repeat(Schedule):
    """A schedule over and over, its own length the period.

    Args:
        inner: What is repeated; it has to end.
        times: How often, a whole number > 0; None for ever.

    Raises:
        CompositionError: If `inner` is open-ended, or contains `"rest"`.
        ScheduleArgumentError: If `times` is not a whole number > 0.

    Example:
        >>> from paramgroups.schedules import Cosine
        >>> Repeat(Cosine(100), times=3)
        Cosine(100).repeat(3)
    """

    inner: Schedule
    times: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_end(self.inner, "a period has to end")
        if REST in self.inner._texts():
            raise CompositionError(
                [repr(self.inner)],
                "'rest' inside a repeated schedule has no one length",
                "Give the period as steps or as a share of the run, such as '10%'.",
            )
        if self.times is not None:
            times = as_whole(self.times)
            if not times:
                raise ScheduleArgumentError("times", self.times, ".repeat", "a whole number > 0, or None for ever")
            object.__setattr__(self, "times", times)

    def __repr__(self) -> str:
        return f"{receiver(self.inner)}.repeat({'' if self.times is None else self.times})"

    def seen(self, step: float, metric: float) -> Schedule:
        if self.driven_by_metric:
            raise CompositionError(
                [repr(self.inner)],
                "it depends on a metric, and what was observed in one period is not said of the others",
                "Multiply the repeated schedule by the Plateau instead: schedule.repeat() * Plateau().",
            )
        return self

    @property
    def _open_ended(self) -> bool:
        return self.times is None

    @property
    def _length(self) -> int:
        return self.inner._length * (self.times or 1)

    def _line(self, times: Array, base: float) -> Line:
        period = self.inner._length
        if not period:
            return self.inner._line(times, base)
        local = np.mod(times, period)
        if self.times is not None:
            local = np.where(times < self.times * period, local, period)
        return self.inner._line(local, base)


@final
@dataclass(frozen=True, repr=False)
class Shift(Schedule):
    """A schedule that starts later, or, by a negative number of steps, in its middle.

    Args:
        inner: What is shifted.
        steps: How much later.

    Raises:
        DurationError: If `steps` is neither a whole number nor a duration other than `"rest"`.

    Example:
        >>> from paramgroups.schedules import Cosine
        >>> Shift(Cosine(100), -20)
        Cosine(100).shift(-20)
    """

    inner: Schedule
    steps: Duration

    def __post_init__(self) -> None:
        require_schedule(self.inner, "inner", "Shift")
        given: Any = self.steps
        earlier = isinstance(given, Real) and given < 0
        steps = as_duration(-given if earlier else given, ".shift", rest=False)
        object.__setattr__(self, "steps", -int(steps) if earlier else steps)

    def __repr__(self) -> str:
        return f"{receiver(self.inner)}.shift({self.steps!r})"

    @property
    def _open_ended(self) -> bool:
        return self.inner._open_ended

    @property
    def _length(self) -> int:
        return max(self.inner._length + int(self.steps), 0)

    def _resolve(self, horizon: Horizon, rest: int) -> Schedule:
        steps = self.steps if isinstance(self.steps, int) else horizon.steps_in(self.steps, where=".shift")
        if REST in self.inner._texts():
            rest = _left(rest, [(f".shift({steps})", steps)])
        return Shift(self.inner._resolve(horizon, rest), steps)

    def _line(self, times: Array, base: float) -> Line:
        return self.inner._line(np.maximum(times - int(self.steps), 0.0), base)

    def seen(self, step: float, metric: float) -> Schedule:
        return Shift(self.inner.seen(max(step - int(self.steps), 0), metric), self.steps)


@final
@dataclass(frozen=True, repr=False)
class Stretch(Schedule):
    """A schedule whose rest, from a moment on, takes longer or less long; nothing jumps.

        v(t) = self(t) if t <= at else self(at + (t - at) * (old - at) / (new - at))

    Args:
        inner: What is stretched.
        at: Until when it is left as it is.
        old: What was due then, more than `at`, ...
        new: ... is due now, more than `at`. After it, time goes on as before.

    Raises:
        ScheduleArgumentError: If they are not whole numbers >= 0 in this order.

    Example:
        >>> from paramgroups.schedules import Linear
        >>> Linear(4).stretch(at=2, old=4, new=6).values(7, base=1.0)
        array([1.   , 0.75 , 0.5  , 0.375, 0.25 , 0.125, 0.   ])
    """

    inner: Schedule
    _: KW_ONLY
    at: int
    old: int
    new: int

    def __post_init__(self) -> None:
        require_schedule(self.inner, "inner", "Stretch")
        at, old, new = (as_whole(value) for value in (self.at, self.old, self.new))
        for name, fits in (
            ("at", at is not None),
            ("old", at is not None and old is not None and old > at),
            ("new", at is not None and new is not None and new > at),
        ):
            if not fits:
                allowed = "a whole number >= 0" if name == "at" else f"a whole number of steps after at={self.at!r}"
                raise ScheduleArgumentError(name, getattr(self, name), ".stretch", allowed)

    def __repr__(self) -> str:
        return f"{receiver(self.inner)}.stretch(at={self.at}, old={self.old}, new={self.new})"

    @property
    def _open_ended(self) -> bool:
        return self.inner._open_ended

    @property
    def _length(self) -> int:
        inner = self.inner._length
        if inner <= self.at:
            return inner
        if inner >= self.old:
            return inner - self.old + self.new
        return self.at + -((self.at - inner) * (self.new - self.at) // (self.old - self.at))

    def _local(self, times: Array) -> Array:
        """The moment of the inner schedule at each of `times`; exactly `old` at `new`."""
        between = self.at + (times - self.at) * ((self.old - self.at) / (self.new - self.at))
        return np.where(times <= self.at, times, np.where(times >= self.new, times - self.new + self.old, between))

    def _line(self, times: Array, base: float) -> Line:
        return self.inner._line(self._local(times), base)

    def seen(self, step: float, metric: float) -> Schedule:
        moment = float(self._local(np.array([step], dtype=np.float64))[0])
        return replace(self, inner=self.inner.seen(moment, metric))

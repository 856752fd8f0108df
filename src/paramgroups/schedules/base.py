"""What every schedule is: a frozen tree of levels, durations and schedules that has a value at every step.

Knows how such a tree is checked, resolved, evaluated, combined and printed; knows no particular curve.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, replace
from numbers import Real
from typing import ClassVar

import numpy as np

from paramgroups.errors import (
    CompositionError,
    MissingBaseError,
    ScheduleArgumentError,
    UnresolvedDurationError,
)
from paramgroups.schedules.levels import Absolute, Array, Level, Line, as_level, finite
from paramgroups.schedules.units import REST, Duration, Horizon, Steps, as_duration, as_times


def require_schedule(value: object, name: str, where: str) -> Schedule:
    """`value`, or the error that says that `name` in `where` has to be a schedule."""
    if not isinstance(value, Schedule):
        raise ScheduleArgumentError(name, value, where, "a schedule; a fixed level is Constant(level)")
    return value


def _word_for(kind: type) -> str:
    """What a class is called in code: `Cosine`, or, where it is another library's own, `dialects.torch.Phases`."""
    _, foreign, home = kind.__module__.partition(".dialects.")
    return f"dialects.{home.partition('.')[0]}.{kind.__name__}" if foreign else kind.__name__


# What a field may hold, by the text of its annotation (so a module of shapes imports `annotations` from __future__).
# Fields annotated otherwise are the shape's own business.
_READERS: dict[str, Callable[[object, str, str], object]] = {
    "Level": as_level,
    "Duration": lambda value, name, where: as_duration(value, f"{where}.{name}"),
    "Schedule": require_schedule,
}


@dataclass(frozen=True, repr=False)
class Schedule(ABC):
    """A hyperparameter as a pure function of the step, and of the base value that it multiplies.

    Every schedule is a frozen value: it compares, hashes, pickles, and prints as the code that makes it. Its fields
    annotated `Level`, `Duration` and `Schedule` (or one of these and `None`) are checked, resolved and counted here.

    The k-th update, from 0, uses the value at step k. A schedule of n steps reaches its end at step n, exactly, and
    holds it from there on.

    Example:
        >>> from paramgroups.schedules import Cosine, Horizon, Warmup
        >>> schedule = Warmup("20%").then(Cosine("rest", end=0.1)).resolve(Horizon(steps=10))
        >>> schedule
        Warmup(2).then(Cosine(8, end=0.1))
        >>> schedule(0, base=3.0), schedule(2, base=3.0)
        (1.0, 3.0)
    """

    __array_ufunc__: ClassVar[None] = None  # so that numpy's scalars leave `*` to us

    def __post_init__(self) -> None:
        where = type(self).__name__
        for name, kind, value in self._typed():
            object.__setattr__(self, name, _READERS[kind](value, name, where))

    def __repr__(self) -> str:
        arguments = []
        for number, field in enumerate(fields(self)):
            value = getattr(self, field.name)
            if field.default is MISSING or value != field.default:
                code = getattr(value, "__qualname__", repr(value))  # a function by its name
                arguments.append(code if number == 0 else f"{field.name}={code}")
        return f"{_word_for(type(self))}({', '.join(arguments)})"

    # --- values -------------------------------------------------------------------------------------------------

    def __call__(self, step: float, base: float | None = None) -> float:
        """The value at one step.

        Args:
            step: Steps since the start, >= 0; a fraction is a moment between two steps.
            base: What the factors multiply, in the hyperparameter's unit. May be left out only if every level
                is `Absolute`.

        Returns:
            The value, bit for bit that of `values`.

        Raises:
            ScheduleArgumentError: If `step` is not a finite number >= 0, or `base` not a finite number.
            MissingBaseError: If there is no base to multiply.
            UnresolvedDurationError: If a duration is still relative to a horizon.

        Example:
            >>> from paramgroups.schedules import Linear
            >>> Linear(4, end=0.5)(2, base=0.2)
            0.15000000000000002
        """
        return float(self.values([step], base)[0])

    def values(self, steps: Steps, base: float | None = None) -> Array:
        """The values at many steps.

        Args:
            steps: A count n, for the steps 0 to n - 1, or a sequence of steps, each >= 0.
            base: What the factors multiply, as in a call.

        Returns:
            One value a step, float64.

        Raises:
            ScheduleArgumentError: If a step is not a finite number >= 0, or `base` not a finite number.
            MissingBaseError: If there is no base to multiply.
            UnresolvedDurationError: If a duration is still relative to a horizon.

        Example:
            >>> from paramgroups.schedules import Linear
            >>> Linear(4).values(6, base=1.0)
            array([1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ])
        """
        self._require_resolved()
        if base is None and not self.absolute:
            raise MissingBaseError(repr(self))
        number = 0.0 if base is None else finite(base)
        if number is None:
            raise ScheduleArgumentError("base", base, repr(self), "a finite number")
        times = as_times(steps, self)
        return np.full_like(times, self._line(times, number).at(number))

    def line(self, steps: Steps) -> tuple[Array, Array]:
        """The values at many steps for every base at once: `factor * base + offset`, to the bit.

        One evaluation then serves any number of parameter groups.

        Args:
            steps: A count n, for the steps 0 to n - 1, or a sequence of steps, each >= 0.

        Returns:
            The factors and the offsets, one a step, float64.

        Raises:
            CompositionError: If the schedule is not `affine`.
            ScheduleArgumentError: If a step is not a finite number >= 0.
            UnresolvedDurationError: If a duration is still relative to a horizon.

        Example:
            >>> from paramgroups.schedules import Absolute, Linear
            >>> Linear(2, end=Absolute(0.25)).line(3)
            (array([1. , 0.5, 0. ]), array([0.   , 0.125, 0.25 ]))
        """
        self._require_resolved()
        if not self.affine:
            raise CompositionError(
                [repr(self)],
                "its values are no line in the base, as it mixes factors and Absolute levels",
                "Evaluate it once for each base: schedule.values(steps, base).",
            )
        times = as_times(steps, self)
        line = self._line(times, 0.0)  # which base does not matter: that is what affine means
        return np.full_like(times, line.factor), np.full_like(times, line.offset)

    # --- properties ---------------------------------------------------------------------------------------------

    @property
    def closed_form(self) -> bool:
        """Whether its values are computed here, and so may be computed ahead; a `Function` calls out.

        Example:
            >>> from paramgroups.schedules import Cosine, Function
            >>> Cosine(10).closed_form, (Cosine(10) * Function(abs)).closed_form
            (True, False)
        """
        return all(child.closed_form for child in self._children())

    @property
    def absolute(self) -> bool:
        """Whether every level is `Absolute`, so that the value is the same for every base.

        Example:
            >>> from paramgroups.schedules import Constant
            >>> Constant(Absolute(0.1)).absolute, Constant(0.1).absolute
            (True, False)
        """
        return self._kinds == {Absolute}

    @property
    def pure_factor(self) -> bool:
        """Whether every level is a factor, so that the value is proportional to the base.

        Example:
            >>> from paramgroups.schedules import Constant
            >>> Constant(Absolute(0.1)).pure_factor, Constant(0.1).pure_factor
            (False, True)
        """
        return self._kinds == {float}

    @property
    def affine(self) -> bool:
        """Whether the value is `factor * base + offset`, as `line` gives them.

        Example:
            >>> from paramgroups.schedules import Cosine
            >>> mixed = Cosine(10, end=Absolute(1e-5))
            >>> mixed.affine, mixed.clip(high=0.5).affine
            (True, False)
        """
        return all(child.affine for child in self._children())

    @property
    def length(self) -> int | None:
        """The step from which the value holds, or None for a schedule that is open-ended.

        Raises:
            UnresolvedDurationError: If it depends on a duration that is still relative to a horizon.

        Example:
            >>> from paramgroups.schedules import Constant, InverseSqrt, Warmup
            >>> Warmup(5).then(Constant(steps=10)).length, InverseSqrt(10).length
            (15, None)
        """
        if self._open_ended:
            return None
        self._require_resolved()
        return self._length

    @property
    def resolved(self) -> bool:
        """Whether every duration is a whole number of steps.

        Example:
            >>> from paramgroups.schedules import Warmup
            >>> Warmup(5).resolved, Warmup("5%").resolved
            (True, False)
        """
        return not any(self._texts())

    def resolve(self, horizon: Horizon) -> Schedule:
        """The same schedule with every duration a whole number of steps; resolving again changes nothing.

        `"rest"` is what the horizon leaves after the other parts of the same `.then` chain. Every other text is
        measured against the whole horizon, as `Horizon` says.

        Args:
            horizon: How long the run is.

        Returns:
            A schedule that has values.

        Raises:
            DurationError: If the horizon does not state a unit, or its steps do not leave any for `"rest"`.

        Example:
            >>> from paramgroups.schedules import Constant, Linear, Warmup
            >>> schedule = Warmup("5%").then(Constant(steps="rest")).then(Linear("1 epoch"))
            >>> schedule.resolve(Horizon(steps=1000, epochs=4))
            Warmup(50).then(Constant(steps=700)).then(Linear(250))
        """
        return self if self.resolved else self._resolve(horizon, horizon.steps)

    @property
    def driven_by_metric(self) -> bool:
        """Whether a `Plateau` is part of it, so that what is observed changes it.

        Example:
            >>> from paramgroups.schedules import Plateau, Warmup
            >>> (Warmup(10) * Plateau()).driven_by_metric
            True
        """
        return any(child.driven_by_metric for child in self._children())

    def seen(self, step: float, metric: float) -> Schedule:
        """The schedule that this one is once a metric was observed.

        Args:
            step: When, in steps since the start.
            metric: What; NaN and the infinities are no improvement.

        Raises:
            CompositionError: If a `Plateau` is inside a `.repeat`, where steps have no one meaning.

        Example:
            >>> from paramgroups.schedules import Plateau, Warmup
            >>> Warmup(10).then(Plateau(0.5)).seen(30, 1.0)
            Warmup(10).then(Plateau(0.5, best=1.0))
        """
        if not self.driven_by_metric:
            return self
        return replace(
            self, **{name: part.seen(step, metric) for name, _, part in self._typed() if isinstance(part, Schedule)}
        )

    # --- operators ----------------------------------------------------------------------------------------------
    # They import the nodes they build when called, because every node is a Schedule.

    def then(self, following: Schedule) -> Schedule:
        """This schedule, and `following` from its end on, at its own step 0.

            v(t) = self(t) if t < self.length else following(t - self.length)

        Args:
            following: What comes next. It sees steps counted from the boundary, which is its own.

        Returns:
            The chain. How a chain is bracketed makes no difference.

        Raises:
            CompositionError: If this schedule is open-ended, or the chain has more than one `"rest"`.

        Example:
            >>> from paramgroups.schedules import Constant, Linear
            >>> Constant(0.5, steps=2).then(Linear(2)).values(5, base=1.0)
            array([0.5, 0.5, 1. , 0.5, 0. ])
        """
        from paramgroups.schedules.timeline import Chain

        return Chain((self, following))

    def __mul__(self, other: Schedule | float) -> Schedule:
        """The product at every step with another schedule or a number; one of the two has to be a pure factor.

        It lasts as long as the longer of the two.

        Raises:
            CompositionError: If both sides have `Absolute` levels.

        Example:
            >>> from paramgroups.schedules import Cosine, Warmup
            >>> 0.5 * (Warmup(10) * Cosine(100))
            0.5 * (Warmup(10) * Cosine(100))
        """
        from paramgroups.schedules.arithmetic import Product
        from paramgroups.schedules.shapes import Constant

        if isinstance(other, Schedule):
            return Product(self, other)
        if isinstance(other, Real):
            return Product(Constant(as_level(other, "factor", "*"), steps=0), self)
        return NotImplemented

    __rmul__ = __mul__  # only a number gets here, and it stands to the left of `*` either way

    def clip(self, low: Level | None = None, high: Level | None = None) -> Schedule:
        """The value, kept from going below `low` and above `high`.

            v(t) = min(max(self(t), low), high)

        Bounds that are factors of the base clip factors, where the whole schedule is one.

        Args:
            low: Least value: a factor of the base, or `Absolute`. None for no bound.
            high: Greatest value, likewise, not below `low`.

        Raises:
            ScheduleArgumentError: If a bound is not a level, both are left out, or `low` is above `high`.

        Example:
            >>> from paramgroups.schedules import Linear
            >>> Linear(4).clip(low=0.1, high=0.8).values(5, base=1.0)
            array([0.8 , 0.75, 0.5 , 0.25, 0.1 ])
        """
        from paramgroups.schedules.arithmetic import Clip

        return Clip(self, low=low, high=high)

    def repeat(self, times: int | None = None) -> Schedule:
        """The schedule over and over, its own length the period.

            v(t) = self(t mod length) if t < times * length else self(length)

        Args:
            times: How often, a whole number > 0; None for ever.

        Returns:
            The repeated schedule. Only after the last time does it hold its end.

        Raises:
            CompositionError: If this schedule is open-ended, or contains `"rest"`.
            ScheduleArgumentError: If `times` is not a whole number > 0.

        Example:
            >>> from paramgroups.schedules import Linear
            >>> Linear(2).repeat(2).values(6, base=1.0)
            array([1. , 0.5, 1. , 0.5, 0. , 0. ])
        """
        from paramgroups.schedules.timeline import Repeat

        return Repeat(self, times=times)

    def shift(self, steps: Duration) -> Schedule:
        """The schedule, started `steps` later.

            v(t) = self(max(t - steps, 0))

        Args:
            steps: How much later; its first value holds until then. A negative number starts in the middle.

        Raises:
            DurationError: If `steps` is neither a whole number nor a duration other than `"rest"`.

        Example:
            >>> from paramgroups.schedules import Linear
            >>> Linear(2).shift(1).values(4, base=1.0), Linear(2).shift(-1).values(2, base=1.0)
            (array([1. , 1. , 0.5, 0. ]), array([0.5, 0. ]))
        """
        from paramgroups.schedules.timeline import Shift

        return Shift(self, steps)

    def stretch(self, *, at: int, old: int, new: int) -> Schedule:
        """The schedule, its rest after step `at` made longer or shorter; it does not jump.

            v(t) = self(t) if t <= at else self(at + (t - at) * (old - at) / (new - at))

        Args:
            at: Until when it is left as it is, in whole steps >= 0.
            old: A later step, what was due at which ...
            new: ... is due at this one. After it, time goes on as before.

        Raises:
            ScheduleArgumentError: If they are not whole numbers in this order.
        """
        from paramgroups.schedules.timeline import Stretch

        return Stretch(self, at=at, old=old, new=new)

    # --- what a shape or an operator says of itself ----------------------------------------------------------------

    @abstractmethod
    def _line(self, times: Array, base: float) -> Line:
        """The line at each of `times`; where not affine, any line that has the value at `base`."""

    @property
    @abstractmethod
    def _open_ended(self) -> bool:
        """Whether there is no step from which the value holds."""

    @property
    @abstractmethod
    def _length(self) -> int:
        """The step from which the value holds, once durations are whole and if it is not open-ended."""

    def _children(self) -> tuple[Schedule, ...]:
        """The schedules it is made of."""
        return tuple(value for _, _, value in self._typed() if isinstance(value, Schedule))

    @property
    def _kinds(self) -> frozenset[type]:
        """Of which kinds the levels are, `float` for a factor, or `Absolute`, or both."""
        levels = frozenset(type(value) for _, kind, value in self._typed() if kind == "Level")
        return levels.union(*(child._kinds for child in self._children()))

    def _texts(self) -> Iterator[str]:
        """The durations that wait for a horizon."""
        yield from (value for _, kind, value in self._typed() if kind == "Duration" and isinstance(value, str))
        for child in self._children():
            yield from child._texts()

    def _resolve(self, horizon: Horizon, rest: int) -> Schedule:
        """`resolve`, where `rest` steps are left for whoever takes the rest."""
        whole: dict[str, object] = {}
        for name, kind, value in self._typed():
            if isinstance(value, Schedule):
                whole[name] = value._resolve(horizon, rest)
            elif kind == "Duration" and isinstance(value, str):
                whole[name] = rest if value == REST else horizon.steps_in(value, where=f"{type(self).__name__}.{name}")
        return replace(self, **whole)

    # --- parts of the above -----------------------------------------------------------------------------------------

    def _typed(self) -> Iterator[tuple[str, str, object]]:
        """Name, kind and value of each field that holds a level, a duration or a schedule."""
        for field in fields(self):
            value, kind = getattr(self, field.name), str(field.type).removesuffix(" | None")
            left_out = value is None and kind != field.type
            if kind in _READERS and not left_out:
                yield field.name, kind, value

    def _require_resolved(self) -> None:
        texts = list(dict.fromkeys(self._texts()))
        if texts:
            raise UnresolvedDurationError(repr(self), texts)

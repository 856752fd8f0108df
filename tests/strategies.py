"""Random values of the package's own types, for property tests."""

import math
import operator

from hypothesis import strategies as st

from paramgroups.schedules import (
    Absolute,
    Constant,
    Cosine,
    Exponential,
    Function,
    Horizon,
    InverseSqrt,
    Level,
    Linear,
    MultiStep,
    Piecewise,
    Plateau,
    Polynomial,
    Schedule,
    Warmup,
)

# --- schedules ------------------------------------------------------------------------------------------------------

HORIZON = Horizon(steps=1000, epochs=10, tokens=1e6)

factors = st.just(0.0) | st.floats(0.001, 4.0)
absolutes = factors.map(Absolute)
levels = factors | absolutes
bases = st.floats(0.001, 10.0)
counts = st.integers(0, 12)
texts = st.sampled_from(["0%", "1.25%", "10%", "0.5 epochs", "1 epoch", "2e4 tokens"])
times = st.lists(st.integers(0, 100) | st.floats(0.0, 100.0), min_size=1, max_size=20)


def halving(step: float) -> float:
    """A function for `Function`: importable, so that it pickles."""
    return math.pow(0.5, step / 16)


observations = st.lists(st.tuples(st.integers(0, 40), st.floats(-2.0, 2.0)), max_size=6).map(sorted).map(tuple)
plateaus = st.builds(
    Plateau, st.floats(0.1, 0.9), patience=st.integers(0, 2), cooldown=st.integers(0, 2), observed=observations
)


def shapes(level: st.SearchStrategy = levels, steps: st.SearchStrategy = counts, *, ended: bool = False):
    """Any one shape; with `ended`, one that is not open-ended. Never negative."""
    ends = {"start": level, "end": level}
    nonzero = level.filter(lambda drawn: drawn not in {0.0, Absolute(0.0)})
    always_factor = [st.builds(Warmup, steps)] if level is not absolutes else []
    moments = st.lists(steps, max_size=4).map(_in_order)
    metric_driven = [] if ended or level is absolutes else [plateaus]
    return st.one_of(
        *always_factor,
        *metric_driven,
        st.builds(Constant, level, steps if ended else st.none() | steps),
        st.builds(Linear, steps, **ends),
        st.builds(Cosine, steps, **ends),
        st.builds(Polynomial, steps, power=st.floats(0.25, 4.0) | st.just(2.0), **ends),
        st.builds(Exponential, steps, start=nonzero, end=nonzero),
        st.builds(MultiStep, moments, gamma=factors, start=level),
        st.builds(Piecewise, _points(moments, level), st.sampled_from(["linear", "constant"])),
        _functions(level, steps if ended else st.none() | steps),
        st.builds(InverseSqrt, st.integers(1, 20), level, steps=steps if ended else st.none() | steps),
    )


def schedules(level: st.SearchStrategy = levels):
    """Any composition of up to five shapes with whole durations. Never negative for a base > 0."""

    def combined(inner: st.SearchStrategy):
        ended = inner.filter(lambda schedule: schedule.length is not None)
        return st.one_of(
            st.builds(Schedule.then, ended, inner),
            st.builds(operator.mul, inner, shapes(factors)),
            st.builds(operator.mul, shapes(factors), inner),
            st.builds(operator.mul, factors, inner),
            st.builds(Schedule.clip, inner, level),
            st.builds(Schedule.clip, inner, st.none(), level),
            st.tuples(level, level)
            .filter(lambda bounds: type(bounds[0]) is type(bounds[1]))
            .flatmap(lambda bounds: st.builds(Schedule.clip, inner, *map(st.just, sorted(bounds, key=_number)))),
            st.builds(Schedule.repeat, ended, st.none() | st.integers(1, 4)),
            st.builds(Schedule.shift, inner, st.integers(-10, 10)),
            st.builds(_stretched, inner, st.integers(0, 12), st.integers(1, 12), st.integers(1, 12)),
        )

    return st.recursive(shapes(level), combined, max_leaves=5)


def chains_with_text(level: st.SearchStrategy = levels):
    """Chains of two to four shapes some of whose durations wait for `HORIZON`, one of them perhaps the rest."""
    part = shapes(level, counts | texts, ended=True)
    rest = st.builds(Cosine, st.just("rest"), end=level)
    parts = st.lists(part, min_size=2, max_size=3) | st.tuples(part, rest, part)
    return parts.map(lambda drawn: _chained(*drawn))


def _stretched(inner: Schedule, at: int, old: int, new: int) -> Schedule:
    return inner.stretch(at=at, old=at + old, new=at + new)


def _chained(first: Schedule, *others: Schedule) -> Schedule:
    for other in others:
        first = first.then(other)
    return first


def _functions(level: st.SearchStrategy, steps: st.SearchStrategy):
    kinds = {factors: st.just(False), absolutes: st.just(True)}
    return st.builds(Function, st.just(halving), absolute=kinds.get(level, st.booleans()), steps=steps)


def _points(moments: st.SearchStrategy, level: st.SearchStrategy):
    def with_levels(drawn: tuple[int | str, ...]):
        at = (0, *drawn)
        return st.lists(level, min_size=len(at), max_size=len(at)).map(
            lambda values: tuple(zip(at, values, strict=True))
        )

    return moments.flatmap(with_levels)


def _in_order(moments: list[int | str]) -> tuple[int | str, ...]:
    return tuple(sorted(moments, key=HORIZON.steps_in))


def _number(level: Level) -> float:
    return level.value if isinstance(level, Absolute) else level

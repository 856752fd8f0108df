"""Random values of the package's own types, for property tests."""

import math
import operator

from hypothesis import strategies as st

from paramgroups.schedules import (
    Absolute,
    Constant,
    Cooldown,
    Cosine,
    CosineRestarts,
    Cyclic,
    Derived,
    Exponential,
    Function,
    Horizon,
    InverseSqrt,
    Level,
    Linear,
    Logarithmic,
    MultiStep,
    Noise,
    OneCycle,
    Piecewise,
    Plateau,
    Polynomial,
    Schedule,
    Table,
    Tanh,
    Warmup,
    WarmupStableDecay,
)
from paramgroups.schedules.annealing import CURVES

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


some = st.integers(1, 4)
periods = st.integers(1, 20)
curves = st.sampled_from([*CURVES, Polynomial(1, power=3.0), Linear(7) * Linear(7)])
observations = st.lists(st.tuples(st.integers(0, 40), st.floats(-2.0, 2.0)), max_size=6).map(sorted).map(tuple)
plateaus = st.builds(
    Plateau, st.floats(0.1, 0.9), patience=st.integers(0, 2), cooldown=st.integers(0, 2), observed=observations
)


def shapes(level: st.SearchStrategy = levels, steps: st.SearchStrategy = counts, *, ended: bool = False):
    """Any one shape; with `ended`, one that is not open-ended. Never negative."""
    ends = {"start": level, "end": level}
    nonzero = level.filter(lambda drawn: drawn not in {0.0, Absolute(0.0)})
    lengths = steps if ended else st.none() | steps
    always_factor = [st.builds(Warmup, steps), _noises(lengths)] if level is not absolutes else []
    moments = st.lists(steps, max_size=4).map(_in_order)
    metric_driven = [] if ended or level is absolutes else [plateaus]
    return st.one_of(
        *always_factor,
        *metric_driven,
        st.builds(Constant, level, lengths),
        st.builds(Linear, steps, **ends),
        st.builds(Cosine, steps, **ends),
        st.builds(Polynomial, steps, power=st.floats(0.25, 4.0) | st.just(2.0), **ends),
        st.builds(Exponential, steps, start=nonzero, end=nonzero),
        st.builds(MultiStep, moments, gamma=factors, start=level),
        st.builds(Piecewise, _points(moments, level), st.sampled_from(["linear", "constant"])),
        _functions(level, lengths),
        st.builds(Logarithmic, steps, **ends),
        st.builds(Tanh, steps, lower=st.floats(-8.0, 0.0), upper=st.floats(1.0, 4.0), **ends),
        st.builds(InverseSqrt, periods, level, steps=lengths),
        st.builds(Cooldown, steps, curve=curves, **ends),
        _phased(level, steps),
        _cycles(level, some if ended else st.none() | some),
        _tables(level),
        _derived(level, ended=ended),
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


def _absolute(level: st.SearchStrategy):
    """Whether all of a schedule is in its own unit, where `level` decides it."""
    return {factors: st.just(False), absolutes: st.just(True)}.get(level, st.booleans())


def _functions(level: st.SearchStrategy, steps: st.SearchStrategy):
    return st.builds(Function, st.just(halving), absolute=_absolute(level), steps=steps)


def _tables(level: st.SearchStrategy):
    numbers = st.lists(factors, min_size=1, max_size=4)
    between = st.sampled_from(["linear", "constant"])
    return st.builds(Table, numbers, absolute=_absolute(level), every=periods, interpolation=between)


def _noises(steps: st.SearchStrategy):
    deviations = st.none() | st.floats(0.01, 2.0)
    return st.builds(Noise, st.floats(0.0, 1.0), std=deviations, seed=st.integers(0, 9), steps=steps)


def _phased(level: st.SearchStrategy, steps: st.SearchStrategy):
    """The shapes of several phases; the sum of its phases is how long one is."""

    def in_all(*parts: int | str) -> int:
        return sum(HORIZON.steps_in(part) for part in parts)

    return st.one_of(
        st.builds(
            OneCycle,
            steps,
            pct_start=st.floats(0.0, 0.5),
            curve=curves,
            three_phase=st.booleans(),
            start=level,
            peak=level,
            end=level,
        ),
        st.builds(
            lambda stable, warmup, cooldown, **options: WarmupStableDecay(
                in_all(stable, warmup, cooldown), warmup=warmup, cooldown=cooldown, **options
            ),
            *(steps, steps, steps),
            curve=curves,
            peak=level,
            end=level,
        ),
        st.builds(
            lambda before, cooldown, *scaled, **options: InverseSqrt(
                *scaled, steps=in_all(before, cooldown), cooldown=cooldown, **options
            ),
            *(steps, steps, periods, level),
            curve=curves,
            end=level,
        ),
    )


def _cycles(level: st.SearchStrategy, cycles: st.SearchStrategy):
    ratios = st.just(1.0) | st.floats(0.1, 1.0)
    return st.one_of(
        st.builds(
            CosineRestarts,
            periods,
            growth=st.sampled_from([1.0, 1.5, 2.0, 3.0]),
            decay=ratios,
            k_decay=st.floats(0.5, 2.0),
            cycles=cycles,
            start=level,
            end=level,
        ),
        st.builds(
            Cyclic,
            periods,
            st.none() | counts,
            start=level,
            peak=level,
            decay=ratios,
            gamma=ratios,
            scale=st.none() | st.builds(Linear, counts),
            cycles=cycles,
        ),
    )


def _derived(level: st.SearchStrategy, *, ended: bool):
    """From a curve that stays below its base, so that no level between two is negative."""
    up_to_one = st.sampled_from([Linear(8), Cosine(12, start=0.0, end=1.0), Warmup(3).then(Cosine(5)), Constant(0.5)])
    of = up_to_one.filter(lambda schedule: not ended or schedule.length is not None)
    return st.builds(Derived, of, power=st.sampled_from([0.5, 1.0, 2.0]), at_one=level, at_zero=level)


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

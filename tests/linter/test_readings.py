"""What a schedule of ours comes to as a curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import paramgroups as pg
from paramgroups.errors import UnresolvedDurationError
from paramgroups.linter.curves import Floor, Time
from paramgroups.linter.readings import curve_of, curves_of, is_flat, nodes
from paramgroups.schedules import Cyclic, Derived, Plateau, Table
from strategies import bases, schedules

RUN = Time(100)
STEPS = pg.schedules.MultiStep((10, 20))


def read(schedule, base=1.0, time=RUN, **options):
    """The curve of an lr in a run of 100 steps."""
    return curve_of(schedule, "lr", base, time, **options)


@given(schedules(), bases, st.integers(1, 200))
def test_the_samples_are_the_schedule_s_values(schedule, base, steps):
    """To the bit, in order, within the run, its first two and last two among them."""
    curve = read(schedule, base, Time(steps))
    assert curve.values.tolist() == schedule.values(curve.ticks, base).tolist()
    assert (np.diff(curve.ticks) > 0).all()
    assert {0, 1, steps - 1, steps} <= set(curve.ticks.tolist()) <= set(range(steps + 1))
    assert curve.last == (None if schedule.length is None else schedule(schedule.length, base))


def test_without_a_run_a_schedule_is_read_to_its_own_end():
    """One that has none, to the second step."""
    assert read(pg.Cosine(30), time=Time()).ticks[-1] == 30
    assert read(pg.schedules.InverseSqrt(30), time=Time()).ticks.tolist() == [0, 1]


def test_without_a_base_shares_of_it_are_values():
    """Levels of both kinds have none."""
    assert read(pg.Cosine(100), None).peak == 1.0
    assert read(pg.Constant(pg.Absolute(0.5)), None).peak == 0.5
    mixed = read(pg.Cosine(100, start=1e-6, end=pg.Absolute(0.1)), None)
    assert (mixed.values.size, mixed.small, mixed.length) == (0, (1e-6,), 100)


@given(schedules(), st.lists(bases, min_size=1, max_size=3))
def test_from_several_bases_it_is_as_from_each(schedule, several):
    """To the bit."""
    for curve, base in zip(curves_of(schedule, "lr", several, RUN), several, strict=True):
        alone = read(schedule, base)
        assert (curve.values.tolist(), curve.last, curve.base) == (alone.values.tolist(), alone.last, base)
        assert (curve.floors, curve.length) == (alone.floors, alone.length)
        assert curve.small == pytest.approx(alone.small)
        assert [join.share for join in curve.joins] == pytest.approx([join.share for join in alone.joins], abs=1e-9)


def test_a_curve_that_is_seen_in_part_is_not_called_small():
    """Its end, or that of the run, has to be known."""
    assert read(pg.Warmup(1000) * pg.schedules.InverseSqrt(1000), time=Time()).small == ()
    assert read(pg.Constant(0.009), time=Time()).small == ()


def test_durations_wait_for_a_horizon():
    """And do not wait in silence."""
    schedule = pg.Warmup("5%").then(pg.Cosine("rest"))
    assert read(schedule, horizon=pg.Horizon(100)).length == 100
    with pytest.raises(UnresolvedDurationError):
        read(schedule)


def test_each_part_has_the_tick_at_which_its_time_starts():
    """None inside what repeats, and where lengths are not whole yet."""
    inner = pg.Cosine(5)
    chain = pg.Warmup(10).then(STEPS.shift(3)).then(inner.repeat())
    assert list(nodes(0.5 * chain))[2:] == [
        (chain, 0),
        (pg.Warmup(10), 0),
        (STEPS.shift(3), 10),
        (STEPS, 13),
        (inner.repeat(), 33),
        (inner, None),
    ]
    waiting = pg.Warmup("5%").then(STEPS)
    assert [start for _, start in nodes(waiting)] == [0, None, None]
    assert [start for _, start in nodes(inner.stretch(at=1, old=2, new=3).clip(high=0.5))] == [0, 0, None]
    assert [type(node) for node, _ in nodes(Derived(inner))] == [Derived, pg.Cosine]
    assert list(nodes(STEPS.shift("5%"))) == [(STEPS.shift("5%"), 0), (STEPS, None)]


def test_milestones_are_those_of_the_run():
    """Counted from where their part starts; none where they come back."""
    assert read(pg.Warmup(10).then(STEPS)).milestones == ((20, 30),)
    assert read(STEPS * pg.schedules.MultiStep((7,))).milestones == ((10, 20), (7,))
    assert read(STEPS.repeat()).milestones == ((),)


@pytest.mark.parametrize(
    ("schedule", "flat"),
    [
        (pg.Constant(), True),
        (STEPS, True),
        (Plateau(), True),
        (pg.Piecewise({0: 1.0, 5: 0.5}, "constant"), True),
        (pg.Piecewise({0: 1.0, 5: 0.5}), False),
        (Table([1.0, 0.5], interpolation="constant"), True),
        (Table([1.0, 0.5]), False),
        (pg.Warmup(5), False),
    ],
)
def test_steps_are_flat_but_for_jumps(schedule, flat):
    """What is between them holds as long as need be."""
    assert is_flat(schedule) is flat


@pytest.mark.parametrize(
    ("schedule", "stepwise"),
    [
        (pg.Cosine(50).then(pg.Constant(0.5, steps=20)), True),
        (STEPS.then(pg.Cosine(5)), False),
        (STEPS * pg.Cosine(10), True),
        (STEPS * pg.Cosine(30), False),
        (STEPS.shift(5).clip(low=0.1), True),
        (pg.Cosine(5).repeat(2), False),
    ],
)
def test_it_ends_in_steps_if_its_last_part_does(schedule, stepwise):
    """Of two at once, the one that is over last."""
    assert read(schedule).stepwise is stepwise


@pytest.mark.parametrize(
    ("parts", "share"),
    [
        ((pg.Warmup(10), pg.Cosine(90)), 0.0),
        ((pg.Warmup(10), pg.Cosine(90, start=0.25)), 0.75),
        ((pg.Linear(10, end=0.5), pg.Linear(90, start=0.75)), None),
        ((pg.Linear(10, start=0.0, end=1.0), pg.Linear(90, start=0.75)), 0.25),
        ((pg.Linear(10, end=0.5), pg.Linear(90, start=1.5)), 2.0 / 3.0),
        ((pg.Constant(steps=10), pg.Constant(0.1)), None),
        ((pg.Constant(steps=10), pg.Cosine(10, start=0.5)), 0.5),
        ((pg.Warmup(0), pg.Cosine(10, start=0.5)), None),
    ],
)
def test_joins_are_where_parts_meet_unless_a_jump_there_is_on_purpose(parts, share):
    """One more cycle of the same shape, from no higher, or a change between constants; of no time, there is none."""
    joins = read(parts[0].then(parts[1])).joins
    assert [join.share for join in joins] == ([] if share is None else [pytest.approx(share)])
    assert all(join.tick == 10 for join in joins)


def test_a_join_in_a_product_is_one_too():
    """Wherever the chain is."""
    (join,) = read((pg.Warmup(10).then(pg.Cosine(90, start=0.5)) * pg.Cosine(100)).shift(5)).joins
    assert (join.tick, join.share) == (15, 0.5)


@pytest.mark.parametrize(
    ("schedule", "floors"),
    [
        (pg.Cosine(9, end=pg.Absolute(0.3)), [Floor(0.3, 2.0)]),
        (pg.Cosine(9, start=1.5, end=pg.Absolute(0.3)), [Floor(0.3, 3.0)]),
        (pg.Cosine(9).clip(low=pg.Absolute(0.3)), [Floor(0.3, 2.0)]),
        (Cyclic(9, start=pg.Absolute(0.3)), [Floor(0.3, 2.0)]),
        (pg.Linear(9, start=0.1, end=pg.Absolute(0.3)), []),
        (pg.Linear(9, start=pg.Absolute(0.4), end=pg.Absolute(0.3)), []),
        (pg.Linear(9, start=pg.Absolute(0.1), end=1.0), []),
        (pg.Cosine(9, end=0.3), []),
    ],
)
def test_a_floor_is_a_level_of_its_own_below_the_base(schedule, floors):
    """A warm-up to such a level is none, nor is one where all levels are such."""
    assert read(schedule, 2.0).floors == tuple(floors)


@pytest.mark.parametrize(
    ("schedule", "base", "small"),
    [
        (pg.Cosine(9, end=9e-5), 0.1, (9e-5,)),
        (pg.Cosine(9, end=1e-4), 0.1, ()),
        (pg.Cosine(9, end=0.0), 0.1, ()),
        (pg.Cosine(9, end=9e-5), 1.0, (9e-5,)),
        (pg.Cosine(9, end=9e-5), None, (9e-5,)),
        (pg.schedules.OneCycle(9), 0.1, ()),
        (pg.schedules.OneCycle(9, end=5e-6), 0.1, (5e-6,)),
        (pg.Piecewise({0: 1.0, 9: 1e-6}), 0.1, (1e-6,)),
        (Table([1.0, 1e-6]), 0.1, ()),
        (Table([3e-3, 1e-6]), 0.5, (3e-3,)),
        (pg.Constant(0.01), 0.1, ()),
        (pg.Constant(0.009), 0.1, (0.009,)),
        (pg.Constant(pg.Absolute(1e-6)), 0.1, ()),
        (pg.Constant(0.009), 0.0, (0.009,)),
        (pg.Warmup(10**6).then(pg.Cosine(9)), 0.1, ()),
    ],
)
def test_a_factor_is_small_where_it_is_written_so_or_none_is_larger(schedule, base, small):
    """What a shape has for a default nobody wrote."""
    assert read(schedule, base).small == pytest.approx(small)


@pytest.mark.parametrize(
    ("schedule", "percent"),
    [
        (pg.Warmup("10%").then(pg.Cosine("90%")), 100.0),
        (pg.Warmup("10%").then(pg.Cosine("100%")), 110.0),
        (pg.Warmup("10%").then(pg.Cosine("rest")), 0.0),
        (pg.Warmup(10).then(pg.Cosine("100%")), 100.0),
        (pg.Warmup("1 epoch").then(pg.Cosine("100%")), 100.0),
        (0.5 * pg.Constant(steps="60%").then(pg.Linear("50%")).repeat(1), 110.0),
        (pg.Cosine("100%"), 0.0),
        (pg.Warmup("10%").then(pg.schedules.InverseSqrt(9, steps=500, cooldown="20%")), 10.0),
    ],
)
def test_percentages_of_a_chain_are_added_up(schedule, percent):
    """Those of its parts, wherever the chain is; a rest cannot be too long, and what is no share is not counted."""
    assert read(schedule, horizon=pg.Horizon(1000, epochs=10)).percent == percent


def test_what_comes_back_and_what_a_metric_decides_is_told():
    """So that nobody takes it for a mistake."""
    assert read(pg.Warmup(5) * pg.Cosine(5).repeat()).coming_back
    assert read(pg.Warmup(5) * Plateau()).metric
    plain = read(pg.Warmup(5))
    assert (plain.coming_back, plain.metric) == (False, False)

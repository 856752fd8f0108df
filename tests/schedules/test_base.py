"""What holds for every schedule, whatever it is made of."""

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given

import strategies
from paramgroups import schedules
from paramgroups.errors import (
    CompositionError,
    MissingBaseError,
    ScheduleArgumentError,
    ScheduleError,
    UnresolvedDurationError,
)
from paramgroups.schedules import Absolute, Constant, Cosine, Exponential, Horizon, InverseSqrt, Linear, Warmup

NAMES = {**vars(schedules), "halving": strategies.halving}
MIXED = Cosine(4, end=Absolute(0.25))


@given(strategies.schedules(), strategies.times, strategies.bases)
def test_many_steps_and_one_step_agree_to_the_bit(schedule, times, base):
    """`values` at any steps is what a call gives at each."""
    assert schedule.values(times, base).tolist() == [schedule(time, base) for time in times]


@given(strategies.schedules(), strategies.bases)
def test_a_count_is_the_steps_below_it(schedule, base):
    """`values(n)` is `values` of 0 to n - 1."""
    assert schedule.values(40, base).tolist() == schedule.values(range(40), base).tolist()


@given(strategies.schedules(), strategies.times, strategies.bases)
def test_an_affine_schedule_is_its_line_to_the_bit(schedule, times, base):
    """`factor * base + offset` in plain floats is the value; what is not affine says so."""
    if not schedule.affine:
        with pytest.raises(CompositionError, match="no line in the base"):
            schedule.line(times)
        return
    factor, offset = schedule.line(times)
    assert factor.dtype == offset.dtype == np.float64
    by_hand = [f * base + o for f, o in zip(factor.tolist(), offset.tolist(), strict=True)]
    assert by_hand == schedule.values(times, base).tolist()


@given(strategies.schedules(), strategies.times, strategies.bases)
def test_values_are_finite_and_not_negative_where_levels_are_not(schedule, times, base):
    """No NaN, infinity or sign comes from any curve or operator."""
    values = schedule.values(times, base)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()
    assert (values >= 0.0).all()


@given(strategies.schedules(), strategies.bases)
def test_a_schedule_holds_from_its_length_on(schedule, base):
    """What `length` promises: nothing changes after it."""
    length = schedule.length
    assume(length is not None)
    assert len(set(schedule.values([length, length + 0.5, length + 1, length + 12, 1e7], base))) == 1


@given(strategies.schedules(strategies.factors), strategies.times, strategies.bases)
def test_a_pure_factor_scales_with_the_base(schedule, times, base):
    """Ratios between groups survive: twice the base is twice the value."""
    assert schedule.pure_factor
    assert not schedule.absolute
    assert schedule.affine
    twice = schedule.values(times, 2 * base) - 2 * schedule.values(times, base)
    assert (np.abs(twice) <= 4 * np.finfo(float).smallest_subnormal).all()  # 0, but where a double cannot be halved
    assert not schedule.line(times)[1].any()


@given(strategies.shapes(strategies.absolutes), strategies.times, strategies.bases)
def test_an_absolute_schedule_ignores_the_base(schedule, times, base):
    """With every level in its own unit no base is needed, and none matters."""
    assert schedule.absolute
    assert not schedule.pure_factor
    assert schedule.values(times).tolist() == schedule.values(times, base).tolist()
    assert not schedule.line(times)[0].any()


@given(strategies.schedules() | strategies.chains_with_text())
def test_the_repr_is_the_code_that_makes_it(schedule):
    """A printed schedule can be pasted."""
    assert eval(repr(schedule), NAMES) == schedule


@given(strategies.schedules() | strategies.chains_with_text())
def test_a_schedule_is_a_value(schedule):
    """It survives pickle, equal and with an equal hash, and cannot be changed."""
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule
    assert hash(copy) == hash(schedule)
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.steps = 3


@given(strategies.schedules())
def test_resolving_a_resolved_schedule_changes_nothing(schedule):
    """Whole durations need no horizon."""
    assert schedule.resolved
    assert schedule.resolve(Horizon(steps=7)) is schedule


@given(strategies.chains_with_text())
def test_resolving_once_is_enough(schedule):
    """After `resolve` every duration is whole, there is a value, and another horizon changes nothing."""
    resolved = schedule.resolve(strategies.HORIZON)
    assert resolved.resolved
    assert resolved.resolve(Horizon(steps=1)) is resolved
    assert len(resolved.values(10, 1.0)) == 10


@pytest.mark.parametrize(
    ("schedule", "code"),
    [
        (Cosine("rest", start=1.0, end=0.01), "Cosine('rest', end=0.01)"),
        (Cosine(10, end=Absolute(1)), "Cosine(10, end=Absolute(1.0))"),
        (Constant(), "Constant()"),
        (Constant(1, 5), "Constant(steps=5)"),
        (Constant(np.float32(0.5), np.int64(5)), "Constant(0.5, steps=5)"),
        (0.5 * Cosine(10), "0.5 * Cosine(10)"),
        (Cosine(10) * np.float64(0.5), "0.5 * Cosine(10)"),
        (np.float64(0.5) * Cosine(10), "0.5 * Cosine(10)"),
        (Warmup(2) * Cosine(10) * 2, "2.0 * (Warmup(2) * Cosine(10))"),
        ((Warmup(2) * Cosine(10)).then(Linear(3)).clip(0.1), "(Warmup(2) * Cosine(10)).then(Linear(3)).clip(low=0.1)"),
        (
            Linear(3).repeat().clip(high=Absolute(1)).shift("5%"),
            "Linear(3).repeat().clip(high=Absolute(1.0)).shift('5%')",
        ),
        (Linear(3).repeat(2).then(Linear(4).then(Linear(5))), "Linear(3).repeat(2).then(Linear(4)).then(Linear(5))"),
    ],
)
def test_code_is_printed_as_a_person_writes_it(schedule, code):
    """Defaults are left out, numbers are plain floats, operators are operators."""
    assert repr(schedule) == code


@pytest.mark.parametrize(
    "steps", [[0.5, 2], (0, 1), range(3), np.arange(3), np.arange(6)[::2], np.array([1.5], np.float32), []]
)
def test_steps_are_any_sequence_of_numbers(steps):
    """Lists, ranges, strided and narrow arrays all give one float64 a step."""
    assert Linear(4).values(steps, 1.0).tolist() == [1 - min(time, 4) / 4 for time in np.asarray(steps).tolist()]


@pytest.mark.parametrize(("step", "base"), [(1, 0.5), (1.0, 0.5), (np.int64(1), np.float32(0.5))])
def test_a_call_gives_a_plain_float(step, base):
    """What comes out can be written into a param group or to JSON."""
    value = Linear(4)(step, base)
    assert type(value) is float
    assert value == 0.375


def test_values_can_be_written_to():
    """The arrays are the caller's own, even where one number was broadcast."""
    for array in (Constant(0.5).values(3, 1.0), *Constant(0.5).line(3)):
        array[0] = 7.0
        assert array.tolist()[1:] in ([0.5, 0.5], [0.0, 0.0])


def test_length_is_none_for_what_never_ends():
    """Open-ended schedules say so, even while a duration waits for its horizon."""
    assert InverseSqrt("5%").length is None
    assert (Linear(3) * Constant(0.5)).length is None
    assert (0.5 * Linear(3)).length == 3
    assert Linear(3).then(Constant()).length is None


@pytest.mark.parametrize("step", [-1, -0.001, float("nan"), float("inf"), True, "3", 1j, None, [1]])
def test_a_step_that_is_no_moment_is_an_error(step):
    """Time is a finite number >= 0."""
    with pytest.raises(ScheduleArgumentError, match=r"in Linear\(4\) cannot be used"):
        Linear(4)(step, 1.0)


@pytest.mark.parametrize("steps", [-1, True, 2.5, "3", [[1]], [None], None, 10**30 * np.ones(1, dtype=object)])
def test_steps_that_are_no_moments_are_an_error(steps):
    """A count is a whole number; anything else has one dimension of numbers."""
    with pytest.raises(ScheduleArgumentError, match="one dimension, or how many steps"):
        Linear(4).values(steps, 1.0)


@pytest.mark.parametrize("base", [float("nan"), float("inf"), True, "0.1", 1j])
def test_a_base_that_is_no_number_is_an_error(base):
    """A base is checked as a level is."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Linear(4)(1, base)
    assert str(caught.value) == f"base = {base!r} in Linear(4) cannot be used.\nIt must be a finite number."


def test_a_missing_base_is_explained():
    """A factor taken for an lr is the classic accident."""
    with pytest.raises(MissingBaseError) as caught:
        MIXED(1)
    assert isinstance(caught.value, (TypeError, ScheduleError))
    assert str(caught.value) == (
        "Cosine(4, end=Absolute(0.25)) gives factors of a base (a group's own lr, say), and no base was given.\n"
        "Give it, schedule(step, base=3e-4), or write every level in its own unit, Absolute(3e-4)."
    )


@pytest.mark.parametrize(
    "use", [lambda s: s(0, 1.0), lambda s: s.values(3, 1.0), lambda s: s.line(3), lambda s: s.length]
)
def test_an_unresolved_schedule_says_what_it_waits_for(use):
    """Every way to ask for a number gives the same explanation."""
    with pytest.raises(UnresolvedDurationError) as caught:
        use(Warmup("5%").then(Cosine("rest")).then(Linear("5%")))
    assert str(caught.value) == (
        "Warmup('5%').then(Cosine('rest')).then(Linear('5%')) does not know yet how many steps '5%', 'rest' is.\n"
        "Say how long the run is: Scheduler(..., horizon=Horizon(steps=...)), or schedule.resolve(Horizon(steps=...))."
    )


def test_what_is_not_affine_says_how_to_evaluate_it():
    """The message names the schedule, the reason and the other method."""
    with pytest.raises(CompositionError) as caught:
        Exponential(4, end=Absolute(0.1)).line(3)
    assert str(caught.value) == (
        "Exponential(4, end=Absolute(0.1)): "
        "its values are no line in the base, as it mixes factors and Absolute levels.\n"
        "Evaluate it once for each base: schedule.values(steps, base)."
    )


@pytest.mark.parametrize("other", ["2", None, Absolute(2.0), np.ones(2)], ids=repr)
def test_what_is_neither_a_schedule_nor_a_number_does_not_multiply(other):
    """Python's own error tells the two types."""
    with pytest.raises(TypeError, match="'Linear'"):
        Linear(4) * other
    with pytest.raises(TypeError, match="'Linear'"):
        other * Linear(4)


def test_errors_of_schedules_pickle():
    """A worker process can hand them back."""
    error = MissingBaseError("Linear(4)")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_schedules_do_not_need_torch():
    """Curves can be computed and plotted where torch is not installed."""
    code = "import sys; sys.modules['torch'] = None; from paramgroups.schedules import Linear; print(Linear(4)(1, 1.0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0.75\n"

"""torch's schedulers that are made of others, held against torch."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import goldens
import torch_schedulers
from paramgroups.errors import CompositionError, ScheduleArgumentError
from paramgroups.schedules import Absolute, Constant, Cosine, Exponential, Horizon, Linear, Plateau, Warmup
from paramgroups.schedules.dialects import torch as dialect
from paramgroups.schedules.dialects.torch import ChainedScheduler, SequentialLR

PARTS = st.sampled_from(torch_schedulers.described())
CASES = goldens.cases("torch", "SequentialLR", "ChainedScheduler")
SWA = dialect.SWALR(0.01, anneal_epochs=3)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_values_are_torch_s(case):
    """At every step of the run, and 20 % beyond, or up to where torch raises."""
    assert case.difference() <= goldens.RELATIVE


def test_both_are_held_in_many_ways():
    """Each in at least thirty, nested in one another too."""
    for call in ("SequentialLR", "ChainedScheduler"):
        nested = [case for case in goldens.cases("torch", call) if str(case).count("'schedulers'") > 0]
        assert len(goldens.cases("torch", call)) >= 30
        assert len(nested) >= 5


@settings(max_examples=40, deadline=None)
@given(torch_schedulers.composed(PARTS), st.floats(0.01, 1.0))
def test_whatever_is_put_together_has_torch_s_values(description, base):
    """Any of torch's schedulers, in sequence and at once, the one in the other: stepped beside torch's own.

    To nine digits: torch's product of ratios loses more than one of them where a cosine passes its minimum.
    """
    theirs = list(torch_schedulers.values(description, 40, base))
    ours = torch_schedulers.ours(description).values(len(theirs), base).tolist()
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(st.lists(PARTS.map(torch_schedulers.ours), min_size=1, max_size=3), st.data())
def test_what_is_native_is_what_a_replay_gives(parts, data):
    """The native chain and product are used only where torch's schedulers do not lean on each other."""
    milestones = sorted(data.draw(st.lists(st.integers(0, 20), min_size=len(parts) - 1, max_size=len(parts) - 1)))
    for schedule in (SequentialLR(parts, milestones), ChainedScheduler(parts)):
        if schedule._native is not None:
            replayed = [
                line.factor * 0.5 + line.offset for _, line in zip(range(40), schedule._replayed(), strict=False)
            ]
            assert schedule.values(40, 0.5).tolist() == pytest.approx(replayed, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("schedule", "native"),
    [
        (SequentialLR([Warmup(4), Cosine(9)], [4]), True),
        (SequentialLR([dialect.LinearLR(), dialect.CosineAnnealingLR(9, 0.1)], [5]), True),
        (SequentialLR([SWA, Cosine(9)], [5]), True),
        (SequentialLR([Cosine(9), SWA], [5]), False),
        (SequentialLR([Cosine(9), dialect.MultiplicativeLR(abs)], [5]), False),
        (SequentialLR([Cosine(9), dialect.OneCycleLR(1.0, 10)], [5]), False),
        (SequentialLR([dialect.OneCycleLR(1.0, 10)], []), True),
        (SequentialLR([ChainedScheduler([Warmup(4)]), Cosine(9)], [5]), False),
        (ChainedScheduler([Warmup(4), Cosine(9)]), True),
        (ChainedScheduler([dialect.ConstantLR(), dialect.ExponentialLR(0.9), dialect.PolynomialLR()]), True),
        (ChainedScheduler([dialect.CosineAnnealingLR(9)]), True),
        (ChainedScheduler([Warmup(4), dialect.CosineAnnealingLR(9)]), False),
        (ChainedScheduler([Warmup(4), Cosine(9, end=Absolute(0.1))]), False),
        (ChainedScheduler([Warmup(4), dialect.LambdaLR(abs)]), False),
    ],
    ids=repr,
)
def test_it_is_native_where_parts_do_not_lean_on_each_other(schedule, native):
    """Where there is one, the native schedule does the work at any step in no time."""
    assert (schedule._native is not None) is native


def test_a_floor_is_in_no_product():
    """`ConstantLR(.5)` chained with a cosine of `eta_min=.02` gives .0493 at step 1, where the product is .0490."""
    parts = [dialect.ConstantLR(0.5, 5), dialect.CosineAnnealingLR(10, eta_min=0.02)]
    assert round(ChainedScheduler(parts)(1, base=0.1), 4) == 0.0493
    assert round((parts[0] * parts[1])(1, base=0.1), 4) == 0.0490


def test_its_parts_are_schedules_like_any_others():
    """They are resolved with it, and its length is theirs."""
    sequence = SequentialLR([Warmup("10%"), Linear("50%", end=0.5)], [100])
    assert not sequence.resolved
    assert sequence.resolve(Horizon(steps=1000)) == SequentialLR([Warmup(100), Linear(500, end=0.5)], [100])
    assert sequence.resolve(Horizon(steps=1000)).length == 600
    assert ChainedScheduler([Warmup(4), Cosine(9)]).length == 9
    assert SequentialLR([Warmup(4), Constant()], [4]).length is None
    assert SequentialLR([Warmup(4), Constant()], [4]) == SequentialLR((Warmup(4), Constant()), (4,))


IS_COMPOSED = (
    "dialects.torch.ChainedScheduler((Warmup(3),)): it is composed, and not the first, so torch's SequentialLR raises "
    "at its milestone.\nPut them together natively: a.then(b)."
)
HAS_A_METRIC = (
    "Plateau(): ChainedScheduler knows steps and no metrics, as torch's does not take a ReduceLROnPlateau.\n"
    "Multiply the whole by the Plateau: schedule * Plateau()."
)
IS_NO_LINE = (
    "Exponential(3, end=Absolute(0.1)): ChainedScheduler needs a line in the base here, and it mixes factors and "
    "Absolute levels.\nPut them together natively: a.then(b), or a * b."
)
MISTAKES: list[tuple[Any, Any, str]] = [
    ([], None, "schedulers = [] in ChainedScheduler cannot be used.\nIt must be at least one schedule."),
    (Warmup(3), None, "schedulers = Warmup(3) in ChainedScheduler cannot be used.\nIt must be a list, or another"),
    (
        [Warmup(3), 0.5],
        [3],
        "schedulers = 0.5 in SequentialLR cannot be used.\nIt must be a schedule; a fixed level is",
    ),
    (
        [Warmup(3)],
        [3],
        "milestones = [3] in SequentialLR cannot be used.\nIt must be 0 steps, one fewer than schedulers",
    ),
    (
        [Warmup(3)] * 3,
        [5, 4],
        "milestones = [5, 4] in SequentialLR cannot be used.\nIt must be steps in increasing order",
    ),
    ([Warmup(3)] * 2, 3, "milestones = 3 in SequentialLR cannot be used"),
    ([Warmup(3)] * 2, [0.5], "milestones = 0.5 in SequentialLR cannot be used.\nIt must be a whole number >= 0."),
    ([Warmup(3), ChainedScheduler([Warmup(3)])], [3], IS_COMPOSED),
    ([Warmup(3), Plateau()], None, HAS_A_METRIC),
    ([Warmup(3), Exponential(3, end=Absolute(0.1))], None, IS_NO_LINE),
]


@pytest.mark.parametrize(("parts", "milestones", "message"), MISTAKES)
def test_what_cannot_be_put_together_is_explained(parts, milestones, message):
    """With what to write instead."""
    with pytest.raises((ScheduleArgumentError, CompositionError)) as caught:
        _ = ChainedScheduler(parts) if milestones is None else SequentialLR(parts, milestones)
    assert str(caught.value).startswith(message)

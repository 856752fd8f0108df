"""Which trainings a run is made of, told by a trainer that only writes down what it is asked for."""

from dataclasses import replace

import pytest

import paramgroups as pg
from paramgroups.train.job import CONSTANT
from paramgroups.train.report import Choice
from paramgroups.train.study import study


@pytest.fixture
def run(job):
    """Does the study with given scores (0.5 where none), and returns the outcome and the legs by their names."""

    def study_with(scores=None, **changes):
        legs = {}

        def train(leg):
            legs[leg.name] = leg
            return (scores or {}).get(leg.name, 0.5)

        return study(replace(job, **changes), 7, train), legs

    return study_with


def test_the_order_is_pretraining_baseline_plan(run):
    """The plan comes last, so that its model is in the checkpoint at the end."""
    assert list(run()[1]) == [
        "seed 7: pretraining",
        "seed 7: baseline, lr 0.01",
        "seed 7: baseline, lr 0.1",
        "seed 7: baseline",
        "seed 7: plan, lr 0.01",
        "seed 7: plan, lr 0.1",
        "seed 7: plan",
    ]


def test_both_sides_are_on_equal_terms(run, job):
    """The same start, seed, budget, examples and grid; only plan and schedules differ."""
    legs = run()[1]
    for end in ("", ", lr 0.01", ", lr 0.1"):
        plan, baseline = legs[f"seed 7: plan{end}"], legs[f"seed 7: baseline{end}"]
        assert plan.start == baseline.start == "seed 7: pretraining"
        assert plan.seed == baseline.seed == 7
        assert plan.span == baseline.span == job.span
        assert plan.judge.targets.tolist() == baseline.judge.targets.tolist()
        assert plan.learn.targets.tolist() == baseline.learn.targets.tolist()
        assert plan.plan.defaults == baseline.plan.defaults
        assert (plan.plan.rules, baseline.plan.rules) == (job.plan.rules, ())
        assert (plan.schedules, baseline.schedules) == (job.schedules, CONSTANT)


def test_each_side_chooses_its_own_lr_by_the_validation_examples(run, job):
    """And the chosen one learns from them too, and is judged by the test, which chose nothing."""
    scores = {
        "seed 7: plan, lr 0.1": 0.9,
        "seed 7: plan": 0.8,
        "seed 7: baseline, lr 0.01": 0.7,
        "seed 7: baseline": 0.6,
    }
    outcome, legs = run(scores)
    assert outcome.plan == Choice(0.1, 0.8)
    assert outcome.baseline == Choice(0.01, 0.6)
    assert legs["seed 7: plan"].plan.defaults["lr"] == 0.1
    assert legs["seed 7: plan, lr 0.1"].judge is job.data.validation
    assert legs["seed 7: plan"].judge is job.data.test
    assert len(legs["seed 7: plan"].learn) == len(job.data.train) + len(job.data.validation)


def test_the_first_of_equals_is_chosen(run):
    """So that the result does not depend on chance."""
    assert run()[0].plan.lr == 0.01


def test_pretraining_is_one_group_on_its_classes_only(run):
    """Its model is what the others start from."""
    leg = run()[1]["seed 7: pretraining"]
    assert set(leg.learn.targets.tolist()) == set(leg.judge.targets.tolist()) == {0, 1}
    assert leg.plan == pg.Plan(lr=0.01, weight_decay=0.1)
    assert leg.start is None


def test_only_the_plan_s_last_training_is_recorded(run):
    """The others would only be noise in the metrics."""
    legs = run()[1]
    assert [name for name, leg in legs.items() if leg.recorded] == ["seed 7: plan"]
    assert [name for name, leg in legs.items() if leg.final] == ["seed 7: baseline", "seed 7: plan"]
    assert [name for name, leg in legs.items() if leg.kept] == ["seed 7: pretraining"]


def test_without_a_grid_the_plan_is_trained_alone_at_its_own_lr(run, job):
    """And without pretraining from fresh weights."""
    outcome, legs = run(grid=(), pretraining=None)
    assert list(legs) == ["seed 7: plan"]
    assert legs["seed 7: plan"].plan == job.plan
    assert legs["seed 7: plan"].start is None
    assert (outcome.plan, outcome.baseline) == (Choice(0.01, 0.5), None)


def test_a_plan_without_an_lr_leaves_it_to_the_optimizer(run):
    """The report then has no number for it."""
    assert run(grid=(), plan=pg.Plan(weight_decay=0.1))[0].plan.lr is None

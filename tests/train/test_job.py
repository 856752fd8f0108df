"""What a run is."""

from dataclasses import replace

import paramgroups as pg
from paramgroups.train.batches import Batches
from paramgroups.train.job import Span, one_group, with_lr

BATCHES = Batches(count=100, size=8, seed=0)  # 12 an epoch


def test_a_span_is_the_same_in_every_unit():
    """Epochs are those of whole batches, samples those that are seen."""
    assert Span(epochs=3).horizon(BATCHES) == pg.Horizon(36, epochs=3.0, samples=288)
    assert Span(steps=18).horizon(BATCHES) == pg.Horizon(18, epochs=1.5, samples=144)


def test_a_span_has_at_least_one_step():
    """A hundredth of an epoch is an update."""
    assert Span(epochs=0.01).horizon(BATCHES).steps == 1


def test_a_job_lasts_as_long_as_its_last_training(job):
    """Which learns from all but the test's 30 examples, 11 batches an epoch."""
    assert job.horizon().steps == 22
    assert replace(job, span=Span(steps=5)).horizon().steps == 5


def test_the_plan_and_the_baseline_differ_in_the_rules_only():
    """Both take the lr that is tried, and keep the other defaults."""
    rule = pg.Rule("head.*", lr=pg.Times(10))
    plan = pg.Plan(rule, lr=0.1, weight_decay=0.5)
    assert with_lr(plan, 0.2) == pg.Plan(rule, lr=0.2, weight_decay=0.5)
    assert one_group(plan, 0.2) == pg.Plan(lr=0.2, weight_decay=0.5)

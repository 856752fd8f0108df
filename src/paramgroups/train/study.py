"""Which trainings a run is made of, in which order, and what is chosen between them.

Knows what is compared with what, on equal terms; how a training is done is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, final

from paramgroups.claims import Schedules
from paramgroups.plan import Plan
from paramgroups.train.job import CONSTANT, Job, Leg, Pretraining, Span, one_group, with_lr
from paramgroups.train.report import Choice, Outcome

Train: TypeAlias = Callable[[Leg], float]
"""Does a training, and says with what share of right answers."""


@final
@dataclass(frozen=True)
class Side:
    """One of the two that are compared."""

    title: str
    plan_at: Callable[[Plan, float], Plan]
    schedules: Schedules
    recorded: bool = False


def study(job: Job, seed: int, train: Train) -> Outcome:
    """Train by the plan, and by one group at a constant lr, and see how both do on the test's examples.

    Both start from the same pretrained model, have the same budget, and choose their lr from the same grid by the
    validation examples; the chosen one then learns from these too.
    """
    start = None
    if job.pretraining is not None:
        first = pretraining(job, job.pretraining, seed)
        train(first)
        start = first.name
    baseline = _best(job, seed, Side("baseline", one_group, CONSTANT), start, train) if job.grid else None
    plan = _best(job, seed, Side("plan", with_lr, job.schedules, recorded=True), start, train)
    return Outcome(seed, plan, baseline)


def pretraining(job: Job, given: Pretraining, seed: int) -> Leg:
    """What comes first, judged by how well it knows its own classes."""
    return Leg(
        name=f"seed {seed}: pretraining",
        plan=one_group(job.plan, given.lr),
        schedules=CONSTANT,
        learn=job.data.train.of(given.classes),
        judge=job.data.validation.of(given.classes),
        span=Span(epochs=given.epochs),
        seed=seed,
        kept=True,
    )


def _best(job: Job, seed: int, side: Side, start: str | None, train: Train) -> Choice:
    """The result at the lr that does best on the validation examples; the first of equals."""
    data = job.data
    leg = Leg(
        name=f"seed {seed}: {side.title}",
        plan=job.plan,
        schedules=side.schedules,
        learn=data.train,
        judge=data.validation,
        span=job.span,
        seed=seed,
        start=start,
    )
    scores = {
        lr: train(replace(leg, name=f"{leg.name}, lr {lr!r}", plan=side.plan_at(job.plan, lr))) for lr in job.grid
    }
    best = max(scores, key=scores.__getitem__, default=None)
    plan = job.plan if best is None else side.plan_at(job.plan, best)
    every = data.train + data.validation
    last = replace(leg, plan=plan, learn=every, judge=data.test, final=True, recorded=side.recorded)
    return Choice(plan.defaults.get("lr"), train(last))

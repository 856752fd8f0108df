"""The laws of the scheduler under every kind of event, in any order."""

import copy
import functools
import json
from collections import Counter

import pytest
import torch
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from torch import nn

import paramgroups as pg
import strategies
from paramgroups.schedules import Plateau
from runs import PLAN, live, model

TRANSITIONS: Counter[tuple[str, str]] = Counter()


def happens(*args, **kwargs):
    """A rule of the state machine, whose turns are counted."""

    def counted(function):
        @functools.wraps(function)
        def turn(self, *drawn, **named):
            TRANSITIONS[self.before, function.__name__] += 1
            self.before = function.__name__
            return function(self, *drawn, **named)

        return rule(*args, **kwargs)(turn)

    return counted


some_groups = st.sampled_from(["default", "head", "*"])


class Run(RuleBasedStateMachine):
    """Whatever happens, the groups hold what `preview` says, and a resumed run holds the same."""

    @initialize(schedule=strategies.schedules())
    def start(self, schedule):
        """A fresh run under any schedule."""
        assume("observed" not in repr(schedule))  # at steps that are yet to come
        self.schedule, self.added, self.past, self.before = schedule, 0, [], "start"
        self.optimizer, self.scheduler = self.fresh()

    def fresh(self):
        """The run as its script would set it up again."""
        optimizer = PLAN.build(model(), torch.optim.SGD, fused=True)
        schedules = {"lr": self.schedule, "weight_decay": pg.Linear("100%", end=2.0) * Plateau(patience=0)}
        scheduler = pg.Scheduler(optimizer, horizon=pg.Horizon(steps=1000), **schedules)
        for number in range(self.added):
            self.add_group_to(optimizer, number)
        return optimizer, scheduler

    def add_group_to(self, optimizer, number):
        """One more group, its parameter without a name."""
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))], "lr": 0.5, "name": f"added{number}"})

    @happens(steps=st.integers(1, 5))
    def step(self, steps):
        self.lives(steps)

    def lives(self, steps):
        """So many real updates; what stood in the groups at each is remembered."""
        for _ in range(steps):
            self.past.append(live(self.optimizer))
            self.optimizer.step()

    @happens()
    def skip(self):
        """A step that a GradScaler tells a fused optimizer to skip."""
        self.optimizer.found_inf = torch.tensor(1.0)
        self.optimizer.step()
        del self.optimizer.found_inf

    @happens()
    def accumulate(self):
        self.optimizer.zero_grad()
        self.scheduler.step()

    @happens(group=st.sampled_from([0, 1]), value=st.floats(0.0, 3.0))
    def edit(self, group, value):
        self.optimizer.param_groups[group]["lr"] = value

    @happens(group=some_groups, value=st.floats(0.0, 3.0), steps=st.none() | st.integers(1, 6))
    def override(self, group, value, steps):
        self.scheduler.override(group, lr=value, steps=steps)

    @happens(group=some_groups, scale=st.floats(0.1, 2.0), steps=st.integers(1, 6))
    def scale(self, group, scale, steps):
        self.scheduler.override(group, scale={"lr": scale}, steps=steps)

    @happens(group=some_groups)
    def release(self, group):
        self.scheduler.release(group)

    @happens(group=some_groups)
    def restart(self, group):
        self.scheduler.restart(group)

    @happens(group=st.sampled_from(["default", "head"]), value=st.floats(0.0, 3.0))
    def rebase(self, group, value):
        self.scheduler.rebase(group, weight_decay=value)

    @happens(metric=st.floats(-1.0, 1.0))
    def observe(self, metric):
        self.scheduler.observe(metric)

    @happens(group=st.sampled_from(["default", "head"]), tail=strategies.shapes(strategies.factors))
    def reschedule(self, group, tail):
        assume(tail.closed_form)  # what no file may hold, no journal can
        assume("observed" not in repr(tail))  # at steps that are yet to come
        self.scheduler.reschedule(group, lr=tail)

    @happens(more=st.integers(1, 20))
    def lengthen(self, more):
        self.scheduler.reschedule(horizon=pg.Horizon(steps=self.scheduler.horizon.steps + more))

    @precondition(lambda self: self.added < 3)
    @happens()
    def add_group(self):
        self.add_group_to(self.optimizer, self.added)
        self.added += 1

    @happens()
    def reorder(self):
        """Resuming goes by the order of a fresh run, so it is put back."""
        self.optimizer.param_groups.reverse()
        self.scheduler.values()
        self.optimizer.param_groups.reverse()

    @happens()
    def reload(self):
        self.optimizer.load_state_dict(self.optimizer.state_dict())

    @happens()
    def copy(self):
        self.optimizer, self.scheduler = copy.deepcopy((self.optimizer, self.scheduler))

    @happens(optimizer_first=st.booleans())
    def resume(self, optimizer_first):
        states = copy.deepcopy(self.optimizer.state_dict()), json.loads(json.dumps(self.scheduler.state_dict()))
        self.optimizer, self.scheduler = self.fresh()
        loads = [lambda: self.optimizer.load_state_dict(states[0]), lambda: self.scheduler.load_state_dict(states[1])]
        for load in loads if optimizer_first else reversed(loads):
            load()

    @invariant()
    def the_groups_hold_what_preview_says(self):
        """At every moment, and the past as it was lived."""
        k = self.scheduler.last_epoch
        assert k == len(self.past)
        foretold = self.scheduler.preview(k + 1)
        assert live(self.optimizer) == {name: curve[k] for name, curve in foretold.items()}
        for step, lived in enumerate(self.past):
            if lived is not None:
                assert lived == {name: foretold[name][step] for name in lived}


@pytest.mark.filterwarnings("ignore::paramgroups.scheduler.EditWarning")  # random edits are as wild as they come
@pytest.mark.parametrize(
    ("runs", "rules"), [(30, 15), pytest.param(2000, 30, marks=pytest.mark.slow)], ids=["quick", "slow"]
)
def test_the_laws_hold_whatever_happens(runs, rules, capsys):
    """Every kind of event in any order; the coverage of pairs of events is printed."""
    TRANSITIONS.clear()
    run_state_machine_as_test(Run, settings=settings(max_examples=runs, stateful_step_count=rules, deadline=None))
    events = {name for pair in TRANSITIONS for name in pair} - {"start"}
    seen = [pair for pair in TRANSITIONS if "start" not in pair]
    with capsys.disabled():
        print(  # noqa: T201  # the figure is asked for
            f"\n{sum(TRANSITIONS.values()):,} events; {len(seen)} of {len(events) ** 2} ordered pairs of them seen"
        )
    assert len(events) == 17

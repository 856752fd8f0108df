"""The laws of the scheduler under every kind of event, in any order."""

import contextlib
import copy
import functools
import json
import math
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
from paramgroups.errors import HyperparameterValueError, UndefinedValueError
from paramgroups.journal import Thaw
from paramgroups.schedules import Plateau
from runs import PLAN, live, model

EVENTS: list[str] = []
TRANSITIONS: Counter[tuple[str, str]] = Counter()


def happens(*args, **kwargs):
    """A rule of the state machine, whose turns are counted."""

    def counted(function):
        EVENTS.append(function.__name__)

        @functools.wraps(function)
        def turn(self, *drawn, **named):
            TRANSITIONS[self.before, function.__name__] += 1
            self.before = function.__name__
            return function(self, *drawn, **named)

        return rule(*args, **kwargs)(turn)

    return counted


def keeps_the_future(function):
    """A turn after which `preview` says what it said before it, to the bit, of the past and of the next 80 updates."""

    @functools.wraps(function)
    def turn(self, **drawn):
        expected = self.foretold()
        function(self, **drawn)
        assert self.foretold() == expected

    return turn


some_groups = st.sampled_from(["default", "head", "*"])
driven = st.sampled_from(["lr", "weight_decay"])
metrics = st.floats(-1.0, 1.0) | st.sampled_from([math.nan, math.inf, -math.inf])


class Run(RuleBasedStateMachine):
    """Whatever happens, the groups hold what `preview` says, and a resumed run holds the same."""

    @initialize(schedule=strategies.schedules())
    def start(self, schedule):
        """A fresh run under any schedule."""
        assume("reductions" not in repr(schedule))  # at steps that are yet to come
        self.schedule, self.added, self.past, self.before = schedule, [], [], "start"
        self.optimizer, self.scheduler = self.fresh()

    def fresh(self):
        """The run as its script would set it up again."""
        optimizer = PLAN.build(model(), torch.optim.SGD, fused=True)
        schedules = {"lr": self.schedule, "weight_decay": pg.Linear("100%", end=2.0) * Plateau(patience=0)}
        scheduler = pg.Scheduler(optimizer, horizon=pg.Horizon(steps=1000), **schedules)
        for number in self.added:
            self.add_group_to(optimizer, number)
        return optimizer, scheduler

    def add_group_to(self, optimizer, number):
        """One more group, its parameter without a name."""
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))], "lr": 0.5, "name": f"added{number}"})

    def foretold(self, ahead=80):
        """What `preview` says of every update so far and some more."""
        return {name: curve.tolist() for name, curve in self.scheduler.preview(len(self.past) + ahead).items()}

    @contextlib.contextmanager
    def all_or_nothing(self):
        """What is refused changes nothing: factors of a curve that is at 0, a geometric curve to or from 0."""
        expected = self.foretold()
        try:
            yield
        except (HyperparameterValueError, UndefinedValueError):
            assert self.foretold() == expected

    @happens(steps=st.integers(1, 5))
    def step(self, steps):
        self.lives(steps)

    def lives(self, steps):
        """So many real updates; what stood in the groups at each is remembered."""
        for _ in range(steps):
            self.past.append(live(self.optimizer))
            self.optimizer.step()

    @happens()
    @keeps_the_future
    def skip(self):
        """A step that a GradScaler tells a fused optimizer to skip."""
        self.optimizer.found_inf = torch.tensor(1.0)
        self.optimizer.step()
        del self.optimizer.found_inf

    @happens()
    @keeps_the_future
    def accumulate(self):
        self.optimizer.zero_grad()
        self.scheduler.step()

    @happens(index=st.integers(0, 4), path=driven, value=st.floats(0.0, 3.0))
    def edit(self, index, path, value):
        groups = self.optimizer.param_groups
        groups[index % len(groups)][path] = value

    @happens(group=some_groups, path=driven, value=st.floats(0.0, 3.0), steps=st.none() | st.integers(1, 6))
    def override(self, group, path, value, steps):
        self.scheduler.override(group, steps=steps, **{path: value})

    @happens(group=some_groups, path=driven, scale=st.floats(0.1, 2.0), steps=st.integers(1, 6))
    def scale(self, group, path, scale, steps):
        self.scheduler.override(group, scale={path: scale}, steps=steps)

    @happens(group=some_groups)
    def release(self, group):
        self.scheduler.release(group)

    @happens(group=some_groups)
    def restart(self, group):
        self.scheduler.restart(group)

    @happens(group=some_groups, warmup=st.sampled_from(["Warmup(3)", "Linear(5, start=0.5, end=1.0)"]))
    def thaw(self, group, warmup):
        """What a timetable enters where the lr of what it thaws warms up."""
        driver = self.scheduler._driver
        now = self.scheduler.last_epoch
        driver.enter([(lane, Thaw(**lane.at(now), warmup=warmup)) for lane in driver.lanes_of(group, ["lr"])])

    @happens(group=some_groups, path=driven, value=st.floats(0.0, 3.0))
    def rebase(self, group, path, value):
        with self.all_or_nothing():
            self.scheduler.rebase(group, **{path: value})

    @happens(metric=metrics)
    def observe(self, metric):
        self.scheduler.observe(metric)

    @happens(group=st.sampled_from(["default", "head"]), tail=strategies.shapes())
    def reschedule(self, group, tail):
        assume(tail.closed_form)  # what no file may hold, no journal can
        assume("reductions" not in repr(tail))  # at steps that are yet to come
        with self.all_or_nothing():
            self.scheduler.reschedule(group, lr=tail)

    @happens(more=st.integers(1, 20))
    def lengthen(self, more):
        self.scheduler.reschedule(horizon=pg.Horizon(steps=self.scheduler.horizon.steps + more))

    @precondition(lambda self: len(self.added) < 3)
    @happens()
    def add_group(self):
        number = min({0, 1, 2}.difference(self.added))
        self.add_group_to(self.optimizer, number)
        self.added.append(number)

    @precondition(lambda self: self.added)
    @happens(index=st.integers(0, 2))
    def remove_group(self, index):
        index %= len(self.added)
        del self.optimizer.param_groups[2 + index]
        gone = f"/added{self.added.pop(index)}"  # one that comes later may be called so, too
        self.past = [{name: lived[name] for name in lived if not name.endswith(gone)} for lived in self.past]

    @happens()
    @keeps_the_future
    def reorder(self):
        """Resuming goes by the order of a fresh run, so it is put back."""
        self.optimizer.param_groups.reverse()
        self.scheduler.values()
        self.optimizer.param_groups.reverse()

    @happens()
    @keeps_the_future
    def reload(self):
        self.optimizer.load_state_dict(self.optimizer.state_dict())

    @happens()
    @keeps_the_future
    def copy(self):
        self.optimizer, self.scheduler = copy.deepcopy((self.optimizer, self.scheduler))

    @happens(optimizer_first=st.booleans())
    @keeps_the_future
    def resume(self, optimizer_first):
        written = json.dumps(self.scheduler.state_dict(), allow_nan=False)
        states = copy.deepcopy(self.optimizer.state_dict()), json.loads(written)
        self.optimizer, self.scheduler = self.fresh()
        loads = [lambda: self.optimizer.load_state_dict(states[0]), lambda: self.scheduler.load_state_dict(states[1])]
        for load in loads if optimizer_first else reversed(loads):
            load()

    @invariant()
    def the_groups_hold_what_preview_says(self):
        """At every moment, and the past as it was lived."""
        assert self.scheduler.last_epoch == len(self.past)
        foretold = self.foretold(ahead=1)
        assert live(self.optimizer) == {name: curve[-1] for name, curve in foretold.items()}
        for step, lived in enumerate(self.past):
            assert lived == {name: foretold[name][step] for name in lived}


@pytest.mark.filterwarnings("ignore::paramgroups.scheduler.EditWarning")  # random edits are as wild as they come
@pytest.mark.parametrize(
    ("runs", "rules", "fewest"),
    [(30, 15, 30), pytest.param(2000, 30, 300, marks=pytest.mark.slow)],
    ids=["quick", "slow"],
)
def test_the_laws_hold_whatever_happens(runs, rules, fewest, capsys):
    """Every kind of event in any order; how many of the ordered pairs of events were seen is printed."""
    TRANSITIONS.clear()
    run_state_machine_as_test(Run, settings=settings(max_examples=runs, stateful_step_count=rules, deadline=None))
    seen, pairs = len([pair for pair in TRANSITIONS if "start" not in pair]), len(EVENTS) ** 2
    with capsys.disabled():
        print(f"\n{TRANSITIONS.total():,} events; {seen} of {pairs} ordered pairs of them seen")  # noqa: T201  # asked for
    assert fewest <= seen <= pairs

"""Law 5: a run that is saved, loaded and regrouped goes on as one that was left alone."""

import contextlib
import functools
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
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
from kinds import LONG, OPTIMIZERS
from paramgroups import regroup
from paramgroups.errors import StateMismatchError, UndrivenError, UnequalGroupsError, WrongModelError
from paramgroups.journal import Entry, Observe, Override, Rebase, Release, Reschedule, Restart, Stretch
from references import HORIZON, NAMES, SCHEDULES, Reference, model
from states import plain


@pytest.fixture(autouse=True)
def _one_thread():
    """Tensors this small gain nothing by several, which wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- from any step --------------------------------------------------------------------------------------------------

LENGTH, RESUMED = 80, 50


def started(case: str, seed: int) -> tuple[nn.Module, Any, pg.Scheduler]:
    """A network with everything that keeps state, in three groups, three of whose hyperparameters are driven."""
    kind, options = OPTIMIZERS[case]
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    rest: dict[str, Any] = {"frozen": True} if issubclass(kind, torch.optim.Muon) else {"weight_decay": 0.0}
    plan = pg.Plan(pg.Rule(pg.NORMS | pg.BIASES, name="rest", **rest), pg.Rule("4.*", lr=pg.Times(3)), lr=0.01)
    optimizer = plan.build(net, kind, **{**options, "weight_decay": 0.1})
    path = next(key for key in ("betas[0]", "momentum", "eps") if key.partition("[")[0] in optimizer.defaults)
    schedules: dict[str, Any] = {
        "lr": pg.Warmup("10%").then(pg.Cosine("rest")),
        "weight_decay": pg.Linear("100%", end=2.0),
    }
    moving = {"*": {path: pg.Linear("50%", start=0.5, end=1.0)}}
    return net, optimizer, pg.Scheduler(optimizer, moving, horizon=pg.Horizon(steps=LENGTH), **schedules)


def ahead(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> list[dict[str, float]]:
    """So many updates on random batches, and every value at each."""
    values = []
    for _ in range(steps):
        values.append(pg.snapshot(optimizer))
        optimizer.zero_grad()
        net(torch.randn(6, 4)).pow(2).mean().backward()
        optimizer.step()
    return values


QUICK = {"AdamW", "SGD", "AdamW, ours", "SGD, ours"}


@pytest.mark.parametrize("case", [pytest.param(each, marks=[pytest.mark.slow] * (each not in QUICK)) for each in LONG])
def test_a_run_goes_on_from_any_step_as_if_it_had_never_stopped(case, tmp_path):
    """From each of fifty random steps: weights, buffers, state and every value to the end, to the bit."""
    steps = sorted(torch.randperm(LENGTH, generator=torch.Generator().manual_seed(0))[:RESUMED].tolist())
    net, optimizer, scheduler = started(case, seed=0)
    values = []
    for step in range(LENGTH):
        if step in steps:
            pg.save(tmp_path / f"{step}.pt", optimizer, scheduler, net, extra=torch.get_rng_state())
        values += ahead(net, optimizer, 1)
    whole = plain([dict(net.state_dict()), pg.named_state(optimizer), scheduler.state_dict()])
    for step in steps:
        other, again, timed = started(case, seed=1)
        report = pg.load(tmp_path / f"{step}.pt", again, timed, other)
        assert (report.step, report.complete, report.hyperparameters, report.schedules) == (step, True, (), ())
        torch.set_rng_state(report.extra)
        assert ahead(other, again, LENGTH - step) == values[step:]
        assert plain([dict(other.state_dict()), pg.named_state(again), timed.state_dict()]) == whole


# --- whatever happens -----------------------------------------------------------------------------------------------

TURNS: list[str] = []
TRANSITIONS: Counter[tuple[str, str]] = Counter()
OUTCOMES: Counter[str] = Counter()


def happens(*args, **kwargs):
    """A rule of the state machine, whose turns are counted."""

    def counted(function):
        TURNS.append(function.__name__)

        @functools.wraps(function)
        def turn(self, *drawn, **named):
            TRANSITIONS[self.before, function.__name__] += 1
            self.before = function.__name__
            return function(self, *drawn, **named)

        return rule(*args, **kwargs)(turn)

    return counted


rates = st.sampled_from([0.1, 0.2, 0.4])
policies = st.sampled_from(["current", "saved"])
partitions = st.lists(st.integers(0, 2), min_size=len(NAMES), max_size=len(NAMES))


class Run(RuleBasedStateMachine):
    """However it is grouped, saved and loaded: each parameter is what it would have become by itself."""

    @initialize(places=partitions, lrs=st.tuples(rates, rates, rates))
    def start(self, places, lrs):
        """Any groups."""
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "state.pt"
        self.before, self.count = "start", 0
        self.build(places, lrs, seed=0)
        self.put_away()

    def teardown(self):
        """Leave no files."""
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def build(self, places, lrs, seed):
        """A run as a script sets it up."""
        self.net = model(seed)
        self.reference = Reference(self.net)
        groups = []
        for place in dict.fromkeys(places):
            names = [name for name, other in zip(NAMES, places, strict=True) if other == place]
            params = [self.net.get_parameter(name) for name in names]
            groups.append({"params": params, "lr": lrs[place], "name": f"g{place}"})
            self.reference.joins(names, f"g{place}", [], lrs[place])
        self.optimizer = torch.optim.AdamW(groups, weight_decay=0.5, foreach=False)
        pg.name_groups(self.optimizer, self.net)
        self.scheduler = pg.Scheduler(self.optimizer, horizon=pg.Horizon(steps=HORIZON), **SCHEDULES)

    # --- what is drawn from what is there -----------------------------------------------------------------------

    def fresh_name(self):
        self.count += 1
        return f"n{self.count}"

    def a_group(self, data):
        return data.draw(st.sampled_from(self.reference.groups))

    def some_names(self, data):
        return data.draw(st.lists(st.sampled_from(self.held()), min_size=1, unique=True))

    def held(self):
        return [name for _, own in self.reference.groups for name in own]

    def lanes_in(self, names, path):
        return [self.reference.lanes[name][path] for name in names]

    # --- turns --------------------------------------------------------------------------------------------------

    @happens(count=st.integers(1, 3))
    def step(self, count):
        for _ in range(count):
            self.count += 1
            generator = torch.Generator().manual_seed(self.count)
            gradients = {}
            for name, parameter in self.net.named_parameters():
                gradients[name] = torch.randn(parameter.shape, generator=generator)
                parameter.grad = gradients[name].clone()
            self.optimizer.step()
            self.reference.update(gradients)

    @happens(data=st.data(), path=st.sampled_from(["lr", "weight_decay", "eps"]), value=st.sampled_from([0.05, 0.3]))
    def edit(self, data, path, value):
        """A value written by hand: an edit where it is driven."""
        label, own = self.a_group(data)
        index = [label for label, _ in self.reference.groups].index(label)
        self.optimizer.param_groups[index][path] = value
        for name in own:
            if path == "eps":
                self.reference.eps[name] = value
            elif value != self.reference.values(name)[path]:
                lane = self.reference.lanes[name][path]
                lane.add(lane.edited(self.reference.step, value))

    @happens(data=st.data(), path=st.sampled_from(list(SCHEDULES)), value=rates)
    def schedule(self, data, path, value):
        """Anything that a scheduler can be told."""
        kinds = ["override", "scale", "release", "rebase", "restart", "reschedule", "observe", "lengthen"]
        kind = data.draw(st.sampled_from(kinds))
        label, _ = self.a_group(data)
        now, scheduler = self.reference.step, self.scheduler
        entries: list[Entry] = []
        found = pg.view(self.optimizer)[label].parameter_names  # of all groups that came from one of this name
        names = self.held() if kind in {"observe", "lengthen"} else found
        lanes = self.lanes_in(names, path)
        match kind:
            case "override":
                scheduler.override(label, steps=3, **{path: value})
                entries += [Override(**lane.at(now), value=value, until=now + 3) for lane in lanes]
            case "scale":
                scheduler.override(label, scale={path: value})
                entries += [Override(**lane.at(now), scale=value) for lane in lanes]
            case "release":
                scheduler.release(label, path)
                entries += [Release(**lane.at(now)) for lane in lanes]
            case "rebase":
                scheduler.rebase(label, **{path: value})
                entries += [Rebase(**lane.at(now), old=lane.last.base, new=value) for lane in lanes]
            case "restart":
                scheduler.restart(label, path)
                entries += [Restart(**lane.at(now)) for lane in lanes]
            case "reschedule":
                tail: dict[str, Any] = {path: pg.Linear(5, end=value)}
                scheduler.reschedule(label, **tail)
                entries += [
                    Reschedule(**lane.at(now), schedule=repr(tail[path]), base=lane.scheduled(now)) for lane in lanes
                ]
            case "observe":
                lanes = self.lanes_in(names, "weight_decay")
                lanes = [lane for lane in lanes if lane.last.schedule.driven_by_metric]
                with contextlib.nullcontext() if lanes else pytest.raises(UndrivenError):
                    scheduler.observe(value)
                entries += [Observe(**lane.at(now), metric=value) for lane in lanes]
            case _:
                old = scheduler.horizon.steps if scheduler.horizon else 0
                new = old + 5
                scheduler.reschedule(horizon=pg.Horizon(steps=new))
                lanes = [lane for name in names for lane in self.reference.lanes[name].values()]
                entries += [Stretch(**lane.at(now), old=old, new=new) for lane in lanes]
        for lane, entry in zip(lanes, entries, strict=True):
            lane.add(entry)

    @happens(data=st.data())
    def split(self, data):
        names, new = self.some_names(data), self.fresh_name()
        sources = [own for _, own in self.reference.groups if not {*own}.isdisjoint(names)]
        with self.refused_only_if_unlike([own[0] for own in sources]):
            regroup.split(self.optimizer, pg.Named(*names), name=new)
            label = next(label for label, own in self.reference.groups if own is sources[0])
            index = [label for label, _ in self.reference.groups].index(label)
            ordered = [name for name in self.held() if name in names]
            self.reference.follows(ordered, sources[0][0])
            self.reference.groups.insert(index + 1, (new, ordered))
            groups = self.reference.groups
            rest = [
                (label, own if label == new else [name for name in own if name not in names]) for label, own in groups
            ]
            self.reference.groups = [(label, own) for label, own in rest if own]

    @happens(data=st.data(), given=st.booleans(), value=rates)
    def merge(self, data, given, value):
        """With what is to hold for all of them, or only if they are alike."""
        groups = self.reference.groups
        chosen = data.draw(st.lists(st.sampled_from(groups), min_size=1, max_size=3, unique_by=lambda own: own[0]))
        values = {"lr": value, "weight_decay": value, "eps": 1e-6} if given else {}
        with self.refused_only_if_unlike([own[0] for _, own in chosen]):
            regroup.merge(self.optimizer, *map(groups.index, chosen), **values)
            names = [name for _, own in chosen for name in own]
            self.reference.follows(names[len(chosen[0][1]) :], names[0])
            self.reference.groups = [
                (label, names if label == chosen[0][0] else own)
                for label, own in groups
                if label == chosen[0][0] or label not in dict(chosen)
            ]
            for name in names if given else ():
                self.reference.eps[name] = 1e-6
                for lane in self.reference.lanes[name].values():
                    if lane.value(self.reference.step) != value:
                        lane.add(lane.edited(self.reference.step, value))

    @contextlib.contextmanager
    def refused_only_if_unlike(self, leaders):
        """Groups whose pasts are the same come together; those that are refused are left alone."""
        found = [
            (self.reference.eps[name], [(lane.first, lane.entries) for lane in self.reference.lanes[name].values()])
            for name in leaders
        ]
        try:
            yield
            OUTCOMES["regrouped"] += 1
        except UnequalGroupsError:
            OUTCOMES["not alike"] += 1
            assert any(each != found[0] for each in found)

    @happens(data=st.data())
    def move(self, data):
        names = self.some_names(data)
        label, goal = self.a_group(data)
        regroup.move(self.optimizer, pg.Named(*names), to=label)
        arriving = [name for name in self.held() if name in names and name not in goal]
        self.reference.follows(arriving, goal[0])
        goal += arriving
        left = [(key, [n for n in own if own is goal or n not in arriving]) for key, own in self.reference.groups]
        self.reference.groups = [(key, own) for key, own in left if own]

    @happens(data=st.data())
    def rename(self, data):
        label, new = self.a_group(data)[0], self.fresh_name()
        regroup.rename(self.optimizer, label, new)
        self.reference.groups = [(new if old == label else old, own) for old, own in self.reference.groups]

    @precondition(lambda self: len(self.held()) < len(NAMES))
    @happens(data=st.data(), lr=rates)
    def add(self, data, lr):
        gone = [name for name in NAMES if name not in self.held()]
        names = data.draw(st.lists(st.sampled_from(gone), min_size=1, unique=True))
        new = self.fresh_name()
        regroup.add(self.optimizer, pg.Named(*names), name=new, model=self.net, lr=lr)
        self.reference.joins([name for name in NAMES if name in names], new, self.reference.pasts(), lr)

    @precondition(lambda self: len(self.held()) > 1)
    @happens(data=st.data())
    def remove(self, data):
        held = self.held()
        names = data.draw(st.lists(st.sampled_from(held), min_size=1, max_size=len(held) - 1, unique=True))
        regroup.remove(self.optimizer, pg.Named(*names))
        self.reference.leaves(names)

    @happens()
    def save(self):
        self.put_away()

    def put_away(self):
        pg.save(self.path, self.optimizer, self.scheduler, self.net)
        self.saved = self.reference.copy()

    @happens(policy=policies)
    def load(self, policy):
        """Back to where it was saved, in the groups that there are by now."""
        self.put_back(policy)

    @happens(places=partitions, lrs=st.tuples(rates, rates, rates), policy=policies)
    def load_under_another_plan(self, places, lrs, policy):
        """In another process, which has set up other groups."""
        self.build(places, lrs, seed=1)
        self.put_back(policy)

    def put_back(self, policy):
        """A load, or the refusal of it where groups hold what was driven or set differently."""
        home = {name: own for _, own in self.saved.groups for name in own}
        together = [{id(home[name]): name for name in own if name in home} for _, own in self.reference.groups]
        try:
            report = pg.load(self.path, self.optimizer, self.scheduler, self.net, hyperparameters=policy)
        except WrongModelError:
            OUTCOMES["nothing in common"] += 1
            assert not any(together)
            return
        except StateMismatchError:
            OUTCOMES["several pasts"] += 1
            assert any(self.unlike(each.values()) for each in together)
            return
        OUTCOMES["loaded"] += 1
        self.reference.loaded(self.saved, current=policy == "current")
        held = {*self.held()}
        assert {*report.moved} == held & {*home}
        assert {*report.fresh} == held - {*home}
        assert {*report.dropped} == {*home} - held
        assert report.step == self.saved.step

    def unlike(self, names):
        """Whether not the same was saved for all of these."""
        saved = [
            (self.saved.eps[name], [(lane.first, lane.entries) for lane in self.saved.lanes[name].values()])
            for name in names
        ]
        return any(each != saved[0] for each in saved)

    # --- what always holds --------------------------------------------------------------------------------------

    @invariant()
    def every_parameter_is_what_it_would_be_by_itself(self):
        """Weights, state, and what is due at the next update, to the bit; in the groups that were asked for."""
        values = self.scheduler.values()
        groups = self.optimizer.param_groups
        names: dict[torch.Tensor, str] = {parameter: name for name, parameter in self.net.named_parameters()}
        assert [
            (group["name"], [names[parameter] for parameter in group["params"]]) for group in groups
        ] == self.reference.groups
        assert self.scheduler.last_epoch == self.reference.step
        for group in groups:
            for parameter in group["params"]:
                name = names[parameter]
                due = self.reference.values(name)
                assert {path: group[path] for path in due} == due
                assert {path: values[f"{path}/{group['name']}"] for path in SCHEDULES}.items() <= due.items()
                assert plain(dict(self.optimizer.state.get(parameter, {}))) == plain(self.reference.state[name])
        weights = {name: parameter.detach() for name, parameter in self.net.named_parameters()}
        assert plain(weights) == plain(self.reference.weights)
        assert {names[parameter] for parameter in self.optimizer.state} <= {*self.held()}


@pytest.mark.filterwarnings("ignore::paramgroups.scheduler.EditWarning")  # random edits are as wild as they come
@pytest.mark.parametrize(
    ("runs", "rules", "fewest"),
    [(25, 12, 40), pytest.param(2000, 30, 140, marks=pytest.mark.slow)],
    ids=["quick", "slow"],
)
def test_a_run_that_is_regrouped_saved_and_loaded_is_one_that_never_was(runs, rules, fewest, capsys):
    """Every kind of turn in any order; how many of their ordered pairs were seen, and what came of them, is printed."""
    TRANSITIONS.clear()
    OUTCOMES.clear()
    run_state_machine_as_test(Run, settings=settings(max_examples=runs, stateful_step_count=rules, deadline=None))
    seen, pairs = len([pair for pair in TRANSITIONS if "start" not in pair]), len(TURNS) ** 2
    came = ", ".join(f"{count:,} {outcome}" for outcome, count in OUTCOMES.most_common())
    with capsys.disabled():
        print(f"\n{TRANSITIONS.total():,} turns; {seen} of {pairs} ordered pairs of them seen; {came}")  # noqa: T201  # asked for
    assert fewest <= seen <= pairs

"""What a user hands over, taken apart into subjects: curves, groups, rules, loops.

Knows where each fact is read off, and changes nothing of what it reads; what is wrong is the checks' to know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from paramgroups.claims import Assignments, Schedules, lanes_for
from paramgroups.driver import attached
from paramgroups.errors import ScheduleArgumentError
from paramgroups.hyperparameters import Kinds, number, read
from paramgroups.lanes import Lane
from paramgroups.linter.curves import Curve, Tick, Time
from paramgroups.linter.layouts import Layout, Members, of_grouping, of_optimizer
from paramgroups.linter.loops import Loop, loop_of
from paramgroups.linter.readings import curve_of, curves_of
from paramgroups.linter.replays import Stepped, run_on, stepped
from paramgroups.linter.rulings import Ruling, rulings
from paramgroups.params import labels
from paramgroups.plan import Grouping
from paramgroups.schedules import Horizon, Schedule
from paramgroups.views import lookup

Subject: TypeAlias = Curve | Layout | Members | Ruling | Loop | Stepped
"""What a check looks at."""

Bases: TypeAlias = float | Mapping[str, float]
"""What a schedule multiplies: one value, or one for each group by its name."""

Given: TypeAlias = Schedule | Callable[[int], float] | None
"""What drives a hyperparameter of every group: a schedule, or what a tutorial's loop asks; None leaves it alone."""

_COARSE: Final = 2  # updates a tick, from which a tick is no step


class Driven(NamedTuple):
    """One hyperparameter of one group, what drives it, from which base, and at which step its time starts."""

    path: str
    schedule: Schedule
    base: float
    group: str
    origin: int = 0


@runtime_checkable
class Recipe(Protocol):
    """What a recipe comes to without its data, as `paramgroups.recipe.outline` gives it."""

    @property
    def grouping(self) -> Grouping:
        """The plan on the model."""

    @property
    def optimizer(self) -> Kinds:
        """The class, or of several algorithms each."""

    @property
    def driven(self) -> Mapping[str, Mapping[str, Schedule]]:
        """Group -> hyperparameter -> schedule."""

    @property
    def left_alone(self) -> Collection[str]:
        """The groups whose lr no schedule is to drive."""

    def horizons(self, batches: int) -> tuple[Horizon, Horizon]:
        """The shortest run of at least so many batches in an epoch, and a very long one."""


def of_schedule(schedule: Schedule, path: str, bases: Bases | None, horizon: Horizon | None) -> Iterator[Subject]:
    """A schedule by itself: a curve for each base."""
    time = Time.of(horizon)
    if isinstance(bases, Mapping):
        yield from _curves((Driven(path, schedule, base, name) for name, base in bases.items()), time, horizon)
    else:
        yield curve_of(schedule, path, bases, time, horizon=horizon)


def of_plan(grouping: Grouping) -> Iterator[Subject]:
    """A plan on a model."""
    yield from _parts(of_grouping(grouping))
    yield from rulings(grouping)


def of_recipe(recipe: Recipe, horizon: Horizon) -> Iterator[Subject]:
    """A recipe, in a run of this length."""
    values = {group.name: group.values for group in of_grouping(recipe.grouping, recipe.optimizer).groups}
    driven = (
        Driven(path, schedule, read(values[group], path), group)
        for group, own in recipe.driven.items()
        for path, schedule in own.items()
    )
    curves = _curves(driven, Time.of(horizon), horizon)
    yield from curves
    yield from _parts(of_grouping(recipe.grouping, recipe.optimizer, curves, recipe.left_alone))
    yield from rulings(recipe.grouping)


def of_live(
    optimizer: Optimizer, horizon: Horizon | None, model: nn.Module | None, ticks: Tick | None
) -> Iterator[Subject]:
    """An optimizer, with whatever of ours is attached to it."""
    drivers, curves = attached(optimizer), list[Curve]()
    for driver in drivers:
        driver.notice()
        counted = driver.clock.kind == "optimizer"
        time = Time.of(horizon) if counted else _time(horizon, ticks, optimizer, driver.clock.step)
        curves += _curves(map(_in_force, driver.every_lane()), time, None)
    alone = {name for driver in drivers for name in _left_alone(optimizer, driver.assignments)}
    yield from curves
    yield from _parts(of_optimizer(optimizer, model, curves, alone))


def of_schedules(
    optimizer: Optimizer,
    schedules: Schedules,
    hyperparameters: Mapping[str, Given],
    horizon: Horizon | None,
    model: nn.Module | None,
) -> Iterator[Subject]:
    """An optimizer, and what it is to be driven by."""
    ours: dict[str, Schedule | None] = {}
    for path, given in hyperparameters.items():
        if given is None or isinstance(given, Schedule):
            ours[path] = given
        elif callable(given):
            names = [label.name for label in labels(optimizer)]
            standing = {name: read(group, path) for name, group in zip(names, optimizer.param_groups, strict=True)}
            yield loop_of(given, path, standing)
        else:
            raise ScheduleArgumentError(path, given, "check", "a schedule, or a callable of the epoch")
    assignments: Assignments = [(None, ours), *((key, dict(own)) for key, own in schedules.items())]
    lanes = (_in_force(lane) for own in lanes_for(optimizer, assignments) for lane in own)
    curves = _curves(lanes, Time.of(horizon), horizon)
    yield from curves
    yield from _parts(of_optimizer(optimizer, model, curves, _left_alone(optimizer, assignments)))


def of_torch(
    scheduler: LRScheduler, horizon: Horizon | None, model: nn.Module | None, ticks: Tick | None
) -> Iterator[Subject]:
    """A scheduler of torch, and its optimizer."""
    position = stepped(scheduler)
    curves = run_on(scheduler, _time(horizon, ticks, scheduler.optimizer, position.ticks))
    yield position
    yield from curves
    yield from _parts(of_optimizer(scheduler.optimizer, model, curves))


def _parts(layout: Layout) -> Iterator[Subject]:
    yield layout
    yield from layout.groups


def _in_force(lane: Lane) -> Driven:
    """What drives a lane from here on."""
    now = lane.last
    return Driven(lane.path, now.schedule, now.base, lane.group, now.origin)


def _curves(driven: Iterable[Driven], time: Time, horizon: Horizon | None) -> list[Curve]:
    """The curves of these; groups that are driven alike share one."""
    together: dict[tuple[str, Schedule, int], dict[float, list[str]]] = {}
    for path, schedule, base, group, origin in driven:
        together.setdefault((path, schedule, origin), {}).setdefault(base, []).append(group)
    return [
        replace(curve, groups=tuple(groups))
        for (path, schedule, origin), bases in together.items()
        for curve, groups in zip(
            curves_of(schedule, path, bases, _since(time, origin), horizon=horizon), bases.values(), strict=True
        )
    ]


def _since(time: Time, origin: int) -> Time:
    """What is left of the run at a step."""
    return replace(time, steps=max(time.steps - origin, 1)) if time.steps is not None and origin else time


def _time(horizon: Horizon | None, given: Tick | None, optimizer: Optimizer, ticks: int) -> Time:
    """How long the run is, in ticks of which the user says what they are, or the optimizer's own count of updates."""
    updates = max(
        (number(own.get("step")) for own in optimizer.state.values() if isinstance(own, Mapping)), default=0.0
    )
    if given is not None or not ticks or not updates > 0:
        return Time.of(horizon, given)
    if updates < _COARSE * ticks:
        return Time.of(horizon, "step")
    time = Time.of(horizon, "epoch")
    return replace(time, epochs=time.epochs or (time.steps or 0) * ticks / updates or None)


def _left_alone(optimizer: Optimizer, assignments: Assignments) -> set[str]:
    """The groups of which a user said that no schedule is to drive their lr."""
    names = [label.name for label in labels(optimizer)]
    found: set[str] = set()
    for key, own in assignments:
        if "lr" in own and own["lr"] is None:
            found |= {names[index] for index in (range(len(names)) if key is None else lookup(optimizer, key))}
    return found

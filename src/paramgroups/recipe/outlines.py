"""A recipe without its data: its plan put on its model, its optimizer made, its schedules tried on that.

Knows how these sections fit together, and what is wrong however much data there may be; reads none.
"""

from __future__ import annotations

import re
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Final, final

from torch import nn
from torch.optim import Optimizer

from paramgroups.errors import (
    DepthError,
    GroupNameError,
    ParamGroupsError,
    PlanError,
    ScheduleError,
    UnmatchedRuleError,
)
from paramgroups.hyperparameters import Kinds
from paramgroups.params import named
from paramgroups.plan import FrozenRuleWarning, Grouping, LayerDecay, Plan
from paramgroups.plan.grouping import group
from paramgroups.recipe.algorithms import arguments_of, classes_of, default_of
from paramgroups.recipe.files import data_of, sound
from paramgroups.recipe.leaves import select_text
from paramgroups.recipe.mistakes import MISTAKE, Mistakes
from paramgroups.recipe.names import misnamed
from paramgroups.recipe.sections import LayerDecayEntry, Recipe
from paramgroups.recipe.targets import call
from paramgroups.scheduler import Scheduler
from paramgroups.schedules import Horizon, Schedule
from paramgroups.timetable import Timetable
from paramgroups.train.batches import Batches
from paramgroups.train.job import Span
from paramgroups.train.models import MODELS

_ONE_BY_ONE: Final = 1000
_EPOCHS: Final = range(1, 10**9)  # batches in an epoch, up to more than any data has


@final
@dataclass(frozen=True)
class Outline:
    """What a recipe comes to without its data.

    Args:
        recipe: the same, validated.
        optimizer: the class, or of several algorithms each.
        grouping: the plan on the model, the arguments of the optimizer among its defaults.
        claims: group -> hyperparameter -> the key of `schedules` under which its schedule, or null, stands.
        source: the recipe's file or name.
        data: the recipe as it is written.
    """

    recipe: Recipe
    optimizer: type[Optimizer] | Mapping[str, type[Optimizer]]
    grouping: Grouping
    claims: Mapping[str, Mapping[str, str]]
    source: str
    data: Mapping[str, Any] = field(repr=False)

    @property
    def driven(self) -> dict[str, dict[str, Schedule]]:
        """Group -> hyperparameter -> the schedule that drives it, as it is written."""
        given = self.recipe.scheduled()
        return {
            name: {path: schedule for path, key in own.items() if (schedule := given[key][path])}
            for name, own in self.claims.items()
        }

    @property
    def left_alone(self) -> frozenset[str]:
        """The groups whose lr is to be left alone, as null says."""
        given = self.recipe.scheduled()
        return frozenset(name for name, own in self.claims.items() if "lr" in own and given[own["lr"]]["lr"] is None)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the optimizer, as Python writes them."""
        default = default_of(self.recipe.optimizer)
        return arguments_of(self.recipe.optimizer) | ({} if default is None else {"default": default})

    def built(self, model: nn.Module) -> Optimizer:
        """The optimizer over a model.

        Raises:
            ParamGroupsError, ValueError: it refuses what it is given.
        """
        plan = self.recipe.plan.make()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FrozenRuleWarning)  # the grouping has warned
            try:
                return plan.build(model, self.optimizer, **self.arguments)  # type: ignore[no-any-return]  # as the class says
            except ParamGroupsError:
                raise
            except Exception as error:  # whatever the user's own class raises
                raise ValueError(f"{self.recipe.optimizer.name} raised {type(error).__name__}: {error}") from error

    def scheduler(self) -> Scheduler:
        """A scheduler over a fresh model, as training begins with it. The data is read, which says how long the run is.

        Raises:
            RecipeError: the data cannot be had, or something does not fit it.
        """
        from paramgroups.recipe.jobs import make, scheduler

        return scheduler(make(self), self)

    def timetable(self) -> Timetable | None:
        """What is thawed when in a fresh run, if anything is. The data is read, which says how long the run is.

        Raises:
            RecipeError: the data cannot be had, or something does not fit it.
        """
        if not self.grouping.thaws:
            return None
        from paramgroups.recipe.jobs import make, timetable

        return timetable(make(self), self)

    def horizons(self, batches: int = 1) -> tuple[Horizon, Horizon]:
        """The shortest run that has room for the schedules, and a very long one: how many it has, the data says.

        Args:
            batches: in an epoch, at least.
        """
        span, size = Span(self.recipe.horizon.epochs, self.recipe.horizon.steps), self.recipe.batch_size

        def horizon(batches: int) -> Horizon:
            return span.horizon(Batches(count=batches * size, size=size, seed=0))

        every = [schedule for own in self.recipe.scheduled().values() for schedule in own.values() if schedule]
        short = max((_fewest(schedule, horizon) for schedule in every), default=1)
        return horizon(max(short, batches)), horizon(_EPOCHS[-1])

    def misdriven(self, optimizer: Optimizer, horizon: Horizon) -> dict[str, Exception]:
        """What is wrong with each schedule in a run of this length, by the path to it."""
        given = self.recipe.scheduled()
        standing = {(path, key) for own in self.claims.values() for path, key in own.items()}
        found: dict[str, Exception] = {}
        for key, path, schedule in ((key, *each) for key, own in given.items() for each in own.items()):
            alone = {other: {path: schedule if other == key else None} for other in given if path in given[other]}
            try:
                if schedule is not None:
                    schedule.resolve(horizon)
                if schedule is not None and (path, key) in standing:
                    Scheduler(optimizer, alone, horizon=horizon).detach(restore=True)
            except MISTAKE as error:
                found[_field_of_schedule(self.recipe, key, path)] = error
        return found


def outline(name: str, overrides: Iterable[str] = ()) -> Outline:
    """What the recipe in a file, or the built-in one of that name, comes to.

    Args:
        name: a path, or one of `built_in()`.
        overrides: changes such as `plan.rules.0.lr=1e-3`, each value as YAML has it.

    Raises:
        RecipeError: there is none, or it has mistakes; all that can be found without its data, each with its path.
    """
    return tried(data_of(name, overrides), name)


def tried(data: Mapping[str, Any], source: str = "recipe") -> Outline:
    """What the recipe that plain data describes comes to.

    Raises:
        RecipeError: it has mistakes.
    """
    mistakes = Mistakes(source, data)
    recipe = sound(data, mistakes)
    return mistakes.settle(None if recipe is None else _outline(recipe, mistakes, source, data))


def _outline(recipe: Recipe, mistakes: Mistakes, source: str, data: Mapping[str, Any]) -> Outline | None:
    """The outline as far as it can be drawn, every mistake noted."""
    model, kind = None, None
    with mistakes.at("model"):
        made = model_of(recipe)
        named(made)
        model = made
    with mistakes.at("optimizer"):
        kind = classes_of(recipe.optimizer)
    if model is None or kind is None:
        return None
    mistakes.add(misnamed(recipe.model_dump(), kind))
    grouping = _grouping(recipe, model, kind, mistakes)
    if grouping is None:
        return None
    found = Outline(recipe, kind, grouping, _claims(recipe, grouping, mistakes), source, data)
    if not mistakes.found:
        optimizer = None
        with mistakes.at("plan"):
            optimizer = found.built(model)
        if optimizer is not None:
            _try_schedules(found, optimizer, mistakes)
    return found


def model_of(recipe: Recipe) -> nn.Module:
    """A model as the recipe has it.

    Raises:
        ParamGroupsError, ValueError, TypeError: the user's own code cannot be found, raises something, or makes none.
    """
    model = call(recipe.model.name, MODELS, recipe.model.arguments)
    if not isinstance(model, nn.Module):
        raise TypeError(f"{recipe.model.name} returned {type(model).__name__}, no torch.nn.Module.")
    return model


def _grouping(recipe: Recipe, model: nn.Module, kind: Kinds, mistakes: Mistakes) -> Grouping | None:
    """What the plan comes to; None where that cannot be told."""

    @contextmanager
    def at(number: int | None) -> Iterator[None]:
        try:
            yield
        except UnmatchedRuleError as error:
            select = select_text(plan.rules[number or 0].select)
            mistakes.add([(f"plan.rules.{number}", str(replace(error, rule=repr(select))))])
        except PlanError as error:
            mistakes.add([(_field_of_value(recipe, number, getattr(error, "name", "")), str(error))])

    plan = recipe.plan.make()
    with mistakes.at("optimizer"):
        plan = Plan(*plan.rules, **plan.defaults | arguments_of(recipe.optimizer))
    try:
        return group(plan, model, kind, at, default=default_of(recipe.optimizer))
    except MISTAKE as error:
        meant = [number for number, rule in enumerate(plan.rules) if repr(rule) in str(error)]
        decays = [number for number, rule in enumerate(plan.rules) if isinstance(rule, LayerDecay)]
        if isinstance(error, DepthError) and len(decays) == 1:
            meant = decays
        mistakes.add([(f"plan.rules.{meant[0]}" if meant else "plan", str(error))])
        return None


def _field_of_value(recipe: Recipe, number: int | None, name: str) -> str:
    """Where a hyperparameter is given: in the rule of that number, or below the rules."""
    if number is None:
        below = {"plan.defaults": recipe.plan.defaults, "optimizer": recipe.optimizer.arguments}
        return next((f"{section}.{name}" for section, values in below.items() if name in values), "plan")
    rule = recipe.plan.rules[number]
    if isinstance(rule, LayerDecayEntry):
        inside = ".hyperparameter" if name == rule.hyperparameter else ""
    else:
        inside = f".{name}" if name in (rule.model_extra or {}) else ""
    return f"plan.rules.{number}{inside}"


def _field_of_schedule(recipe: Recipe, key: str, path: str) -> str:
    """Where the schedule of a group, or of every group, is given."""
    own = recipe.schedules.get(key)
    return f"schedules.{key}.{path}" if isinstance(own, dict) and path in own else f"schedules.{path}"


def _claims(recipe: Recipe, grouping: Grouping, mistakes: Mistakes) -> dict[str, dict[str, str]]:
    """As in `Outline`. A key by which no group is called is a mistake, unless it may be of a rule that is one too."""
    given, labels = recipe.scheduled(), recipe.plan.make().labels
    absent = [label for number, label in enumerate(labels) if f"plan.rules.{number}" in mistakes.found]
    claims: dict[str, dict[str, str]] = {group.name: {} for group in grouping.groups}
    for key, own in given.items():
        by_rule = [group.name for group in grouping.groups if key in group.rules]
        names = by_rule or [name for name in claims if fnmatchcase(name, key)]
        if not names and not any(re.search(rf"(^|[.*]){re.escape(label)}[-\d]*($|[.*])", key) for label in absent):
            mistakes.add([(f"schedules.{key}", str(GroupNameError(key, list(claims), list(labels))))])
        for name in names:
            claims[name].update(dict.fromkeys(own, key))
    return claims


def _try_schedules(found: Outline, optimizer: Optimizer, mistakes: Mistakes) -> None:
    """Note what is wrong in the shortest run that has room for the schedules, and in a very long one alike."""
    short, longest = found.horizons()
    long = found.misdriven(optimizer, longest)
    for path, error in found.misdriven(optimizer, short).items():
        if path in long:
            exact = str(error) == str(long[path])
            note = f"\nThat is in a run of {short.steps} steps; in any longer one it is wrong too."
            mistakes.add([(path, f"{error}{'' if exact else note}")])
    if not any(found.driven.values()):
        mistakes.add([("schedules", "none is left to drive anything. Give one, or leave `schedules` out.")])


def _fewest(schedule: Schedule, horizon: Callable[[int], Horizon]) -> int:
    """As few batches in an epoch as leave room for a schedule; one where none do."""

    def fits(batches: int) -> bool:
        try:
            schedule.resolve(horizon(batches))
        except ScheduleError:
            return False
        return True

    # One by one at first: parts of so many updates and of so many percent may fit here, and not in longer runs.
    short = next(filter(fits, _EPOCHS[:_ONE_BY_ONE]), None)
    if short is not None:
        return short
    place = bisect_left(_EPOCHS, True, lo=_ONE_BY_ONE, key=fits)
    return _EPOCHS[place] if place < len(_EPOCHS) else 1

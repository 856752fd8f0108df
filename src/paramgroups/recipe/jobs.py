"""From a recipe to a job: what is called by name is called, and everything is tried on everything else.

Knows how the sections fit together; runs nothing but what the recipe names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from paramgroups.errors import GroupNameError, ParamGroupsError, RecipeError
from paramgroups.hyperparameters import plain
from paramgroups.plan import Grouping
from paramgroups.recipe.sections import Recipe
from paramgroups.recipe.targets import OPTIMIZERS, call, find
from paramgroups.scheduler import Scheduler
from paramgroups.schedules import Schedule
from paramgroups.train.batches import Batches
from paramgroups.train.data import SOURCES, Split, split
from paramgroups.train.job import Job, Pretraining, Span
from paramgroups.train.models import MODELS

_FEW = 2  # examples on which a model is tried


def make(recipe: Recipe, source: str = "recipe") -> Job:
    """The job that a recipe describes, its data loaded, and tried as far as can be without training.

    Raises:
        RecipeError: the parts do not fit together, the data cannot be had, or the user's own code cannot be run.
    """
    job = Job(
        model=model_maker(recipe, source),
        optimizer=optimizer_class(recipe, source),
        arguments={key: plain(value) for key, value in recipe.optimizer.arguments.items()},
        plan=recipe.plan.make(),
        schedules=recipe.scheduled(),
        data=_data(recipe, source),
        span=Span(recipe.horizon.epochs, recipe.horizon.steps),
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        threads=recipe.threads,
        pretraining=_pretraining(recipe),
        grid=tuple(recipe.compare.lr) if recipe.compare else (),
    )
    scheduler(job, recipe, source)
    _try_model(job, source)
    return job


def model_maker(recipe: Recipe, source: str = "recipe") -> Callable[[], nn.Module]:
    """What makes the model.

    Raises:
        RecipeError: the user's own code cannot be found, raises something, or makes no model.
    """

    def made() -> nn.Module:
        with _at("model", source):
            model = call(recipe.model.name, MODELS, recipe.model.arguments)
            if not isinstance(model, nn.Module):
                raise TypeError(f"{recipe.model.name} returned {type(model).__name__}, no torch.nn.Module.")
            return model

    return made


def optimizer_class(recipe: Recipe, source: str = "recipe") -> type[Optimizer]:
    """The class of the optimizer.

    Raises:
        RecipeError: the user's own cannot be found, or is none.
    """
    with _at("optimizer", source):
        found = find(recipe.optimizer.name, OPTIMIZERS)
        if not (isinstance(found, type) and issubclass(found, Optimizer)):
            raise TypeError(f"{recipe.optimizer.name} is {found!r}, no subclass of torch.optim.Optimizer.")
        return found


def grouping(recipe: Recipe, source: str = "recipe") -> Grouping:
    """What the plan comes to on the model; the data is not looked at.

    Raises:
        RecipeError: it does not fit.
    """
    kind = optimizer_class(recipe, source)
    with torch.device("cpu" if recipe.model.is_own_code else "meta"):
        model = model_maker(recipe, source)()
    plan = recipe.plan.make()
    with _at_rule(recipe, source):
        found = plan.on(model, kind)
    driven(recipe, found, source)
    return found


def driven(recipe: Recipe, found: Grouping, source: str = "recipe") -> dict[str, dict[str, Schedule]]:
    """Group -> hyperparameter -> the schedule that drives it: what `Scheduler` would claim, without an optimizer.

    Raises:
        RecipeError: schedules are given for a group that is not there.
    """
    claims: dict[str, dict[str, Schedule | None]] = {group.name: {} for group in found.groups}
    for key, schedules in recipe.scheduled().items():
        by_rule = [group.name for group in found.groups if key in group.rules]
        names = by_rule or [name for name in claims if fnmatchcase(name, key)]
        if not names:
            error = GroupNameError(key, list(claims), list(recipe.plan.make().labels))
            raise RecipeError(source, [(f"schedules.{key}", str(error))])
        for name in names:
            claims[name].update(schedules)
    return {name: {path: each for path, each in own.items() if each is not None} for name, own in claims.items()}


def scheduler(job: Job, recipe: Recipe, source: str = "recipe") -> Scheduler:
    """A scheduler over a fresh model, as the job's last training has it.

    Raises:
        RecipeError: plan, optimizer and schedules do not fit.
    """
    with _at("batch_size", source):
        horizon = job.horizon()
    with _at_rule(recipe, source):
        optimizer = job.plan.build(job.model(), job.optimizer, **job.arguments)
    with _at("schedules", source):
        return Scheduler(optimizer, job.schedules, horizon=horizon)


def _data(recipe: Recipe, source: str) -> Split:
    name = recipe.data.name
    with _at("data", source):
        found = split(call(name, SOURCES, recipe.data.arguments), name)
    if recipe.pretrain is not None:
        with _at("pretrain.classes", source):
            missing = [each for each in recipe.pretrain.classes if not len(found.train.of({each}))]
            if missing:
                raise ValueError(f"{name} has no examples of {missing}, only of 0 to {found.train.classes - 1}.")
            Batches(count=len(found.train.of(recipe.pretrain.classes)), size=recipe.batch_size, seed=0)
    with _at("batch_size", source):
        Batches(count=len(found.train), size=recipe.batch_size, seed=0)
    return found


def _pretraining(recipe: Recipe) -> Pretraining | None:
    given = recipe.pretrain
    return None if given is None else Pretraining(tuple(given.classes), given.epochs, given.lr)


def _try_model(job: Job, source: str) -> None:
    """A few examples are put through the model, before hours are spent on the others."""
    data = job.data
    inputs = data.train.inputs[:_FEW]
    wanted = (len(inputs), max(part.classes for part in (data.train, data.validation, data.test)))
    with _at("model", source):
        model = job.model().eval()
        try:
            scores: Any = model(inputs)
        except Exception as error:
            raise ValueError(f"it cannot take inputs of shape {tuple(inputs.shape)}: {error}") from error
        shape = tuple(getattr(scores, "shape", ()))
        if len(shape) != len(wanted) or shape[0] != wanted[0] or shape[1] < wanted[1]:
            given = shape or type(scores).__name__
            raise ValueError(f"for {wanted[0]} examples it gave {given}, not {wanted}: a score for each class.")


@contextmanager
def _at(path: str, source: str) -> Iterator[None]:
    """Say where in the recipe something is wrong."""
    try:
        yield
    except RecipeError:
        raise  # says where itself
    except (ParamGroupsError, ValueError, TypeError) as error:
        raise RecipeError(source, [(path, str(error))]) from error


@contextmanager
def _at_rule(recipe: Recipe, source: str) -> Iterator[None]:
    """Say which rule is wrong, where the error names one."""
    try:
        yield
    except RecipeError:
        raise
    except (ParamGroupsError, ValueError, TypeError) as error:
        named = [number for number, rule in enumerate(recipe.plan.make().rules) if repr(rule) in str(error)]
        path = f"plan.rules.{named[0]}" if named else "plan"
        raise RecipeError(source, [(path, str(error))]) from error

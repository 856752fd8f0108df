"""From an outline to a job: its data is read, and everything is tried on everything else.

Knows what depends on the data; runs nothing but what the recipe names.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from paramgroups.recipe.mistakes import Mistakes
from paramgroups.recipe.outlines import Outline, model_of
from paramgroups.recipe.targets import call
from paramgroups.scheduler import Scheduler
from paramgroups.schedules import Horizon
from paramgroups.timetable import Timetable
from paramgroups.train.batches import Batches
from paramgroups.train.data import SOURCES, Split, split
from paramgroups.train.job import Job, Pretraining, Span

_FEW = 2  # examples on which a model is tried


def make(found: Outline) -> Job:
    """The job of a recipe, its data loaded, and tried as far as can be without training.

    Raises:
        RecipeError: the data cannot be had, or something does not fit it; all that is wrong, each with its path.
    """
    recipe = found.recipe
    job = Job(
        model=partial(model_of, recipe),  # and not what was tried, which would stay in memory
        optimizer=found.optimizer,
        arguments=found.arguments,
        plan=recipe.plan.make(),
        schedules=recipe.scheduled(),
        data=_data(found),
        span=Span(recipe.horizon.epochs, recipe.horizon.steps),
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        threads=recipe.threads,
        pretraining=_pretraining(found),
        grid=tuple(recipe.compare.lr) if recipe.compare else (),
    )
    horizons = [job.horizon()]
    if job.grid:  # an lr is chosen by those that learn from less
        horizons.append(job.span.horizon(job.batches(job.data.train, job.seed)))
    mistakes = Mistakes(found.source, found.data)
    with mistakes.at("model"):
        model = job.model()
        optimizer = found.built(model)
        for horizon in horizons:
            mistakes.add((path, str(error)) for path, error in found.misdriven(optimizer, horizon).items())
        _try_model(model, job.data)
    mistakes.settle(job)
    if found.grouping.thaws:
        with mistakes.at("plan.rules"):
            for horizon in horizons:
                _timetable(job, found, horizon)
    return mistakes.settle(job)


def scheduler(job: Job, found: Outline) -> Scheduler:
    """A scheduler over a fresh model, as the job's last training has it."""
    return Scheduler(found.built(job.model()), job.schedules, horizon=job.horizon())


def timetable(job: Job, found: Outline) -> Timetable | None:
    """What is thawed when in the job's last training, if anything is."""
    return _timetable(job, found, job.horizon()) if found.grouping.thaws else None


def _timetable(job: Job, found: Outline, horizon: Horizon) -> Timetable:
    model = job.model()
    optimizer = found.built(model)
    return Timetable(model, optimizer, Scheduler(optimizer, job.schedules, horizon=horizon))


def _data(found: Outline) -> Split:
    recipe, mistakes, data = found.recipe, Mistakes(found.source, found.data), None
    name = recipe.data.name
    with mistakes.at("data"):
        data = split(call(name, SOURCES, recipe.data.arguments), name)
    data = mistakes.settle(data)
    if recipe.pretrain is not None:
        with mistakes.at("pretrain.classes"):
            missing = [each for each in recipe.pretrain.classes if not len(data.train.of({each}))]
            if missing:
                raise ValueError(f"{name} has no examples of {missing}, only of 0 to {data.train.classes - 1}.")
            Batches(count=len(data.train.of(recipe.pretrain.classes)), size=recipe.batch_size, seed=0)
    with mistakes.at("batch_size"):
        Batches(count=len(data.train), size=recipe.batch_size, seed=0)
    return mistakes.settle(data)


def _pretraining(found: Outline) -> Pretraining | None:
    given = found.recipe.pretrain
    return None if given is None else Pretraining(tuple(given.classes), given.epochs, given.lr)


def _try_model(model: nn.Module, data: Split) -> None:
    """A few examples are put through the model, before hours are spent on the others."""
    inputs = data.train.inputs[:_FEW]
    wanted = (len(inputs), max(part.classes for part in (data.train, data.validation, data.test)))
    try:
        scores: Any = model.eval()(inputs)
    except Exception as error:
        raise ValueError(f"it cannot take inputs of shape {tuple(inputs.shape)}: {error}") from error
    shape = tuple(getattr(scores, "shape", ()))
    if len(shape) != len(wanted) or shape[0] != wanted[0] or shape[1] < wanted[1]:
        given = shape or type(scores).__name__
        raise ValueError(f"for {wanted[0]} examples it gave {given}, not {wanted}: a score for each class.")

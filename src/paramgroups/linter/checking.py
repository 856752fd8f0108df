"""Every check put to every subject, and what they say brought together.

Knows what can be checked; where its facts come from, and what is wrong with them, is others' to know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from paramgroups.errors import described
from paramgroups.linter import subjects
from paramgroups.linter.curves import Curve, Tick
from paramgroups.linter.findings import Check, Finding
from paramgroups.linter.layouts import Layout
from paramgroups.linter.registry import CHECKS
from paramgroups.linter.subjects import Bases, Recipe, Subject
from paramgroups.params import unwrapped
from paramgroups.plan import Grouping, Plan
from paramgroups.scheduler import Scheduler
from paramgroups.schedules import Horizon, Schedule

_BATCHES: Final = 10  # in an epoch, at least; with one or two, epochs and steps cannot be told apart
_SHOWN: Final = 3  # places of one finding


def check(
    what: Schedule | Grouping | Optimizer | LRScheduler | Recipe,
    schedules: Mapping[str, Mapping[str, Schedule | None]] | None = None,
    *,
    horizon: Horizon | None = None,
    base: Bases | None = None,
    hyperparameter: str | None = None,
    model: nn.Module | None = None,
    ticks: Tick | None = None,
    **hyperparameters: Schedule | Callable[[int], float] | None,
) -> list[Finding]:
    """What is likely wrong, or worth a look, in a schedule, a plan, an optimizer, a scheduler or a recipe.

    Nothing is changed, and nothing is trained. The page `docs/linter.md` lists what is found.

    Args:
        what: a schedule; a plan on a model, `plan.on(model)`; an optimizer; a `Scheduler` or one of torch's, each with
            its optimizer; or a recipe, as `paramgroups.recipe.outline` gives it.
        schedules: what an optimizer is to be driven by, as for `Scheduler`.
        horizon: how long the run is; a `Scheduler` has its own.
        base: what a schedule multiplies: one value, or one for each group by its name.
        hyperparameter: what a schedule drives; the lr where absent.
        model: whose parameters an optimizer has; one that `plan.build` or `name_groups` has named knows.
        ticks: how a scheduler of torch, or one of a manual clock, is stepped: once a `"step"` or once an `"epoch"`.
            Where absent, as the optimizer's own count of updates tells, if it has one.
        **hyperparameters: schedules for every group, as for `Scheduler`. What is no schedule, but can be called, is
            taken for what a tutorial's loop sets every group to at the end of each epoch.

    Returns:
        The findings, in the order of their codes.

    Raises:
        TypeError: it cannot be checked, or not by what is given beside it.
        ScheduleError: a duration waits for a horizon.

    Example:
        >>> from paramgroups.schedules import Cosine, Linear
        >>> schedule = Linear(100, start=0.0, end=1.0).then(Cosine("rest"))
        >>> for finding in check(schedule, horizon=Horizon(steps=1000)):
        ...     print(finding)
        PG101 warning lr: the first update has lr 0, and changes nothing. Start above 0, as Warmup(W) does.
    """
    if ticks not in {None, "step", "epoch"}:
        raise ValueError(f"ticks={ticks!r} is unknown.\nChoose 'step' or 'epoch'.")
    options = {"horizon": horizon, "base": base, "hyperparameter": hyperparameter, "model": model, "ticks": ticks}
    given = {name for name, value in {"schedules": schedules or None, **options}.items() if value is not None}
    given |= hyperparameters.keys()
    if isinstance(what, Recipe):
        _accept(what, given)
        return _in_any_run(what)
    found: Iterable[Subject]
    match what:
        case Schedule():
            takes = ["horizon", "base", "hyperparameter"]
            found = subjects.of_schedule(what, hyperparameter or "lr", base, horizon)
        case Grouping():
            takes = []
            found = subjects.of_plan(what)
        case Scheduler():
            takes = ["horizon", "model", "ticks"]
            found = subjects.of_live(what.optimizer, horizon or what.horizon, model, ticks)
        case LRScheduler():
            takes = ["horizon", "model", "ticks"]
            found = subjects.of_torch(what, horizon, model, ticks)
        case Optimizer() if schedules or hyperparameters:
            takes = ["schedules", "horizon", "model", *hyperparameters]
            found = subjects.of_schedules(unwrapped(what), schedules or {}, hyperparameters, horizon, model)
        case Optimizer():
            takes = ["horizon", "model", "ticks"]
            found = subjects.of_live(unwrapped(what), horizon, model, ticks)
        case _:
            raise TypeError(f"{described(what)} cannot be checked.\n{_instead_of(what)}")
    _accept(what, given, *takes)
    return found_in(found)


def found_in(given: Iterable[Subject]) -> list[Finding]:
    """What every check says of these; what it says of several alike is one finding."""
    every = list(given)
    said: dict[tuple[Check[Any], str, str], list[str]] = {}
    for each in CHECKS:
        for subject in every:
            for sentence, advice, where in each.look(subject) if isinstance(subject, each.about) else ():
                said.setdefault((each, sentence, advice), []).extend([where] if where else subject.places)
    names = [group.name for subject in every if isinstance(subject, Layout) for group in subject.groups]
    whole = {curve.path: {f"{curve.path}/{name}" for name in names} for curve in every if isinstance(curve, Curve)}
    return [
        Finding(each.code, each.severity, sentence, _where(places, whole), advice)
        for (each, sentence, advice), places in said.items()
    ]


def _where(places: Iterable[str], whole: Mapping[str, Collection[str]]) -> str:
    """The places by name; a hyperparameter alone, where it is that of every group."""
    found = list(dict.fromkeys(places))
    path = found[0].partition("/")[0]
    if set(found) == whole.get(path):
        return path
    left = len(found) - _SHOWN
    return ", ".join(found[:_SHOWN]) + (f" and {left} more" if left > 0 else "")


def _in_any_run(recipe: Recipe) -> list[Finding]:
    """What is found in a short run and in a long one alike: how many steps an epoch has, the data says."""
    short, long = recipe.horizons(_BATCHES)
    findings, others = (found_in(subjects.of_recipe(recipe, horizon)) for horizon in (short, long))
    certain = {(each.code, each.where): each.sentence for each in others}
    note = f" (in a run of {short.steps} steps, and likewise in any longer one)"
    return [
        each if each.sentence == certain[key] else replace(each, sentence=each.sentence + note)
        for each in findings
        if (key := (each.code, each.where)) in certain
    ]


def _accept(what: object, given: Iterable[str], *allowed: str) -> None:
    """Accept what is given beside `what`, if it has a meaning there.

    Raises:
        TypeError: it has none.
    """
    wrong = sorted(set(given).difference(allowed))
    if wrong:
        takes = f"It takes {', '.join(allowed)}." if allowed else "It takes nothing else."
        raise TypeError(f"check({described(what)}) has no use for {', '.join(wrong)}.\n{takes}")


def _instead_of(what: object) -> str:
    if isinstance(what, (Plan, nn.Module)):
        return "A plan is checked on a model: check(plan.on(model))."
    return "Pass a schedule, plan.on(model), an optimizer, a scheduler, or a recipe's outline."

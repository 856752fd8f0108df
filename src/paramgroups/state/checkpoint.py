"""A run in one file: saved whole, and loaded whole or not at all.

Knows which parts a run has; how each fits is the parts' own to say, and how a file is written the file's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from paramgroups.collector import paused
from paramgroups.driver import notice_all
from paramgroups.errors import StateMismatchError, WrongModelError, described
from paramgroups.params import clean_keys, unwrapped
from paramgroups.scheduler import Scheduler, beneath
from paramgroups.spreading import gathered, spread_as
from paramgroups.state import contents, files
from paramgroups.state.layout import checked
from paramgroups.state.matching import Hyperparameters, Missing, Policies, Unexpected, match
from paramgroups.state.named import named_state, names_by_group
from paramgroups.state.renaming import Rename, check_model, renamed_by
from paramgroups.state.report import LoadReport
from paramgroups.state.timing import driven_paths, match_scheduler, state_by_name
from paramgroups.state.undoing import all_or_nothing


@paused()
def save(  # noqa: PLR0917  # all of a run's parts, in the order in which they are most often given
    path: str | os.PathLike[str],
    optimizer: Optimizer,
    scheduler: Scheduler | None = None,
    model: nn.Module | None = None,
    extra: Any = None,
    keep: int | None = None,
) -> None:
    """Save a run by name, in one file that is written whole or not at all.

    Of a run that is spread over processes (FSDP2) each must ask: tensors are gathered one by one, the first process
    writes what a single one would have, and the others are not told when it has.

    Args:
        path: the file; `torch.load(path, weights_only=True)` opens it, too.
        optimizer: its state and what its groups are set to.
        scheduler: its position, bases and journal, with its schedules beside.
        model: its parameters and buffers; needed, too, where nobody named the optimizer's parameters.
        extra: anything of plain containers, numbers, text and tensors: the epoch, states of random generators.
        keep: how many files to have, older ones at `path.1`, `path.2`, …; one where absent.

    Raises:
        CheckpointError: it cannot be written; what was there is as it was.
        StateMismatchError: a parameter has no name, or the scheduler drives another optimizer.

    Example:
        >>> import tempfile, torch
        >>> net = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(net.named_parameters(), lr=0.1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(f"{folder}/state.pt", optimizer, model=net, extra={"epoch": 3})
        ...     load(f"{folder}/state.pt", optimizer, model=net).extra
        {'epoch': 3}
    """
    content, writes = gathered(content_of(optimizer, scheduler, model, extra))
    if writes:
        files.write(path, content, keep)


def content_of(
    optimizer: Optimizer, scheduler: Scheduler | None, model: nn.Module | None, extra: Any
) -> dict[str, Any]:
    """All that is saved of a run, in the run's own tensors.

    Raises:
        StateMismatchError: a parameter has no name, or the scheduler drives another optimizer.
    """
    optimizer = unwrapped(optimizer)
    timed = _driving(optimizer, scheduler)
    return {
        "optimizer": named_state(optimizer, model),
        "scheduler": None if timed is None else state_by_name(timed, names_by_group(optimizer, model)),
        "model": None if model is None else _by_name(model),
        "extra": extra,
    }


def _driving(optimizer: Optimizer, scheduler: object) -> Scheduler | None:
    """The scheduler, beneath what wraps it.

    Raises:
        TypeError: it is none of ours.
        StateMismatchError: it drives another optimizer.
    """
    found = beneath(scheduler)
    if found is not None and found.optimizer is not optimizer:
        raise StateMismatchError("The scheduler drives another optimizer.", "Give the one it was made for.")
    if found is not None or scheduler is None:
        return found
    if isinstance(scheduler, nn.Module):
        raise TypeError(
            f"{described(scheduler)} is given for a Scheduler.\nFirst optimizer, then scheduler, then model: model=..."
        )
    raise TypeError(
        f"{described(scheduler)} is given for a paramgroups Scheduler.\n"
        "What another one's state_dict() gives can be saved beside: extra={'scheduler': scheduler.state_dict()}."
    )


def _by_name(model: nn.Module) -> dict[str, Any]:
    """What a model holds, without what wrappers put before its names."""
    names = clean_keys(model)
    return {names[key]: value for key, value in model.state_dict().items()}


@paused()
def load(
    path: str | os.PathLike[str],
    optimizer: Optimizer,
    scheduler: Scheduler | None = None,
    model: nn.Module | None = None,
    *,
    hyperparameters: Hyperparameters = "current",
    missing: Missing = "fresh",
    unexpected: Unexpected = "drop",
    rename: Rename = None,
) -> LoadReport:
    """Go on from a saved run, by name: the groups may be others by now, and so may settings and schedules.

    The position is always the saved one. Everything is held against the file before anything is changed.

    Args:
        path: what `save` wrote.
        optimizer: whose state is put back; of the class that was saved, or of another.
        scheduler: goes to the saved position, with the saved journal.
        model: its parameters and buffers are put back.
        hyperparameters: which hold where the two differ, the `"current"` or the `"saved"`: the groups' settings, and
            the scheduler's schedules, bases and horizon. What differs is in the report.
        missing: what to do about what nothing was saved for: start it `"fresh"` (in the model: leave it as it is), or
            raise an `"error"`. So for what changed its shape, or is of another algorithm's kind.
        unexpected: what to do about what was saved and is not here: `"drop"` it, or raise an `"error"`.
        rename: saved name -> present name, for parameters or whole modules; or a function of the saved name.

    Returns:
        What became of each parameter, what differs, and `extra`.

    Raises:
        CheckpointError: the file cannot be read, is damaged, none of ours, or of a newer version.
        WrongModelError: nothing in it has the name of anything here.
        StateMismatchError: it does not fit, or the policies forbid what it comes to. Nothing is changed then.

    Example: see `save`.
    """
    policies = Policies(hyperparameters, missing, unexpected, rename)
    return restore(path, contents.parts(path), optimizer, scheduler, model, policies)


def restore(  # noqa: PLR0917  # a run's parts, in the order in which they are everywhere
    path: str | os.PathLike[str],
    content: Mapping[str, Any],
    optimizer: Optimizer,
    scheduler: Scheduler | None,
    model: nn.Module | None,
    policies: Policies,
) -> LoadReport:
    """Put what was read at `path` into a run; see `load`."""
    optimizer = unwrapped(optimizer)
    driving = _driving(optimizer, scheduler)
    _check_held(path, content, scheduler=driving is not None, model=model is not None)
    notice_all(optimizer)
    names = names_by_group(optimizer, model)
    saved = checked(content["optimizer"])[0]
    renamed = renamed_by(dict.fromkeys((*saved, *(content["model"] or ()))), policies.rename)
    check_model({name: renamed[name] for name in saved}, names)
    policies = replace(policies, rename=renamed.__getitem__)
    theirs = content["scheduler"]
    timed = None if driving is None else match_scheduler(driving, theirs, names, renamed, policies.hyperparameters)
    state = match(optimizer, content["optimizer"], names, policies, driven_paths(optimizer, timed))
    left = [part for part, mine in (("scheduler", driving), ("model", model)) if mine is None and content[part]]
    report = replace(state.report, dropped=(*state.report.dropped, *(f"the {part}, not asked for" for part in left)))
    entries, report = _match_model(model, content["model"], renamed, report)
    policies.check(report)
    with all_or_nothing(optimizer, driving, model, entries):
        if timed is not None:
            timed.apply()
            report = replace(report, step=timed.step, schedules=timed.differences)
        state.apply(copy=False)
        if model is not None:
            model.load_state_dict(entries, strict=False)
    return replace(report, extra=content["extra"])


def _check_held(path: str | os.PathLike[str], content: Mapping[str, Any], *, scheduler: bool, model: bool) -> None:
    """Accept a run that has what is asked for.

    Raises:
        StateMismatchError: it has no scheduler, or no model.
    """
    if scheduler and content["scheduler"] is None:
        raise StateMismatchError(
            f"{path} was saved without a scheduler.", "Load it without one; it starts at update 0."
        )
    if model and content["model"] is None:
        raise StateMismatchError(
            f"{path} was saved without a model.",
            "Load it without one; where nobody named the optimizer's parameters, pg.name_groups(optimizer, model).",
        )


def _match_model(
    model: nn.Module | None,
    saved: Mapping[str, Any] | None,
    renamed: Mapping[str, str],
    report: LoadReport,
) -> tuple[dict[str, Any], LoadReport]:
    """What of a saved model is put into this one, by its own keys, and the report with what is not."""
    if model is None or saved is None:
        return {}, report
    by_name = {renamed[old]: (old, value) for old, value in saved.items()}
    keys, present = clean_keys(model), model.state_dict()
    here = set(keys.values())
    if here.isdisjoint(by_name):
        raise WrongModelError(list(saved), list(keys.values()))
    found, fresh, reshaped = {}, [], []
    for key, name in keys.items():
        value = by_name.get(name, (name, None))[1]
        shapes = [tuple(each.shape) if isinstance(each, Tensor) else () for each in (value, present[key])]
        if name not in by_name:
            fresh.append(name)
        elif shapes[0] != shapes[1]:
            reshaped.append((name, shapes[0], shapes[1]))
        else:
            found[key] = spread_as(value, present[key])
    dropped = [old for name, (old, _) in by_name.items() if name not in here]
    return found, replace(
        report,
        fresh=tuple(dict.fromkeys((*report.fresh, *fresh))),
        dropped=tuple(dict.fromkeys((*report.dropped, *dropped))),
        reshaped=tuple(dict.fromkeys((*report.reshaped, *reshaped))),
    )

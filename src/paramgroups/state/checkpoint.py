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

from paramgroups.errors import StateMismatchError, WrongModelError
from paramgroups.params import clean_keys, unwrapped
from paramgroups.scheduler import Scheduler
from paramgroups.state import files
from paramgroups.state.matching import Hyperparameters, Missing, Policies, Rename, Unexpected, match, renamed_by
from paramgroups.state.named import named_state, names_by_group
from paramgroups.state.report import LoadReport
from paramgroups.state.timing import match_scheduler


def save(  # noqa: PLR0917  # all of a run's parts, in the order in which they are most often given
    path: str | os.PathLike[str],
    optimizer: Optimizer,
    scheduler: Scheduler | None = None,
    model: nn.Module | None = None,
    extra: Any = None,
    keep: int | None = None,
) -> None:
    """Save a run by name, in one file that is written whole or not at all.

    Args:
        path: the file; `torch.load(path, weights_only=True)` opens it, too.
        optimizer: its state and what its groups are set to.
        scheduler: its position, bases and journal, with its schedules beside.
        model: its parameters and buffers; needed, too, where nobody named the optimizer's parameters.
        extra: anything of plain containers, numbers, text and tensors: the epoch, states of random generators.
        keep: how many files to have, older ones at `path.1`, `path.2`, …; one where absent.

    Raises:
        CheckpointError: it cannot be written; what was there is as it was.
        StateMismatchError: a parameter has no name.

    Example:
        >>> import tempfile, torch
        >>> net = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(net.named_parameters(), lr=0.1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(f"{folder}/state.pt", optimizer, model=net, extra={"epoch": 3})
        ...     load(f"{folder}/state.pt", optimizer, model=net).extra
        {'epoch': 3}
    """
    content = {
        "optimizer": named_state(optimizer, model),
        "scheduler": None if scheduler is None else scheduler.state_dict(),
        "model": None if model is None else _by_name(model),
        "extra": extra,
    }
    files.write(path, content, keep)


def _by_name(model: nn.Module) -> dict[str, Any]:
    """What a model holds, without what wrappers put before its names."""
    names = clean_keys(model)
    return {names[key]: value for key, value in model.state_dict().items()}


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
    content = files.read(path)
    optimizer = unwrapped(optimizer)
    if scheduler is not None and scheduler.optimizer is not optimizer:
        raise StateMismatchError("The scheduler drives another optimizer.", "Give the one it was made for.")
    if scheduler is not None and content["scheduler"] is None:
        raise StateMismatchError(
            f"{path} was saved without a scheduler.", "Load it without one; it starts at update 0."
        )
    renamed = renamed_by(_names_in(content), rename)
    policies = Policies(hyperparameters, missing, unexpected, lambda name: renamed[name])
    state = match(optimizer, content["optimizer"], names_by_group(optimizer, model), policies)
    timed = None if scheduler is None else match_scheduler(scheduler, content["scheduler"], renamed, hyperparameters)
    entries, report = _match_model(model, content["model"], renamed, policies, state.report)
    state.apply(copy=False)
    if timed is not None:
        timed.apply()
        report = replace(report, step=timed.step, schedules=timed.differences)
    if model is not None:
        model.load_state_dict(entries, strict=False)
    return replace(report, extra=content["extra"])


def _names_in(content: Mapping[str, Any]) -> dict[str, None]:
    """Every name in a file, in order."""
    return dict.fromkeys((*content["optimizer"]["parameters"], *(content["model"] or ())))


def _match_model(
    model: nn.Module | None,
    saved: Mapping[str, Any] | None,
    renamed: Mapping[str, str],
    policies: Policies,
    report: LoadReport,
) -> tuple[dict[str, Any], LoadReport]:
    """What of a saved model is put into this one, by its own keys, and the report with what is not."""
    if model is None or saved is None:
        return {}, report
    by_name = {renamed[old]: (old, value) for old, value in saved.items()}
    keys, present = clean_keys(model), model.state_dict()
    if saved and not by_name.keys() & set(keys.values()):
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
            found[key] = value
    dropped = [old for name, (old, _) in by_name.items() if name not in set(keys.values())]
    whole = replace(
        report,
        fresh=tuple(dict.fromkeys((*report.fresh, *fresh))),
        dropped=tuple(dict.fromkeys((*report.dropped, *dropped))),
        reshaped=tuple(dict.fromkeys((*report.reshaped, *reshaped))),
    )
    policies.check(whole)
    return found, whole

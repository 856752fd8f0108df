"""A run as torch.distributed.checkpoint saves and loads it: each process its part, for as many as there are then.

Knows which of a run's tensors torch may spread, and packs the rest, by name, so that groups may be others by then.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from paramgroups.errors import UnsavableError
from paramgroups.hyperparameters import class_of
from paramgroups.params import labels, unwrapped
from paramgroups.scheduler import Scheduler
from paramgroups.spreading import is_spread
from paramgroups.state.checkpoint import content_of, restore
from paramgroups.state.fitting import Answers, Fitting
from paramgroups.state.matching import Hyperparameters, Missing, Policies, Unexpected
from paramgroups.state.named import names_by_group
from paramgroups.state.report import LoadReport


@final
class Distributed:
    """A run for `torch.distributed.checkpoint`: a `Stateful`, to be handed to its `save` and its `load`.

        dcp.save({"run": Distributed(optimizer, scheduler, model, extra)}, checkpoint_id=folder)

        run = Distributed(optimizer, scheduler, model)
        dcp.load({"run": run}, checkpoint_id=folder)
        print(run.report)

    Tensors are torch's to spread and to put in place; groups, settings, position, journal and bases go by name, as with
    `pg.save` and `pg.load`. So the plan, the number of processes and the way in which they share the model may all be
    others when it is loaded.

    torch wants everything that is here to have been saved. For what is new, hand it
    `planner=DefaultLoadPlanner(allow_partial_load=True)`; then it starts afresh.

    Args:
        optimizer: its state and what its groups are set to.
        scheduler: its position, bases and journal.
        model: its parameters and buffers; needed, too, where nobody named the optimizer's parameters.
        extra: anything of plain containers, numbers, text and tensors, of which the first process's is saved.
        hyperparameters, missing, unexpected: what to do on loading, as for `pg.load`.

    Raises:
        UnsavableError: an optimizer keeps state of other shapes than its parameters', which are spread over processes.

    Example:
        >>> import tempfile, warnings
        >>> import torch.distributed.checkpoint as dcp
        >>> net = nn.Linear(2, 1)
        >>> optimizer = torch.optim.AdamW(net.named_parameters(), lr=0.1)
        >>> run = Distributed(optimizer, model=net)
        >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")  # torch says that this is one process
        ...     _ = dcp.save({"run": Distributed(optimizer, model=net, extra={"epoch": 3})}, checkpoint_id=folder)
        ...     dcp.load({"run": run}, checkpoint_id=folder)
        >>> run.report.extra
        {'epoch': 3}
    """

    def __init__(
        self,
        optimizer: Optimizer,
        scheduler: Scheduler | None = None,
        model: nn.Module | None = None,
        extra: Any = None,
        *,
        hyperparameters: Hyperparameters = "current",
        missing: Missing = "fresh",
        unexpected: Unexpected = "drop",
    ) -> None:
        self._run = optimizer, scheduler, model
        self._extra = extra
        self._policies = Policies(hyperparameters, missing, unexpected, None)
        self._report: LoadReport | None = None

    @property
    def report(self) -> LoadReport:
        """What became of each parameter, what differs, and `extra`.

        Raises:
            RuntimeError: nothing was loaded.
        """
        if self._report is None:
            raise RuntimeError("Nothing was loaded yet.\nCall dcp.load({'run': run}, checkpoint_id=folder) first.")
        return self._report

    def state_dict(self) -> dict[str, Any]:
        """The tensors that are here, those that the optimizer has not made yet too, and the rest in one piece."""
        optimizer, scheduler, model = self._run
        content = content_of(optimizer, scheduler, model, self._extra)
        records = content["optimizer"]["parameters"]
        held = {name: list(record["state"]) for name, record in records.items()}
        to_come = {} if all(held.values()) else self._to_come()
        state = {name: record["state"] or to_come[name] for name, record in records.items()}
        described = {name: {**record, "state": {}} for name, record in records.items()}
        rest = {**content, "model": content["model"] is not None, "held": held}
        rest["optimizer"] = {**content["optimizer"], "parameters": described}
        return {"model": content["model"] or {}, "state": state, "rest": _packed(rest)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put what torch has loaded into the run.

        Raises:
            StateMismatchError, WrongModelError: as `pg.load`.
        """
        content = _unpacked(state_dict["rest"])
        held, loaded = content.pop("held"), state_dict["state"]
        for name, record in content["optimizer"]["parameters"].items():
            found = loaded.get(name, {})
            record["state"] = {key: found[key] for key in held[name] if key in found}
        content["model"] = dict(state_dict["model"]) if content["model"] else None
        self._report = restore("The checkpoint", content, *self._run, self._policies)

    def _to_come(self) -> dict[str, dict[str, Any]]:
        """By name, the state of each parameter as it is after a first step that moved nothing: room to load into."""
        optimizer = unwrapped(self._run[0])
        answers: Answers = {}
        found = {}
        names = names_by_group(optimizer, self._run[2])
        for label, group, own in zip(labels(optimizer), optimizer.param_groups, names, strict=True):
            fitting = Fitting(class_of(optimizer, group), group, answers)
            for name, parameter in zip(own, group["params"], strict=True):
                found[name] = _room(fitting, parameter, f"{name} in group {label.name!r}")
        return found


def _room(fitting: Fitting, parameter: Tensor, where: str) -> dict[str, Any]:
    """The state of a parameter that was not stepped yet."""
    if not is_spread(parameter):
        return fitting.fresh(parameter) or {}
    small = torch.zeros([min(size, 2) for size in parameter.shape], dtype=parameter.dtype)
    found = fitting.fresh(small) or {}
    for key, value in found.items():
        if isinstance(value, Tensor) and value.ndim:
            if value.shape != small.shape:
                raise UnsavableError(
                    where,
                    f"is spread over processes, and its {key} has another shape, which cannot be",
                    "Train with an optimizer whose state has its parameters' shapes, as AdamW's.",
                )
            found[key] = torch.zeros_like(parameter, dtype=value.dtype)
    return found


def _packed(rest: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    torch.save(rest, file)
    return file.getvalue()


def _unpacked(packed: bytes) -> dict[str, Any]:
    return torch.load(io.BytesIO(packed), weights_only=True)  # type: ignore[no-any-return]  # what was packed

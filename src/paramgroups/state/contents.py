"""What a checkpoint holds, in figures and tables, with nothing of the user's code at hand.

Knows what `save` writes; knows no model and no optimizer.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from paramgroups import inheritance
from paramgroups.errors import ForeignFileError, described
from paramgroups.hyperparameters import without_tensors
from paramgroups.state import files, layout
from paramgroups.tables import Table, show


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `save` was given, by part, each of them checked.

    Raises:
        CheckpointError: the file cannot be read, is damaged, none of ours, or of a newer version; or it holds no run.
        StateMismatchError: a part of it is malformed, or of a newer version.
    """
    content = parts(path)
    layout.checked(content["optimizer"])
    if content["scheduler"] is not None:
        inheritance.checked(content["scheduler"])
    return content


def parts(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `save` was given, by part: `optimizer`, `scheduler`, `model`, `extra`; nothing in them is looked at.

    Raises:
        CheckpointError: the file cannot be read, is damaged, none of ours, or of a newer version; or it holds no run.
    """
    content = files.read(path)
    lacking = [part for part in ("optimizer", "scheduler", "model", "extra") if part not in content]
    if lacking:
        raise ForeignFileError(str(path), f"holds no run: {', '.join(lacking)} is missing", "Name one that save wrote.")
    return content


def summary(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint holds, as JSON could hold it; of tensors how many there are, and how large.

    Example:
        >>> import torch
        >>> from paramgroups.state import named_state
        >>> net = torch.nn.Linear(2, 1)
        >>> state = named_state(torch.optim.SGD(net.named_parameters()))
        >>> found = summary({"optimizer": state, "scheduler": None, "model": net.state_dict(), "extra": None})
        >>> found["step"], found["model"], found["groups"][0]["parameters"]
        (None, {'tensors': 2, 'elements': 3, 'bytes': 12}, ['weight', 'bias'])
    """
    state, scheduler, model, extra = (content[part] for part in ("optimizer", "scheduler", "model", "extra"))
    shapes = {name: record["shape"] for name, record in state["parameters"].items()}
    return {
        "optimizer": state["optimizer"][0],
        "state": _size([*(record["state"] for record in state["parameters"].values()), state["others"]]),
        "model": None if model is None else _size(model),
        "step": None if scheduler is None else scheduler["step"],
        "horizon": None if scheduler is None else scheduler.get("horizon"),
        "journal": [] if scheduler is None else list(scheduler["journal"]),
        "extra": list(map(str, extra)) if isinstance(extra, Mapping) else [] if extra is None else [described(extra)],
        "groups": [
            {
                "name": group["name"],
                "rules": list(group["rules"]),
                "parameters": list(group["parameters"]),
                "elements": sum(math.prod(shapes[name]) for name in group["parameters"]),
                "hyperparameters": {key: without_tensors(value) for key, value in group["settings"].items()},
                "run": {key: without_tensors(value) for key, value in group["run"].items()},
            }
            for group in state["groups"]
        ],
        "schedules": schedules(scheduler),
    }


def tables(found: Mapping[str, Any]) -> list[Table]:
    """A summary for people: its parts, then a row for each group, then one for each schedule."""
    step, entries = found["step"], len(found["journal"])
    rows = [
        ("optimizer", found["optimizer"]),
        ("state", _told(found["state"])),
        ("model", _told(found["model"])),
        ("position", "no scheduler" if step is None else f"update {step:,}"),
        ("horizon", found["horizon"] or "none"),
        ("journal", f"{entries:,} {'entry' if entries == 1 else 'entries'}"),
        ("extra", ", ".join(found["extra"]) or "nothing"),
    ]
    keys = list(dict.fromkeys(key for group in found["groups"] for key in group["hyperparameters"]))
    groups = [
        (
            group["name"],
            f"{len(group['parameters']):,}",
            f"{group['elements']:,}",
            *(show(group["hyperparameters"][key]) if key in group["hyperparameters"] else "—" for key in keys),
        )
        for group in found["groups"]
    ]
    driven = [
        ("every group" if group == "*" else group, path, code or "none")
        for key, code in found["schedules"].items()
        for path, _, group in [key.partition("/")]
    ]
    return [
        Table(("part", "held"), tuple(rows)),
        Table(("group", "tensors", "elements", *keys), tuple(groups)),
        *([Table(("in", "hyperparameter", "schedule"), tuple(driven))] if driven else []),
    ]


def schedules(scheduler: Mapping[str, Any] | None) -> dict[str, str | None]:
    """The schedules of a saved scheduler, by `hyperparameter/group`; `*` is every group."""
    written = [] if scheduler is None else scheduler.get("schedules", [])
    return {f"{path}/{'*' if key is None else key}": code for key, own in written for path, code in own.items()}


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What is in containers within containers, each with the way to it; empty ones are nothing.

    Example:
        >>> list(leaves({"a": [1, 2], "b": {}}))
        [(('a', '0'), 1), (('a', '1'), 2)]
    """
    items = dict(enumerate(value)) if isinstance(value, (list, tuple)) else value
    if isinstance(items, Mapping):
        for key, item in items.items():
            yield from leaves(item, (*path, str(key)))
    else:
        yield path, value


def _size(value: Any) -> dict[str, int]:
    tensors = [leaf for _, leaf in leaves(value) if isinstance(leaf, Tensor)]
    return {
        "tensors": len(tensors),
        "elements": sum(tensor.numel() for tensor in tensors),
        "bytes": sum(tensor.numel() * tensor.element_size() for tensor in tensors),
    }


def _told(size: Mapping[str, int] | None) -> str:
    return "none" if size is None else ", ".join(f"{number:,} {unit}" for unit, number in size.items())

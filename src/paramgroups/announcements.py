"""What a plan is to thaw later, from when the optimizer is built until a timetable takes care of it.

Knows optimizers and what was announced for them; knows no time. A step before anything takes care of it is an error.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from paramgroups.errors import FreezeError, listing
from paramgroups.plan.grouping import Thawing

_ANNOUNCED: weakref.WeakKeyDictionary[Optimizer, tuple[Sequence[Thawing], RemovableHandle]] = (
    weakref.WeakKeyDictionary()
)


def announce(optimizer: Optimizer, thaws: Sequence[Thawing]) -> None:
    """Remember what is to be thawed, in place of what was announced before."""
    taken(optimizer)
    if thaws:
        check: Any = torch.compiler.disable(_check)  # type: ignore[no-untyped-call]  # so is torch's
        _ANNOUNCED[optimizer] = (thaws, optimizer.register_step_pre_hook(check))


def announced(optimizer: Optimizer) -> Sequence[Thawing]:
    """What is to be thawed, and nothing takes care of yet."""
    return _ANNOUNCED[optimizer][0] if optimizer in _ANNOUNCED else ()


def taken(optimizer: Optimizer) -> None:
    """Something takes care of it from now on."""
    if optimizer in _ANNOUNCED:
        _ANNOUNCED.pop(optimizer)[1].remove()


def _check(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
    rules = [f"rule {each.rule!r} until {each.when!r}" for each in announced(optimizer)]
    raise FreezeError(
        f"The plan freezes parameters until later ({listing(rules)}), and nothing is there to thaw them.",
        "Make what does, before the first step: pg.Timetable(model, optimizer, scheduler).",
    )

"""Optimizers that were copied without what drives them: their first step says so.

Knows that a copy or a pickle of an optimizer has its defaults and none of its hooks; knows nothing of what drives it.
"""

from __future__ import annotations

import functools
from typing import Any

from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from paramgroups.errors import ClockError


class _Alone(dict[str, Any]):
    """The defaults of a copy, until something drives it."""

    def __init__(self, defaults: dict[str, Any]) -> None:
        super().__init__(defaults)
        _watch()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Alone, (dict(self),)


class _Driven(_Alone):
    """The defaults of an optimizer that something drives: of all that it has, what a copy has too."""

    def __init__(self, defaults: dict[str, Any]) -> None:
        dict.__init__(self, defaults)


def mark(optimizer: Optimizer) -> None:
    """Say that something drives an optimizer, so that a copy that nothing drives is found out."""
    optimizer.defaults = _Driven(optimizer.defaults)


def unmark(optimizer: Optimizer) -> None:
    """Say that nothing drives it any more."""
    optimizer.defaults = dict(optimizer.defaults)


@functools.cache
def _watch() -> None:
    """From the first copy on, look at whatever makes a step."""
    register_optimizer_step_pre_hook(_check)


def _check(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
    if type(optimizer.defaults) is _Alone:
        raise ClockError(
            "This optimizer was copied or unpickled without its Scheduler: no schedule would reach its groups.",
            "Copy both at once, copy.deepcopy((optimizer, scheduler)), or make a Scheduler for it and load the other's "
            "state_dict(). If its values are to stay as they are: optimizer.defaults = dict(optimizer.defaults).",
        )

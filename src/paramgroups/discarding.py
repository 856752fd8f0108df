"""Gradients that are computed and thrown away: how a parameter is frozen that other processes wait for.

Knows tensors and steps; knows nothing of models or reasons.

DistributedDataParallel takes note of what requires gradients when it wraps a model, and waits for each of them in every
backward pass. So what is to be thawed later goes on requiring them: they are made 0, whatever was computed, before they
are summed up over processes and counted by whoever clips them; and taken away before the optimizer's step.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle, unserializable_hook
from torch.utils.weak import WeakIdKeyDictionary

_DISCARDED = WeakIdKeyDictionary()
"""Parameter -> the handle of its hook."""

_WATCHED: weakref.WeakSet[Optimizer] = weakref.WeakSet()


def discard(parameters: Iterable[Tensor], optimizer: Optimizer) -> None:
    """Let gradients of these parameters be 0 from now on, and gone before each step of the optimizer."""
    if optimizer not in _WATCHED:
        uncompiled: Callable[..., None] = torch.compiler.disable(_take_away)  # type: ignore[no-untyped-call]  # so is torch's
        optimizer.register_step_pre_hook(uncompiled)
        _WATCHED.add(optimizer)
    for parameter in parameters:
        if parameter not in _DISCARDED:
            _DISCARDED[parameter] = parameter.register_hook(_nothing)  # type: ignore[no-untyped-call]  # as above


def keep(parameter: Tensor) -> None:
    """Let a parameter have its gradients again."""
    handle: RemovableHandle | None = _DISCARDED.pop(parameter, None)  # type: ignore[no-untyped-call]  # as above
    if handle is not None:
        handle.remove()


def is_discarded(parameter: Tensor) -> bool:
    """Whether the gradients of a parameter are thrown away."""
    return len(_DISCARDED) > 0 and parameter in _DISCARDED  # asked of every parameter, where mostly there are none


def _nothing(gradient: Tensor) -> Tensor:
    return torch.zeros_like(gradient)


unserializable_hook(_nothing)  # type: ignore[no-untyped-call]  # marks it: a copy is made without


def _take_away(_optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
    for parameter in list(_DISCARDED):
        parameter.grad = None

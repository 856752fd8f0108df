"""A step that is one update: what every optimizer of ours shares, whatever its update is.

Knows closures, and the hooks that torch wraps around a step; knows no algorithm.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch._C._autograd import _profiler_enabled
from torch.compiler import is_compiling
from torch.optim import Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks


def hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step between its hooks, as torch makes one of each class's; recorded only while a profiler listens.

    Telling a profiler of a step takes longer than the step of a small model.
    """
    recorded = Optimizer.profile_hook_step(step)

    @functools.wraps(step)
    def call(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if _profiler_enabled() or is_compiling():
            return recorded(self, *args, **kwargs)
        given = (self, *args), kwargs
        for hook in chain(_global_optimizer_pre_hooks.values(), self._optimizer_step_pre_hooks.values()):
            answer: Any = hook(self, *given)
            if answer is not None:
                given = _replaced(answer, step)
        result = step(*given[0], **given[1])
        for after in chain(self._optimizer_step_post_hooks.values(), _global_optimizer_post_hooks.values()):
            after(self, *given)
        return result

    call.hooked = True  # type: ignore[attr-defined]  # so that torch leaves it as it is
    return call


def _replaced(answer: object, step: object) -> tuple[Any, Any]:
    """The arguments that a hook gives a step instead of its own."""
    match answer:
        case tuple((args, kwargs)):
            return args, kwargs
        case _:
            raise RuntimeError(f"A hook before {step} returned {answer!r}.\nIt may return None, or (args, kwargs).")


class Updating(Optimizer):
    """An optimizer that updates all it has in one go; mixed into a class of torch's, before it."""

    @hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: evaluated first, once, with gradients enabled, as in torch.

        Returns:
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._update()
        return loss

    def _update(self) -> None:
        """One update of every parameter that has a gradient."""
        raise TypeError(
            f"{type(self).__name__} has no update, and so no step.\nMix Updating into a class that has one."
        )


def unhooked(step: Any) -> Callable[..., Any]:
    """A class's step, without the hooks that torch wraps around it at first use."""
    while getattr(step, "hooked", False):
        step = step.__wrapped__
    return step  # type: ignore[no-any-return]  # it was found in a class

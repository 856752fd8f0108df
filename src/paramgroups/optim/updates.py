"""A step that is one update: what every optimizer of ours shares, whatever its update is.

Knows closures, and the hooks that torch wraps around a step; knows no algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


class Updating(Optimizer):
    """An optimizer that updates all it has in one go; mixed into a class of torch's, before it."""

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
        raise NotImplementedError


def unhooked(step: Any) -> Callable[..., Any]:
    """A class's step, without the hooks that torch wraps around it at first use."""
    while getattr(step, "hooked", False):
        step = step.__wrapped__
    return step  # type: ignore[no-any-return]  # it was found in a class

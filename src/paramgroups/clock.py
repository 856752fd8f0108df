"""When an optimizer step really happened: a count that follows the optimizer's own hooks.

Knows one optimizer's steps and loads; knows nothing of schedules or values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, final

import torch
import torch.distributed as dist
from torch import Tensor
from torch.compiler import is_dynamo_compiling
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from paramgroups.errors import ClockError, ClockStalledError
from paramgroups.hyperparameters import number

ClockKind: TypeAlias = Literal["optimizer", "manual"]

_Hook: TypeAlias = Callable[[Optimizer, Any, Any], None]


def _unknown() -> None:
    """Stands in for what this torch does not tell."""


_compiler: Callable[[], object]  # what compiles the code that is running; None where nothing does
try:
    from torch._C._dynamo.eval_frame import get_eval_frame_callback as _compiler
except ImportError:
    _compiler = _unknown


@final
class Clock:
    """Counts updates: `step` of them have happened; when `stopped`, it counts no more.

    Args:
        optimizer: whose steps are counted.
        kind: `"optimizer"` counts its `step()` calls by their hooks, so that accumulation, a step that a GradScaler
            skipped (in the kernel too) or a wrapper's repeated calls do not count; `"manual"` counts `advance()`.
        before: called before each real step, whatever counts it, and before a load.
        after: called after each update that counts.
        loaded: called after the optimizer's state was loaded.
        stall_limit: how many calls of `checked` a process without an update between are too many.

    Raises:
        ClockError: there is no such kind of clock.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        kind: ClockKind,
        *,
        before: Callable[[], None],
        after: Callable[[], None],
        loaded: Callable[[], None],
        stall_limit: int,
    ) -> None:
        if kind not in {"optimizer", "manual"}:
            raise ClockError(f"There is no clock {kind!r}.", "Choose clock='optimizer' or clock='manual'.")
        self.step = 0
        self.kind = kind
        self.stall_limit = stall_limit
        self.stopped = False
        self._idle = 0
        self._pending = False
        self._before = before
        self._after = after
        self.recognise(optimizer)
        disable: Callable[[_Hook], _Hook] = torch.compiler.disable  # takes longer than a hook, so it is asked for first
        self._uncompiled = disable(self._stepping), disable(self._stepped)
        stepping, stepped = self._uncompiled if _compiler is _unknown else (self._stepping, self._stepped)
        self._handles: list[RemovableHandle] = [
            optimizer.register_step_pre_hook(stepping),
            optimizer.register_step_post_hook(stepped),
            optimizer.register_load_state_dict_pre_hook(lambda *_: before()),
            optimizer.register_load_state_dict_post_hook(lambda *_: loaded()),
        ]

    def checked(self) -> None:
        """Say that a training loop believes a step was made.

        Raises:
            ClockStalledError: it said so `stall_limit` times a process, and no step was made.
        """
        self._idle += 1
        if self._idle >= self.stall_limit * _processes():
            raise ClockStalledError(
                f"scheduler.step() was called {self._idle:,} times, and the optimizer made no step between: "
                f"the clock stands at {self.step:,}.",
                "Is it another optimizer that steps, or an engine that hides its steps? Pass the optimizer that is "
                "stepped, or let scheduler.step() move the clock: Scheduler(..., clock='manual').",
            )

    def advance(self) -> None:
        """Count one update, made by hand."""
        self._before()
        self.step += 1
        self._idle = 0
        self._after()

    def stop(self) -> None:
        """Leave the optimizer alone."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.stopped = True

    def recognise(self, optimizer: Optimizer) -> None:
        """Take the state and the parameters that are there now for the optimizer's own."""
        self._state, self._parameter = optimizer.state, _first(optimizer)

    # A hook leaves compiled code: traced, it would be compiled again for every number that it sees.

    def _stepping(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if is_dynamo_compiling() or _compiler() is not None:
            self._uncompiled[0](optimizer, args, kwargs)
            return
        self._pending = False
        state = optimizer.state
        if (state is self._state or not self._swapped(optimizer)) and (state or not _only_makes_state(optimizer)):
            self._before()
            self._pending = self.kind == "optimizer"

    def _stepped(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if is_dynamo_compiling() or _compiler() is not None:
            self._uncompiled[1](optimizer, args, kwargs)
            return
        if self._pending:
            self._pending = False  # a step that calls its parent's has two hooks after it, and is one update
            if "found_inf" not in optimizer.__dict__ or not _overflowed(optimizer):
                self.step += 1
                self._idle = 0
                self._after()

    def _swapped(self, optimizer: Optimizer) -> bool:
        """Whether another state has other parameters, as `torch.optim.swap_in_optimizer_params_and_state` has it."""
        return _first(optimizer) is not self._parameter


def _first(optimizer: Optimizer) -> Tensor | None:
    return next((parameter for group in optimizer.param_groups for parameter in group["params"]), None)


def _processes() -> int:
    """How often one update may be told of: accelerate tells its scheduler once for each process."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _overflowed(optimizer: Optimizer) -> bool:
    """Whether the step just made changed nothing, because a fused kernel was told of an overflow by a GradScaler.

    Reading the flag waits for the device, once a step.
    """
    flag = optimizer.__dict__["found_inf"]
    return flag is not None and bool(flag)


def _only_makes_state(optimizer: Optimizer) -> bool:
    """Whether a step about to be made without state is torch.distributed.checkpoint's, which only wants it to exist.

    It sets every lr to 0 and every gradient to exact zeros first. A warm-up from 0 is told apart by its gradients.
    """
    for group in optimizer.param_groups:
        lr = group.get("lr", 1.0)
        if (lr if isinstance(lr, float) else number(lr)) != 0.0:
            return False
    grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    return bool(grads) and not any(bool(grad.any()) for grad in grads)

"""A step that serves all groups at once: what every optimizer of ours does, whichever its algorithm.

Knows torch's optimizers, and makes one update of what the roster's tables serve and, inside the same step, of what they
do not, as torch does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import attrgetter
from typing import Any, ClassVar, Final

import torch
from torch import Tensor
from torch._C._autograd import _profiler_enabled
from torch.compiler import is_compiling
from torch.optim import Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from paramgroups.errors import CaptureError
from paramgroups.kernels.algorithm import Algorithm
from paramgroups.optim.ordinary import Group, served, usable
from paramgroups.optim.roster import Roster
from paramgroups.spreading import local

_GRADIENT: Final = attrgetter("grad")
_SCALING: Final = ("grad_scale", "found_inf")  # what a GradScaler leaves on the optimizer for the time of a step


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
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


class Tabled(Optimizer):
    """An optimizer whose step is made by tables of all groups' tensors; mixed into a class of torch's, before it.

    A group takes torch's own step where it asks for one: `foreach=True`, `fused=False`, `differentiable=True`. So does,
    in any group, what is not ordinary: sparse or complex tensors, other dtypes, gradients laid out otherwise than their
    parameters, and the first step of each parameter, in which torch makes its state.
    """

    numbers: ClassVar[tuple[str, ...]]
    """The hyperparameters that are numbers, in the order in which the algorithm's `scalars` takes them."""
    deciding: ClassVar[frozenset[str]] = frozenset()
    """Those of them that decide which algorithm a group takes."""
    assumed: ClassVar[Mapping[str, float]] = {}
    """The values of those that the groups of an older torch lack."""

    _step_supports_amp_scaling = True  # a GradScaler leaves unscaling and skipping to the step
    _roster: Roster | None = None
    _captured: Roster | None = None  # the one whose run a CUDA graph has

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._roster = None  # it would keep the state alive that has been replaced

    def algorithm(self, group: Group) -> Algorithm:
        """The update that a group's parameters take."""
        raise TypeError(
            f"{type(self).__name__} has no algorithm, and so no step.\nMix Tabled into a class that has one."
        )

    @_hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: evaluated first, with gradients enabled, as in torch.

        Returns:
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._update()
        return loss

    @torch.compiler.disable  # it cannot be followed
    def _update(self) -> None:
        """One update of every parameter that has a gradient."""
        with _set_aside(self, _SCALING) as (scale, overflow):
            if usable():
                self._update_by_tables(scale, overflow)
            elif not overflow:
                everything = chain.from_iterable(group["params"] for group in self.param_groups)
                self._update_otherwise([parameter for parameter in everything if parameter.grad is not None], scale)

    def _update_by_tables(self, scale: Tensor | None, overflow: Tensor | None) -> None:
        """One update of what the tables serve, and of what they do not."""
        roster, self._roster = self._roster, None  # which an error leaves behind, with all that it holds
        if roster is None or not roster.holds(self):
            roster = Roster(self)
        gradients = [*map(_GRADIENT, roster.parameters)]
        left = roster.look(gradients)
        if left and not overflow:  # None, or a tensor: on a GPU, only what is left waits for it
            self._update_otherwise([roster.parameters[place] for place in left], scale)
        roster.run(scale, overflow)
        if roster.captured:
            self._captured = roster
        if not roster.stale:
            self._roster = roster

    def refresh(self) -> None:
        """Bring the numbers that a captured step reads up to date with the groups': before its graph is replayed.

        A CUDA graph that has captured `step` reads lr, weight decay, betas and all other numbers from the device.
        Nothing is waited for. Where no step was captured, nothing is done.

        Raises:
            CaptureError: the captured step was of other parameters, other state, or groups of another kind.
        """
        if self._captured is None:
            return
        if self._captured is not self._roster or not self._roster.holds(self):
            raise CaptureError(
                "What the captured step was made from is no longer so: parameters, state, or what a group asks for",
                "Take a step, and capture the next one anew.",
            )
        self._roster.refresh()

    def _update_otherwise(self, parameters: Sequence[Tensor], scale: Tensor | None) -> None:
        """Update some parameters without tables, as if they were all there are."""
        divisor = 1.0 if scale is None else float(scale)
        chosen = set(map(id, parameters))
        own = self.param_groups
        lent = [group | {"params": [p for p in group["params"] if id(p) in chosen]} for group in own]
        for group in lent:
            on_cpu = all(parameter.device.type == "cpu" for parameter in group["params"])
            if served(group) and on_cpu:  # one tensor after the other: it must not matter which others there are
                group |= {key: False for key in ("foreach", "fused") if key in group}
        self.param_groups = lent
        try:
            with torch.no_grad():
                if divisor != 1.0:
                    for parameter in parameters:
                        local(parameter.grad).div_(divisor)
                self._plain_step()
        finally:
            self.param_groups = own

    def _plain_step(self) -> None:
        """The step of torch's class."""
        _unhooked_step(type(self))(self)  # type: ignore[arg-type]  # a class is hashable, whatever mypy reads


@contextmanager
def _set_aside(optimizer: Optimizer, names: Sequence[str]) -> Iterator[list[Any]]:
    """Take attributes from an optimizer for a while; None for those it lacks."""
    present = vars(optimizer)
    taken = {name: present.pop(name) for name in names if name in present}
    try:
        yield [taken.get(name) for name in names]
    finally:
        present.update(taken)


@functools.cache
def _unhooked_step(kind: Any) -> Callable[[Optimizer], Any]:
    """The step of the class of torch's below, without the hooks that torch wraps around it at first use."""
    below = kind.__mro__[kind.__mro__.index(Tabled) + 1 :]
    step: Any = next(vars(base)["step"] for base in below if "step" in vars(base))
    while getattr(step, "hooked", False):
        step = step.__wrapped__
    return step  # type: ignore[no-any-return]  # it was found in a class's dict

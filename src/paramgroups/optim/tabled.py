"""A step that serves all groups at once: what every optimizer of ours does, whichever its algorithm.

Knows torch's optimizers, and when their step is the ordinary one; whatever is not takes torch's own update, inside the
same step. Which tensors the tables serve is the roster's to know.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import attrgetter
from typing import Any, ClassVar, Final

import torch
from torch import Tensor
from torch.optim import Optimizer

from paramgroups.kernels.algorithm import Algorithm
from paramgroups.optim.roster import Group, Roster, local, served

_GRADIENT: Final = attrgetter("grad")
_SCALING: Final = ("grad_scale", "found_inf")  # what a GradScaler leaves on the optimizer for the time of a step


class Tabled(Optimizer):
    """An optimizer whose step is made by tables of all groups' tensors; mixed into a class of torch's, before it.

    A group takes torch's own step where it asks for one: `foreach=True`, `fused=False`, `differentiable=True`.
    """

    numbers: ClassVar[tuple[str, ...]]
    """The hyperparameters that are numbers, in the order in which the algorithm's `scalars` takes them."""
    deciding: ClassVar[frozenset[str]] = frozenset()
    """Those of them that decide which algorithm a group takes."""

    _step_supports_amp_scaling = True  # a GradScaler leaves unscaling and skipping to the step
    _roster: Roster | None = None

    @staticmethod
    def algorithm(group: Group) -> Algorithm:
        """The update that a group's parameters take."""
        raise TypeError("a class without an algorithm makes no steps")

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
        _uncompiled()(self)
        return loss

    def _serve(self) -> None:
        """One update of everything that has a gradient."""
        with _set_aside(self, _SCALING) as (scale, overflow):
            if overflow is not None and bool(overflow):
                return
            divisor = 1.0 if scale is None else float(scale)
            parameters = list(chain.from_iterable([group["params"] for group in self.param_groups]))
            if self._roster is None or not self._roster.holds(self, parameters):
                self._roster = Roster(self, parameters)
            roster = self._roster
            gradients = list(map(_GRADIENT, parameters))
            left = roster.look(parameters, gradients)
            if left:
                self._take_torchs_step([parameters[position] for position in left], divisor)
            roster.run(divisor)
            torch.autograd.graph.increment_version(roster.updated)  # autograd is told what it cannot see
            if roster.stale:
                self._roster = None

    def _take_torchs_step(self, parameters: Sequence[Tensor], divisor: float) -> None:
        """Let torch's own class update some parameters, as if they were the only ones."""
        if divisor != 1.0:
            for parameter in parameters:
                local(parameter.grad).div_(divisor)
        chosen = set(map(id, parameters))
        own = self.param_groups
        lent = [group | {"params": [p for p in group["params"] if id(p) in chosen]} for group in own]
        for group in lent:
            if served(group):  # a class's default may be one that takes all tensors of a group together
                group |= {key: False for key in ("foreach", "fused") if key in group}
        self.param_groups = lent
        try:
            with torch.no_grad():
                _unhooked_step(type(self))(self)
        finally:
            self.param_groups = own


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
def _uncompiled() -> Callable[[Tabled], None]:
    """The update, out of sight of torch.compile, which cannot follow it."""
    return torch.compiler.disable(Tabled._serve)  # type: ignore[no-any-return]  # torch does not type it


@functools.cache
def _unhooked_step(kind: type[Optimizer]) -> Callable[[Optimizer], Any]:
    """The step of the class of torch's below, without the hooks that torch wraps around it at first use."""
    below = kind.__mro__[kind.__mro__.index(Tabled) + 1 :]
    step = next(vars(base)["step"] for base in below if "step" in vars(base))
    while getattr(step, "hooked", False):
        step = step.__wrapped__
    return step  # type: ignore[no-any-return]  # it was found in a class's dict

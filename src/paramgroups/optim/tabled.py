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
from torch.optim import Optimizer

from paramgroups.kernels.algorithm import Algorithm
from paramgroups.optim.ordinary import Group, served
from paramgroups.optim.roster import Roster
from paramgroups.spreading import local

_GRADIENT: Final = attrgetter("grad")
_SCALING: Final = ("grad_scale", "found_inf")  # what a GradScaler leaves on the optimizer for the time of a step


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

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._roster = None  # it would keep the state alive that has been replaced

    def algorithm(self, group: Group) -> Algorithm:
        """The update that a group's parameters take."""
        raise TypeError(
            f"{type(self).__name__} has no algorithm, and so no step.\nMix Tabled into a class that has one."
        )

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
            if overflow is not None and bool(overflow):
                return
            divisor = 1.0 if scale is None else float(scale)
            parameters = list(chain.from_iterable([group["params"] for group in self.param_groups]))
            roster, self._roster = self._roster, None  # which an error leaves behind, with all that it holds
            if roster is None or not roster.holds(self, parameters):
                roster = Roster(self, parameters)
            left = roster.look(parameters, list(map(_GRADIENT, parameters)))
            if left:
                self._update_otherwise([parameters[position] for position in left], divisor)
            roster.run(divisor)
            torch.autograd.graph.increment_version(roster.updated)  # so that autograd sees what it was not told
            if not roster.stale:
                self._roster = roster

    def _update_otherwise(self, parameters: Sequence[Tensor], divisor: float) -> None:
        """Update some parameters without tables, as if they were all there are."""
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

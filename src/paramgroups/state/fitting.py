"""What an optimizer keeps for a parameter: asked of the class itself, by one step of a stand-in.

Knows how to construct and step an optimizer of the same class; knows no names and no file.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from paramgroups.hyperparameters import RESERVED, of_class, own_copy

IMPLEMENTATION = frozenset({"foreach", "fused", "capturable", "differentiable"})
"""Group entries that say how a step is computed here, and never what it comes to."""

_PLAIN = dict.fromkeys(IMPLEMENTATION, False)


def settings(optimizer: Optimizer, group: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a group that a user sets: what the class's constructor takes."""
    known = of_class(type(optimizer))
    return {key: value for key, value in group.items() if key in known and key not in RESERVED | IMPLEMENTATION}


def run_state(optimizer: Optimizer, group: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a group that belong to the run, as Prodigy's `d` and `k` do: no constructor takes them."""
    known = of_class(type(optimizer))
    return {key: value for key, value in group.items() if key not in known and key not in RESERVED}


class Fitting:
    """What one optimizer keeps for its parameters, asked once for each kind of group."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._known: dict[tuple[Any, ...], dict[str, Any] | None] = {}

    def kept(self, group: Mapping[str, Any], parameter: Tensor) -> frozenset[str] | None:
        """The entries of state it would keep for such a parameter; None where that cannot be found out."""
        options = settings(self._optimizer, group)
        key = (parameter.ndim, *((name, _kind(value)) for name, value in options.items()))
        if key not in self._known:
            small = torch.zeros([min(size, 2) for size in parameter.shape])
            self._known[key] = self.fresh(group, small)
        found = self._known[key]
        return None if found is None else frozenset(name for name, value in found.items() if value is not None)

    def fresh(self, group: Mapping[str, Any], like: Tensor) -> dict[str, Any] | None:
        """The state after a first step whose gradient was 0; None where the class cannot be stepped so."""
        parameter = torch.nn.Parameter(torch.zeros_like(like, dtype=torch.float32, device="cpu"))
        parameter.grad = torch.zeros_like(parameter)
        options = {key: own_copy(value) for key, value in settings(self._optimizer, group).items()}
        plain = {key: value for key, value in _PLAIN.items() if key in of_class(type(self._optimizer))}
        try:
            with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
                warnings.simplefilter("ignore")
                stand_in = type(self._optimizer)([parameter], **(options | plain))
                stand_in.step()
        except Exception:  # noqa: BLE001  # whatever a foreign class raises: it cannot be asked, and the caller is told
            return None
        return dict(stand_in.state.get(parameter, {}))


def _kind(value: Any) -> Any:
    """What of a setting may decide which state is kept: a switch, a word, whether a number is 0."""
    if isinstance(value, (tuple, list)):
        return tuple(_kind(item) for item in value)
    if isinstance(value, Tensor):
        return "tensor"
    return value != 0 if isinstance(value, (int, float)) and not isinstance(value, bool) else repr(value)

"""What an optimizer keeps for a parameter, and in a group: asked of the class itself, by one step of a stand-in.

Knows how to construct and step an optimizer of the same class; knows no names and no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from paramgroups.hyperparameters import ALGORITHM, RESERVED, algorithms_of, class_of, number, of_class, own_copy
from paramgroups.optim.composable import unseen

IMPLEMENTATION = frozenset({"foreach", "fused", "capturable", "differentiable"})
"""Group entries that say how a step is computed here, and never what it comes to."""

_PLAIN = dict.fromkeys(IMPLEMENTATION, False)
_NO_SETTINGS = RESERVED | IMPLEMENTATION

Answers: TypeAlias = dict[tuple[Any, ...], frozenset[str] | None]
"""What each kind of group was found to hold."""


def settings(optimizer: Optimizer, group: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a group that a user sets: what its class's constructor takes, and its algorithm of several."""
    known = _set_by_users(optimizer, group)
    return {key: value for key, value in group.items() if key in known and key not in _NO_SETTINGS}


def run_state(optimizer: Optimizer, group: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a group that no constructor takes: the run's, as Prodigy's `d` and `k`, and the user's own."""
    known = _set_by_users(optimizer, group)
    return {key: value for key, value in group.items() if key not in known and key not in RESERVED}


def _set_by_users(optimizer: Optimizer, group: Mapping[str, Any]) -> Set[str]:
    known = of_class(class_of(optimizer, group)).keys()
    return known if algorithms_of(optimizer) is None else known | {ALGORITHM}


class Fitting:
    """What an optimizer class keeps in a group, and for the parameters there.

    Args:
        kind: that is asked.
        group: with whose settings.
        answers: those of the optimizer's other groups, to ask once for each kind of group.
    """

    def __init__(self, kind: type[Optimizer], group: Mapping[str, Any], answers: Answers) -> None:
        self._class = kind
        known = of_class(kind)
        self._options = {key: value for key, value in group.items() if key in known and key not in _NO_SETTINGS}
        self._answers = answers
        self.kind = kind, *((name, _kind(value)) for name, value in sorted(self._options.items()))
        """Groups of one kind keep the same entries."""

    def kept(self, parameter: Tensor) -> frozenset[str] | None:
        """The entries of state that are kept for such a parameter; None where that cannot be found out."""
        key = (self.kind, parameter.ndim, parameter.dtype)
        if key not in self._answers:
            small = torch.zeros([min(size, 2) for size in parameter.shape], dtype=parameter.dtype)
            self._answers[key] = self._names(self.fresh(small))
        return self._answers[key]

    @property
    def own(self) -> frozenset[str] | None:
        """The entries that the class itself puts into a group; None where that cannot be found out."""
        if self.kind not in self._answers:
            stand_in = self._stepped(torch.ones(2, 2), torch.ones(2, 2))
            self._answers[self.kind] = self._names(None if stand_in is None else stand_in.param_groups[0])
        return self._answers[self.kind]

    def fresh(self, like: Tensor) -> dict[str, Any] | None:
        """The state after a first step whose gradient was 0; None where the class cannot be stepped so."""
        parameter = torch.zeros_like(like, device="cpu")
        stand_in = self._stepped(parameter, torch.zeros_like(parameter))
        return None if stand_in is None else dict(next(iter(stand_in.state.values()), {}))

    @staticmethod
    def _names(entries: Mapping[str, Any] | None) -> frozenset[str] | None:
        """Of those that hold anything."""
        return None if entries is None else frozenset(name for name, value in entries.items() if value is not None)

    def _stepped(self, start: Tensor, gradient: Tensor) -> Optimizer | None:
        """An optimizer of the class after one step; None where it cannot be made or stepped so."""
        options = {key: own_copy(value) for key, value in self._options.items()}
        plain = {key: value for key, value in _PLAIN.items() if key in of_class(self._class)}
        try:
            with unseen():
                parameter = torch.nn.Parameter(start)
                parameter.grad = gradient
                stand_in = self._class([parameter], **(options | plain))
                stand_in.step()
        except Exception:  # noqa: BLE001  # whatever a foreign class raises: it cannot be asked, and the caller is told
            return None
        return stand_in


def _kind(value: Any) -> Any:
    """What of a setting may decide which state is kept: a switch, a word, whether a number is 0."""
    if isinstance(value, (tuple, list)):
        return tuple(_kind(item) for item in value)
    if isinstance(value, Tensor):
        return "tensor", number(value) != 0
    return value != 0 if isinstance(value, (int, float)) and not isinstance(value, bool) else repr(value)

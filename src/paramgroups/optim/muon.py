"""Muon (Jordan et al., 2024): momentum made orthogonal, matrices of equal shape at once, whatever their groups.

Knows which matrices can go through one batch, and in what order, so that no grouping changes a bit of any of them.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch._compile import _disable_dynamo  # torch.compiler.disable, but loaded when it is needed

from paramgroups.errors import HyperparameterValueError, NotAMatrixError, ParamGroupsError
from paramgroups.optim.older import TorchsMuon
from paramgroups.optim.orthogonal import orthogonalized
from paramgroups.optim.updates import Updating
from paramgroups.spreading import spread_as, whole

_AT_ONCE: Final = {"cpu": 1 << 18}  # elements of a batch, unless a matrix has more: on a CPU what stays in its cache
_AT_ONCE_ELSEWHERE: Final = 1 << 24
_MATRIX: Final = 2  # dimensions
_MOST_STEPS: Final = 99  # torch's limit

T = TypeVar("T")

_RATIOS: Final[dict[str | None, Callable[[int, int], float]]] = {  # rows and columns -> what an lr is multiplied by
    None: lambda rows, columns: math.sqrt(max(1, rows / columns)),
    "original": lambda rows, columns: math.sqrt(max(1, rows / columns)),
    "match_rms_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
    "spectral_unclamped": lambda rows, columns: math.sqrt(rows / columns),  # torch takes it from 2.14
}


class _Kind(NamedTuple):
    """What the matrices of a batch have in common."""

    momentum: float
    nesterov: bool
    coefficients: tuple[float, float, float]
    steps: int
    eps: float
    dtype: torch.dtype
    device: torch.device
    spread: tuple[Any, Any]
    short: int
    long: int


class _Matrix(NamedTuple):
    """A parameter in one step."""

    parameter: Tensor
    gradient: Tensor
    momentum: Tensor
    kept: float  # what weight decay leaves of it
    lr: float  # adjusted to its shape


class Muon(Updating, TorchsMuon):
    """torch's Muon, stepping all groups at once.

        m ← μ m + (1 - μ) g;   u ← (1 - μ) g + μ m, or m without Nesterov's look ahead
        p ← (1 - lr · weight_decay) p - lr · ratio(shape) · orthogonal(u)

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); Liu et al., arXiv:2502.16982, for
    weight decay and `match_rms_adamw`. Matrices of equal shape are made orthogonal in one batch, a tall one as its
    transpose. On a CPU a batch is ordered by the matrices' own numbers, so that any partition into groups gives the
    same bits; which parameters have a gradient may still change the last of them.

    Arguments, defaults, state and `state_dict` are those of `torch.optim.Muon`, on a torch that has none too.

    Raises:
        NotAMatrixError: a parameter has other than two dimensions.
        HyperparameterValueError: a group's Newton–Schulz values, or its `adjust_lr_fn`, cannot be used. As the one
            before from `add_param_group` too, and from `step` where groups were edited.
        RuntimeError: from `step`: a parameter is complex, or a gradient sparse. In each case nothing was updated.

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(2, 2))
        >>> weight.grad = torch.tensor([[5.0, 0.0], [0.0, -0.01]])
        >>> Muon([weight], lr=1.0).step()
        >>> weight.round().tolist()
        [[-1.0, 0.0], [0.0, 1.0]]
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        try:
            self._check(len(self.param_groups) - 1)
        except (ParamGroupsError, RuntimeError):
            del self.param_groups[-1]
            raise

    @_disable_dynamo  # which would compile it anew for every set of gradients
    @torch.no_grad()
    def _update(self) -> None:
        """One update of everything that has a gradient."""
        for index in range(len(self.param_groups)):
            self._check(index)
        for kind, matrices in self._kinds().items():
            torch._foreach_lerp_([m.momentum for m in matrices], [m.gradient for m in matrices], 1 - kind.momentum)
            for batch in _parts(_distinct(matrices, kind), kind):
                _step(batch, kind)

    def _check(self, index: int) -> None:
        """Accept a group that a step can serve."""
        group = self.param_groups[index]
        where = f"group {group.get('name', index)!r}"
        if group["adjust_lr_fn"] not in _RATIOS:
            raise HyperparameterValueError("adjust_lr_fn", group["adjust_lr_fn"], where, f"one of {list(_RATIOS)}")
        if group["ns_steps"] > _MOST_STEPS:
            raise HyperparameterValueError("ns_steps", group["ns_steps"], where, f"at most {_MOST_STEPS}")
        if len(group["ns_coefficients"]) != len("abc"):
            raise HyperparameterValueError("ns_coefficients", group["ns_coefficients"], where, "three numbers")
        for position, parameter in enumerate(group["params"]):
            if parameter.ndim != _MATRIX:
                name = repr(group["param_names"][position]) if "param_names" in group else f"Parameter {position}"
                raise NotAMatrixError(name, where, tuple(parameter.shape), type(self).__name__)
            if parameter.grad is not None and parameter.is_complex():
                raise RuntimeError(f"Muon does not support complex parameters; there is one in {where}.")
            if parameter.grad is not None and parameter.grad.layout != torch.strided:
                raise RuntimeError(f"Muon does not support sparse gradients; there is one in {where}.")

    def _kinds(self) -> dict[_Kind, list[_Matrix]]:
        """The matrices that have a gradient, those together that can share a batch."""
        found: dict[_Kind, list[_Matrix]] = {}
        for group in self.param_groups:
            lr, ratio = group["lr"], _RATIOS[group["adjust_lr_fn"]]
            kept = float(1 - lr * group["weight_decay"])
            numbers = float(group["momentum"]), bool(group["nesterov"]), tuple(group["ns_coefficients"])
            alike = functools.partial(_Kind, *numbers, group["ns_steps"], group["eps"])
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                state = self.state[parameter]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(gradient, memory_format=torch.preserve_format)
                if parameter.numel() == 0:
                    continue
                short, long = sorted(parameter.shape)
                kind = alike(gradient.dtype, gradient.device, _spread(gradient), short, long)
                adjusted = float(lr * ratio(*parameter.shape))
                matrix = _Matrix(parameter, gradient, state["momentum_buffer"], kept, adjusted)
                found.setdefault(kind, []).append(matrix)
        return found


def _distinct(matrices: Sequence[_Matrix], kind: _Kind) -> list[list[_Matrix]]:
    """The matrices, those together whose updates are equal; on a CPU in an order that only their numbers decide.

    A product's rounding may depend on its place in a batch. Elsewhere than on a CPU, to look at numbers is to wait.
    """
    if len(matrices) == 1 or kind.device.type != "cpu":
        return [[matrix] for matrix in matrices]
    found: dict[bytes, list[_Matrix]] = {}
    for part in _parts(matrices, kind):
        for matrix, update in zip(part, _updates(part, kind), strict=True):
            digest = hashlib.sha1(update.view(torch.uint8).numpy().data, usedforsecurity=False).digest()
            found.setdefault(digest, []).append(matrix)
    return [found[digest] for digest in sorted(found)]


def _parts(items: Sequence[T], kind: _Kind) -> Iterator[Sequence[T]]:
    """The items, one a matrix, in parts whose batches have a bounded size."""
    most = max(1, _AT_ONCE.get(kind.device.type, _AT_ONCE_ELSEWHERE) // (kind.short * kind.long))
    return (items[start : start + most] for start in range(0, len(items), most))


def _updates(matrices: Sequence[_Matrix], kind: _Kind) -> list[Tensor]:
    """What is to be made orthogonal: bfloat16, no more rows than columns, contiguous."""
    momenta = [matrix.momentum for matrix in matrices]
    updates: Sequence[Tensor] = momenta
    if kind.nesterov:
        updates = torch._foreach_lerp([matrix.gradient for matrix in matrices], momenta, kind.momentum)
    return [_wide(whole(update)).bfloat16().contiguous() for update in updates]


def _step(batch: Sequence[list[_Matrix]], kind: _Kind) -> None:
    """Update the parameters of one batch."""
    updates = torch.stack(_updates([equal[0] for equal in batch], kind))
    updates = orthogonalized(updates, kind.coefficients, kind.steps, kind.eps)
    for equal, update in zip(batch, updates.unbind(), strict=True):
        for matrix in equal:  # one by one: for bfloat16, `_foreach_mul_` would round `kept` to .988 where it is .99
            matrix.parameter.mul_(matrix.kept)
            matrix.parameter.add_(_as_laid_out(update, matrix.parameter), alpha=-matrix.lr)


def _spread(tensor: Any) -> tuple[Any, Any]:
    """Over which processes a tensor is spread, and how."""
    return getattr(tensor, "device_mesh", None), getattr(tensor, "placements", None)


def _wide(matrix: Tensor) -> Tensor:
    """A matrix, transposed where it has more rows than columns."""
    return matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix


def _as_laid_out(update: Tensor, parameter: Any) -> Tensor:
    """A wide matrix in the shape of a parameter, and of a spread one this process's part."""
    rows, columns = parameter.shape
    return spread_as(update.mT if rows > columns else update, parameter)

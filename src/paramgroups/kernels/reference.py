"""An algorithm run on whole torch tensors, one operation after the other: this is its definition.

Knows torch; the other executors are held against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from paramgroups.kernels.algorithm import Algorithm, bound

_NARROW: Final = (torch.float16, torch.bfloat16)  # computed in float32, as torch's fused optimizers do


def _where(condition: Any, then: Any, otherwise: Any) -> Any:
    if isinstance(condition, Tensor):
        return torch.where(condition, then, otherwise)
    return then if condition else otherwise


_TENSORS: Final = {
    "sqrt": torch.sqrt,
    "where": _where,
    "maximum": lambda a, b: torch.maximum(torch.as_tensor(a, dtype=b.dtype, device=b.device), b),
    "sign": torch.sign,
}


@torch.no_grad()
def run(
    algorithm: Algorithm,
    parameter: Tensor,
    gradient: Tensor,
    state: Sequence[Tensor],
    step: float,
    values: Sequence[float],
) -> None:
    """Update one parameter and its state in place.

    Args:
        algorithm: what to do.
        parameter: updated.
        gradient: read; of the parameter's shape.
        state: updated, in the order of `algorithm.kept`; each of the parameter's shape.
        step: the number of this update, from 1.
        values: the hyperparameters, in the order in which `algorithm.scalars` takes them.
    """
    scalars = algorithm.scalars(step, *values)
    given = {key: _wide(tensor) for key, tensor in zip(algorithm.kept, state, strict=True)}
    everything = [given.get(key, 0.0) for key in algorithm.state]
    new, *found = bound(algorithm.update, _TENSORS)(_wide(parameter), _wide(gradient), *everything, *scalars)
    parameter.copy_(new)
    for key, value in zip(algorithm.state, found, strict=True):
        if key in given:
            state[algorithm.kept.index(key)].copy_(value)


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in _NARROW else tensor

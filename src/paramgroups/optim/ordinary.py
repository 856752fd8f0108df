"""Which groups and which parameters a table can serve; what is not ordinary is left to torch's own step.

Knows what groups ask for, and what tensors may be.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from paramgroups.kernels.algorithm import Algorithm
from paramgroups.spreading import local, spread_alike

if TYPE_CHECKING:
    from paramgroups.kernels.table import Row

Group = dict[str, Any]

PLAIN: Final = frozenset({Tensor, nn.Parameter})  # the numbers of a subclass may be elsewhere
_COUNTS: Final = frozenset({torch.float32, torch.float64})
_LAYOUT: Final = attrgetter("dtype", "device", "layout", "shape")


def served(group: Group) -> bool:
    """Whether a group leaves its step to tables, and there are any."""
    asks_for_torchs = group.get("foreach") or group.get("differentiable") or group.get("capturable")
    return not asks_for_torchs and group.get("fused") is not False and _usable()


@functools.cache
def _usable() -> bool:
    """Whether tables can be made here; where they cannot, a warning says once what is missed."""
    instead = "so paramgroups.optim takes torch's own steps, which pay for every group."
    try:
        from paramgroups.kernels.walk import AVAILABLE
    except ImportError:
        warnings.warn(
            f"numba is not installed, {instead} Install it with: pip install 'paramgroups[cpu]'", stacklevel=2
        )
        return False
    if not AVAILABLE:
        warnings.warn(f"torch {torch.__version__} does not say where its tensors are, {instead}", stacklevel=2)
    return AVAILABLE


def row_of(parameter: Tensor, kept: Mapping[str, Any], algorithm: Algorithm, group: int) -> Row | None:
    """A parameter's row; None where something about it is not ordinary, or its state is not there yet.

    Args:
        parameter: a dense tensor of a usual dtype on the processor, or this process's part of a distributed one.
        kept: its state.
        algorithm: what updates it.
        group: the index of its group.
    """
    from paramgroups.kernels.cpu import DTYPES
    from paramgroups.kernels.table import Row

    own = local(parameter)
    if type(own) not in PLAIN or own.dtype not in DTYPES or own.device.type != "cpu" or own.layout != torch.strided:
        return None
    if own.numel() == 0 or own.is_neg() or own.is_inference() or not torch.ops.aten.is_non_overlapping_and_dense(own):
        return None
    state = [kept.get(key) for key in algorithm.kept]
    step = kept.get("step") if algorithm.counts else None
    if not all(spread_alike(parameter, tensor) and _laid_out_as(own, local(tensor)) for tensor in state):
        return None
    if algorithm.counts and not _counts(step):
        return None
    return Row(own, tuple(map(local, state)), step, group)


def _laid_out_as(parameter: Tensor, tensor: Any) -> bool:
    """Whether the elements of `tensor` stand in memory as the parameter's do."""
    if type(tensor) is not Tensor or tensor.is_neg() or tensor.is_inference():
        return False
    return bool(_LAYOUT(tensor) == _LAYOUT(parameter)) and tensor.stride() == parameter.stride()


def _counts(step: Any) -> bool:
    """Whether `step` is a count of steps as torch keeps it."""
    if type(step) is not Tensor or step.is_inference():
        return False
    return step.ndim == 0 and step.dtype in _COUNTS and step.device.type == "cpu"

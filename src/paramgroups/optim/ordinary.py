"""Which groups and which parameters a table can serve; what is not ordinary is left to torch's own step.

Knows what groups ask for, and what tensors may be.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
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
ON_GPU: Final = "PARAMGROUPS_TRITON"
"""The environment variable that is 1 where GPUs are to be served: that has not been run on one yet."""
_INSTEAD: Final = "so paramgroups.optim takes torch's own steps, which pay for every group."
_LAYOUT: Final = attrgetter("dtype", "device", "layout", "shape")


def served(group: Group) -> bool:
    """Whether a group leaves its step to tables, and there are any for where its parameters are."""
    if group.get("foreach") or group.get("differentiable") or group.get("fused") is False or not usable():
        return False
    devices = {parameter.device.type for parameter in group.get("params", ())}
    capturable = group.get("capturable") and devices != {"cuda"}  # elsewhere it is torch's to say what it thinks of it
    return not capturable and all(map(_reached, devices))


@functools.cache
def usable() -> bool:
    """Whether tables can be made here; where they cannot, a warning says once what is missed."""
    try:
        from paramgroups.kernels.walk import AVAILABLE
    except ImportError:
        warnings.warn(
            f"numba is not installed, {_INSTEAD} Install it with: pip install 'paramgroups[cpu]'", stacklevel=2
        )
        return False
    if not AVAILABLE:
        warnings.warn(f"torch {torch.__version__} does not say where its tensors are, {_INSTEAD}", stacklevel=2)
    return AVAILABLE


@functools.cache
def _reached(device: str) -> bool:
    """Whether something can run a table on a kind of device, and may; a warning says once what is missed on GPUs."""
    if device == "cuda" and os.environ.get(ON_GPU) != "1":
        return False
    if device == "cuda" and find_spec("triton") is None:
        warnings.warn(f"triton is not installed, {_INSTEAD} Install it with: pip install triton", stacklevel=2)
        return False
    return device in {"cpu", "cuda"}


def row_of(parameter: Tensor, kept: Mapping[str, Any], algorithm: Algorithm, group: int) -> Row | None:
    """A parameter's row; None where something about it is not ordinary, or its state is not there yet.

    Args:
        parameter: a dense tensor of a usual dtype, or this process's part of a distributed one.
        kept: its state.
        algorithm: what updates it.
        group: the index of its group.
    """
    from paramgroups.kernels.table import Row

    own = local(parameter)
    if type(own) not in PLAIN or own.dtype not in _dtypes(own.device.type) or own.layout != torch.strided:
        return None
    if own.numel() == 0 or own.is_neg() or own.is_inference() or not torch.ops.aten.is_non_overlapping_and_dense(own):
        return None
    state = [kept.get(key) for key in algorithm.kept]
    step = kept.get("step") if algorithm.counts else None
    if not all(spread_alike(parameter, tensor) and _laid_out_as(own, local(tensor)) for tensor in state):
        return None
    if algorithm.counts and not _counts(step, own.device):
        return None
    return Row(own, tuple(map(local, state)), step, group)


@functools.cache
def _dtypes(device: str) -> frozenset[torch.dtype]:
    """What tables compute with on a kind of device."""
    if device == "cpu":
        from paramgroups.kernels import cpu

        return cpu.DTYPES
    if device == "cuda":
        from paramgroups.kernels import cuda

        return cuda.DTYPES
    return frozenset()


def _laid_out_as(parameter: Tensor, tensor: Any) -> bool:
    """Whether the elements of `tensor` stand in memory as the parameter's do."""
    if type(tensor) is not Tensor or tensor.is_neg() or tensor.is_inference():
        return False
    return bool(_LAYOUT(tensor) == _LAYOUT(parameter)) and tensor.stride() == parameter.stride()


def _counts(step: Any, device: torch.device) -> bool:
    """Whether `step` is a count of steps as torch keeps it, on a device."""
    if type(step) is not Tensor or step.is_inference():
        return False
    return step.ndim == 0 and step.dtype in _COUNTS and step.device == device


def bring_count(kept: dict[str, Any], parameter: Tensor) -> None:
    """Move a count of steps to the parameter's GPU, where torch's fused and capturable optimizers keep it."""
    step = kept.get("step")
    if parameter.is_cuda and type(step) is Tensor and not step.is_cuda:
        kept["step"] = step.to(parameter.device)

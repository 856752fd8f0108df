"""Modules pinned to evaluation: norms whose running statistics stay as they are, whoever calls `train()`.

Knows one module at a time, and how torch copies, pickles and compiles it; knows nothing of parameters.

A pinned module is of a class derived from its own, whose `training` reads False; what is written there is remembered.
A hook before `forward` would do the same but under `torch.compile`, which does not look again whether there are hooks.
"""

from __future__ import annotations

import functools
from types import new_class
from typing import Any

import torch
from torch import Tensor, nn

from paramgroups.errors import FreezeError


class _Pinned:
    """Reads `training` as False as long as the module is pinned."""

    _is_pinned = False
    _unpinned: type[nn.Module]

    @property
    def training(self) -> bool:
        """What the last `train()` or `eval()` said, and False where it is pinned."""
        return bool(self.__dict__["training"]) and not self._is_pinned

    @training.setter
    def training(self, mode: bool) -> None:
        self.__dict__["training"] = mode

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        reduced: Any = super().__reduce_ex__(max(protocol, 2))
        return (_remade, (self._unpinned, *reduced[1][1:]), *reduced[2:])


def has_statistics(module: nn.Module) -> bool:
    """Whether a module keeps running statistics, as torch's BatchNorm does unless told otherwise."""
    return "running_mean" in module._buffers and isinstance(module._buffers["running_mean"], Tensor)


def is_pinned(module: nn.Module) -> bool:
    """Whether a module is pinned to evaluation."""
    return bool(getattr(module, "_is_pinned", False))


def pin(module: nn.Module) -> None:
    """Let a module evaluate, until it is unpinned, whatever mode it is set to meanwhile.

    Raises:
        FreezeError: it is TorchScript, whose class is no one's to derive from.

    Example:
        >>> norm = nn.BatchNorm1d(2)
        >>> pin(norm)
        >>> norm.train().training
        False
        >>> unpin(norm)
        >>> norm.training
        True
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise FreezeError(
            "The running statistics of a norm in TorchScript cannot be frozen.",
            "Freeze the model and script it then, or freeze the parameters alone: freeze(..., batch_norm=False).",
        )
    if not isinstance(module, _Pinned):
        kind: Any = type(module)
        module.__class__ = _pinned(kind)
    module._is_pinned = True  # type: ignore[assignment]  # torch says that every attribute is a tensor or a module


def unpin(module: nn.Module) -> None:
    """Let a module have the mode again that it was last set to."""
    if is_pinned(module):
        del module._is_pinned
        made: Any = type(module)
        kind = made._unpinned
        if made is _pinned(kind):  # else another class was derived since, as FSDP's is
            module.__class__ = kind


@functools.cache
def _pinned(kind: Any) -> Any:
    """The class for pinned modules of a class; it bears the same name."""
    names = {**{key: getattr(kind, key) for key in ("__module__", "__qualname__", "__doc__")}, "_unpinned": kind}
    return new_class(kind.__name__, (_Pinned, kind), exec_body=lambda own: own.update(names))


def _remade(kind: Any, *arguments: Any) -> Any:
    """A pinned module, for copies and pickles to fill."""
    made = _pinned(kind)
    return made.__new__(made, *arguments)

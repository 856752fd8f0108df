"""Tensors that are spread over processes: what is here of one, all of it, and a whole one spread like it.

Knows torch's distributed tensors; a tensor that is none is its own whole, and nothing is asked of anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def is_spread(tensor: Any) -> bool:
    """Whether a tensor is distributed."""
    return hasattr(tensor, "full_tensor")


def local(tensor: Any) -> Any:
    """What this process holds of a distributed tensor; any other as it is."""
    return getattr(tensor, "_local_tensor", tensor)


def spread_alike(tensor: Any, other: Any) -> bool:
    """Whether two tensors are spread over the same processes in the same way, or both not at all."""
    return bool(getattr(tensor, "placements", None) == getattr(other, "placements", None))


def whole(tensor: Any) -> Tensor:
    """All of a tensor, gathered from the processes it is spread over, each of which must ask."""
    return tensor.full_tensor() if is_spread(tensor) else tensor  # type: ignore[no-any-return]  # a DTensor's is a Tensor


def spread_as(tensor: Tensor, like: Any) -> Tensor:
    """A whole tensor, of which every process has the same, spread as another; nothing is sent.

    Args:
        tensor: of the shape of `like`. One that is spread stays as it is.
        like: a tensor; where it is not distributed, `tensor` stays as it is.
    """
    if is_spread(tensor) or not is_spread(like):
        return tensor
    from torch.distributed.tensor import DTensor, Replicate

    everywhere = DTensor.from_local(tensor.to(like.device), like.device_mesh, [Replicate()] * like.device_mesh.ndim)
    return everywhere.redistribute(placements=like.placements)


def gathered(value: Any) -> tuple[Any, bool]:
    """Containers in which every distributed tensor is a whole one on the CPU, and whether this process is to write it.

    Where none is distributed, each process has everything, and any may write. Else each that shares in the tensors must
    ask, and the first of them writes.
    """
    writers: set[int] = set()

    def without(item: Any) -> Any:
        if is_spread(item):
            writers.add(int(item.device_mesh.mesh.flatten()[0]))
            return whole(item.detach()).cpu()
        if isinstance(item, Mapping):
            return {key: without(each) for key, each in item.items()}
        return type(item)(map(without, item)) if type(item) in {list, tuple} else item

    found = without(value)
    if not writers:
        return value, True
    from torch.distributed import get_rank

    return found, get_rank() == min(writers)

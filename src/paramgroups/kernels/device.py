"""What a GPU's kernels read: kept in the device's memory, filled in place, and never waited for.

Knows launches, streams and captured graphs. What is sent is in order with the work of the current stream, and leaves
from memory that nobody writes again before it has left.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paramgroups.errors import CaptureError
from paramgroups.kernels import cuda
from paramgroups.kernels.algorithm import Algorithm
from paramgroups.kernels.walk import READY

_CAPTURED: Final[list[object]] = []  # what a graph reads must outlive it, and none tells when it is gone


def capturing(device: torch.device) -> bool:
    """Whether work for a device is recorded into a CUDA graph now, and not done."""
    if device.type != "cuda":
        return False
    with torch.cuda.device(device):
        return torch.cuda.is_current_stream_capturing()


def _outgoing(array: NDArray[Any], device: torch.device) -> Tensor:
    """The array in memory from which a device can take it later; torch gives such memory to nobody else until then."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory() if device.type == "cuda" else tensor


@final
class Mirror:
    """An array that stands in a device's memory too, in one place; sent again where it has changed.

    Args:
        array: of the shape and dtype that it keeps.
        device: whose memory.

    Example:
        >>> array = np.array([0.5, 0.25])
        >>> mirror = Mirror(array, torch.device("cpu"))
        >>> array[1] = 2.0
        >>> mirror.follow(array)
        >>> mirror.tensor.tolist(), [place.item() for place in mirror.places]
        ([0.5, 2.0], [0.5, 2.0])
    """

    def __init__(self, array: NDArray[Any], device: torch.device) -> None:
        self.tensor = torch.zeros(array.shape, dtype=torch.from_numpy(array).dtype, device=device)
        self._known = b""
        self.follow(array)

    @functools.cached_property
    def places(self) -> tuple[Tensor, ...]:
        """Each of its numbers, where it stands."""
        return self.tensor.view(-1).unbind()

    def follow(self, array: NDArray[Any]) -> None:
        """Send the array if it is not what was sent last."""
        known = array.tobytes()
        if known != self._known:
            self.tensor.copy_(_outgoing(array, self.tensor.device), non_blocking=True)
            self._known = known


@final
class Executor:
    """Updates the rows of a table on a GPU, in one launch; in one a row where rows write to the same memory.

    In a captured launch the addresses are those of the capture. The numbers are read from `values` at each replay, as
    everything else that is on the device.

    Args:
        memory: the device that has the rows' tensors.
        algorithm: what to do.
        dtype: of parameters, gradients and state.
        counted: of the counts of steps.
        groups: int64 `[rows]`, whose numbers each row reads.
        lengths: int64 `[rows]`, how many elements each has.
    """

    def __init__(
        self,
        memory: torch.device,
        algorithm: Algorithm,
        dtype: torch.dtype,
        counted: torch.dtype,
        groups: NDArray[np.int64],
        lengths: NDArray[np.int64],
    ) -> None:
        firsts = np.cumsum([0, *-(-lengths // cuda.STRETCH)])
        self.memory = memory
        self._kernel = cuda.compiled(algorithm, dtype, counted)
        self._firsts = firsts
        known = firsts.astype(np.int32), lengths, groups.astype(np.int32)
        self._rows = [torch.from_numpy(array).to(memory) for array in known]
        self._tickets = torch.zeros(len(lengths), dtype=torch.int32, device=memory)
        self._columns = 2 + len(algorithm.kept)  # of addresses of as many elements as the parameter has
        self._places: Mirror | None = None
        self._spare: tuple[Tensor, Tensor] | None = None

    def run(
        self,
        status: NDArray[np.int8],
        addresses: NDArray[np.int64],
        values: Tensor,
        scale: Tensor | None,
        overflow: Tensor | None,
        apart: Callable[..., bool],
    ) -> None:
        """Update every ready row.

        Args:
            status: what each row is.
            addresses: where its tensors are.
            values: as those of `Table.run`, on the device.
            scale: as that of `Table.run`.
            overflow: as that of `Table.run`.
            apart: `apart(gradients=True)` tells whether no two rows write to the same memory, their gradients included.
        """
        ready = status == READY
        if not ready.any():
            return
        together = apart(gradients=scale is not None)
        spans = (
            [(0, self._firsts[-1])] if together else zip(self._firsts[:-1][ready], self._firsts[1:][ready], strict=True)
        )
        places = addresses.copy()
        places[:, 1] *= ready  # without the address of a gradient, a row is left alone
        aligned = not (places[ready, : self._columns] % cuda.ALIGNMENT).any()
        here = [None if each is None else each.to(self.memory, non_blocking=True) for each in (scale, overflow)]
        with torch.cuda.device_of(self._tickets):
            sent = self._recorded(places, values) if capturing(self.memory) else self._sent(places)
            for first, last in spans:
                arguments = sent, *self._rows, values, self._tickets, *here, len(status), int(first)
                self._launch(int(last - first), aligned, *arguments)

    def _launch(self, programs: int, aligned: bool, *arguments: Tensor | int | None) -> None:
        self._kernel[(programs,)](*arguments, ALIGNED=aligned, **cuda.OPTIONS)

    def _sent(self, places: NDArray[np.int64]) -> Tensor:
        """The addresses, on the device."""
        if self._places is None:
            self._places = Mirror(places, self.memory)
        self._places.follow(places)
        if self._spare is None:  # no memory may be pinned while a graph is captured
            self._spare = _outgoing(places, self.memory), torch.empty_like(self._places.tensor)
        return self._places.tensor

    def _recorded(self, places: NDArray[np.int64], values: Tensor) -> Tensor:
        """The addresses, where only the captured launch reads them; the graph sends them at each replay."""
        if self._spare is None:
            raise CaptureError(
                "A second CUDA graph is being captured, and no step was taken after the first",
                "Take a step before each capture: it makes what the captured one will read.",
            )
        source, target = self._spare
        self._spare = None
        source.copy_(torch.from_numpy(places))
        _CAPTURED.append((self, source, target, values))
        return target.copy_(source, non_blocking=True)

"""A look at many tensors at once: is each what it was, and where are its numbers now?

Knows torch's C interface for compiled models, whose functions tell a tensor's data, shape, strides, dtype and device;
it stays the same from version to version, and a call costs nanoseconds. Knows nothing of what the tensors are for.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Final

import llvmlite.binding
import numba
import numpy as np
import torch
from numba import types
from numpy.typing import NDArray
from torch import Tensor

from paramgroups.kernels.jit import jit
from paramgroups.kernels.objects import LAYOUT, at, call, carray, list_item, pointer

_LIBRARY: Final = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}.get(sys.platform, "libtorch_cpu.so")
_PREFIX: Final = "aoti_torch_get_"
_BUMP: Final = "_ZN5torch8autograd4impl12bump_versionERKN2at6TensorE"
_WORDS: Final = ("data_ptr", "dim", "sizes", "strides", "dtype", "device_index")


def _load() -> tuple[bool, int]:
    """Make torch's functions known to compiled code.

    Returns:
        Whether this torch has them all, where they are looked for; and the address of the one that is no part of its C
        interface, 0 where it is missing.
    """
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / _LIBRARY))
    except OSError:
        return False, 0
    if LAYOUT is None or not all(hasattr(library, _PREFIX + word) for word in _WORDS):
        return False, 0
    for word in _WORDS:
        address = ctypes.cast(getattr(library, _PREFIX + word), ctypes.c_void_p).value
        llvmlite.binding.add_symbol(_PREFIX + word, address)
    bump = ctypes.cast(getattr(library, _BUMP), ctypes.c_void_p).value if hasattr(library, _BUMP) else None
    return True, bump or 0


AVAILABLE, _BUMPING = _load()
"""Whether this torch tells what is asked here."""

IDLE: Final = 0
"""The row has no gradient."""
READY: Final = 1
"""Its tensors are what they were."""
UNLIKE: Final = 2
"""Its gradient is not laid out as its parameter is."""
CHANGED: Final = 3
"""Its parameter or its state is no longer what it was."""

DTYPES: Final = {torch.float32: 6, torch.float64: 7, torch.bfloat16: 15, torch.float16: 5}
"""torch's own numbers for them, which its C interface answers."""

_SIGNATURE: Final = types.int32(types.intp, types.intp)  # (tensor, where to put the answer) -> 0, or an error
_data_ptr, _dim, _sizes, _strides, _dtype, _device_index = (
    types.ExternalFunction(_PREFIX + word, _SIGNATURE) for word in _WORDS
)


@jit
def _numbers(address, count):
    """So many int64, where they stand: no array is handed from function to function, which would count references."""
    return carray(pointer(address, numba.int64), (count,))


@jit
def _laid_out(tensor, ndim, shape, strides, where):
    """Whether a tensor is of a shape and, where they matter, has these strides: not those of an axis of one element."""
    answer = _numbers(where, 1)
    if _dim(tensor, where) != 0 or answer[0] != ndim:
        return False
    if ndim == 0:
        return True
    if _sizes(tensor, where) != 0:
        return False
    own_shape, wanted_shape = _numbers(answer[0], ndim), _numbers(shape, ndim)
    if _strides(tensor, where) != 0:
        return False
    own_strides, wanted_strides = _numbers(answer[0], ndim), _numbers(strides, ndim)
    for axis in range(ndim):
        size = wanted_shape[axis]
        if own_shape[axis] != size or (size > 1 and own_strides[axis] != wanted_strides[axis]):
            return False
    return True


@jit
def _place(tensor, dtype, keys, index, ndim, shape, strides, offset, where):
    """Where a tensor's numbers are; 0 where it has none, or is of another dtype, device, shape, or other strides.

    Args:
        tensor: where the pointer stands to what torch knows of it: torch's functions are given that place.
        dtype: by torch's number.
        keys: its dispatch keys.
        index: of its device; -1 where there is only one.
        ndim: how many axes.
        shape: where their sizes stand.
        strides: where their strides stand.
        offset: where a tensor keeps its dispatch keys.
        where: where torch may put an answer.
    """
    answer = _numbers(where, 1)
    answer[0] = 0  # some answers fill half of it
    if at(at(tensor) + offset) != keys or _dtype(tensor, where) != 0 or answer[0] != dtype:
        return 0
    if index >= 0 and (_device_index(tensor, where) != 0 or np.int32(answer[0]) != index):
        return 0
    if not _laid_out(tensor, ndim, shape, strides, where):
        return 0
    return answer[0] if _data_ptr(tensor, where) == 0 else 0


@jit
def look(
    parameters, gradients, places, state, steps, starts, shapes, strides, kind, layout, answers, addresses, status
):
    """Look at every row's tensors, note where their numbers are, and say of each row what it is.

    Args:
        parameters: a list, by its address.
        gradients: a list as long, of their gradients and None.
        places: int64 `[rows]`, where in these lists each row's tensors are.
        state: int64 `[rows, tensors]`, the objects of their state.
        steps: int64 `[rows]`, those of their counts of steps, or `[0]` where they have none.
        starts: int64 `[rows + 1]`, where each row's numbers begin in the next two.
        shapes: int64, all shapes, one after the other.
        strides: int64, all strides, one after the other.
        kind: the dtype of parameter, gradient and state, that of the counts, both by torch's numbers; the dispatch keys
            of all, and the index of their device, -1 where there is only one.
        layout: where a tensor's object has its pointer, where its dispatch keys stand, and None's address.
        answers: int64 `[1]`, where torch puts an answer.
        addresses: int64 `[rows, 2 + tensors + 1]`, replaced: parameter, gradient, state, count.
        status: int8 `[rows]`, filled with `IDLE`, `READY`, `UNLIKE` or `CHANGED`.

    Returns:
        How many rows are ready, and how many have a gradient and are not.
    """
    dtype, step_dtype, keys, index = kind
    tensor, offset, none = layout
    where, columns = answers.ctypes.data, state.shape[1]
    ready = wrong = 0
    for row in range(places.size):
        gradient = list_item(gradients, places[row])
        if gradient == none:
            status[row] = IDLE
            continue
        ndim = starts[row + 1] - starts[row]
        shape, stride = shapes.ctypes.data + 8 * starts[row], strides.ctypes.data + 8 * starts[row]
        own = list_item(parameters, places[row]) + tensor
        found = addresses[row, 0] = _place(own, dtype, keys, index, ndim, shape, stride, offset, where)
        same = found != 0
        for column in range(columns):
            own = state[row, column] + tensor
            found = addresses[row, 2 + column] = _place(own, dtype, keys, index, ndim, shape, stride, offset, where)
            same = same and found != 0
        if steps.size > 0:
            found = _place(steps[row] + tensor, step_dtype, keys, index, 0, 0, 0, offset, where)
            addresses[row, 2 + columns] = found
            same = same and found != 0
        found = addresses[row, 1] = _place(gradient + tensor, dtype, keys, index, ndim, shape, stride, offset, where)
        status[row] = CHANGED if not same else UNLIKE if found == 0 else READY
        ready += status[row] == READY
        wrong += status[row] != READY
    return ready, wrong


@jit
def _bump(parameters, places, status, tensor, function):
    for row in range(places.size):
        if status[row] == READY:
            call(function, list_item(parameters, places[row]) + tensor)


def tell(parameters: list[Tensor], places: NDArray[np.int64], status: NDArray[np.int8]) -> None:
    """Tell autograd that the parameters of the ready rows are changed, as torch's own functions do."""
    if _BUMPING and LAYOUT is not None:
        _bump(id(parameters), places, status, LAYOUT.tensor, _BUMPING)
    else:
        ready = [parameters[place] for place in places[status == READY]]
        torch.autograd.graph.increment_version(ready)

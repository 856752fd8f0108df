"""A look at many tensors at once: is each what it was, and where are its numbers now?

Knows torch's C interface for compiled models, whose functions tell a tensor's data, shape, strides, dtype and device;
it stays the same from version to version, and a call costs nanoseconds. Knows nothing of what the tensors are for.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any, Final

import llvmlite.binding
import numba
import numpy as np
import torch
from numba import types
from numba.extending import intrinsic

from paramgroups.kernels.jit import jit

_LIBRARY: Final = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}.get(sys.platform, "libtorch_cpu.so")
_PREFIX: Final = "aoti_torch_get_"
_WORDS: Final = ("data_ptr", "dim", "sizes", "strides", "dtype", "layout", "device_type", "device_index")


def _load() -> bool:
    """Make torch's functions known to compiled code; False where this torch lacks one, or keeps them elsewhere."""
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / _LIBRARY))
    except OSError:
        return False
    if not all(hasattr(library, _PREFIX + word) for word in _WORDS):
        return False
    for word in _WORDS:
        address = ctypes.cast(getattr(library, _PREFIX + word), ctypes.c_void_p).value
        llvmlite.binding.add_symbol(_PREFIX + word, address)
    return True


AVAILABLE: Final = _load()
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
DEVICES: Final = {"cpu": 0, "cuda": 1}

_SIGNATURE: Final = types.int32(types.intp, types.intp)  # (tensor, where to put the answer) -> 0, or an error
_data_ptr, _dim, _sizes, _strides, _dtype, _layout, _device_type, _device_index = (
    types.ExternalFunction(_PREFIX + word, _SIGNATURE) for word in _WORDS
)


def _pointer(typing_context: Any, address: Any, dtype: Any) -> Any:
    kind = types.CPointer(dtype.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(kind))

    return kind(address, dtype), generate


carray: Any = numba.carray  # type: ignore[attr-defined]  # it is documented, and not in numba's __all__
pointer: Any = intrinsic(_pointer)
"""An address as a pointer to numbers of a dtype, in compiled code."""


@jit
def _numbers(address, count):
    """So many int64, where they stand: no array is handed from function to function, which would count references."""
    return carray(pointer(address, numba.int64), (count,))


@jit
def _laid_out(tensor, dtype, ndim, shape, strides, where):
    """Whether a dense tensor is of this dtype, shape and, where they matter, strides."""
    answer = _numbers(where, 1)
    answer[0] = 0  # the first answer fills half of it
    if (_dtype(tensor, where) != 0 or answer[0] != dtype) or (_dim(tensor, where) != 0 or answer[0] != ndim):
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
def _alike(tensor, dtype, device, ndim, shape, strides, where):
    """Whether a tensor is dense, on such a device, and laid out so."""
    answer = _numbers(where, 1)
    answer[0] = 0  # all three answers fill half of it
    if (_layout(tensor, where) != 0 or answer[0] != 0) or (_device_type(tensor, where) != 0 or answer[0] != device[0]):
        return False  # layout 0 is strided
    if _device_index(tensor, where) != 0 or np.int32(answer[0]) != device[1]:
        return False
    return _laid_out(tensor, dtype, ndim, shape, strides, where)


@jit
def _followed(tensor, before, dtype, device, ndim, shape, strides, where):
    """Where the numbers of a tensor are now that were at `before`; 0 if it is no longer what it was."""
    if _data_ptr(tensor, where) != 0:
        return 0
    place = _numbers(where, 1)[0]
    if place == before:  # which is still dense memory of the same device
        return place if _laid_out(tensor, dtype, ndim, shape, strides, where) else 0
    return place if _alike(tensor, dtype, device, ndim, shape, strides, where) else 0


@jit
def look(parameters, gradients, state, steps, starts, shapes, strides, kind, answers, addresses, status):
    """Look at every row's tensors, note where their numbers are, and say of each row what it is.

    Args:
        parameters: int64 `[rows]`, where torch keeps what it knows of the parameters (`Tensor._cdata`).
        gradients: int64 `[rows]`, the same of their gradients, 0 where there is none.
        state: int64 `[rows, tensors]`, the same of their state.
        steps: int64 `[rows]`, the same of their counts of steps, or `[0]` where they have none.
        starts: int64 `[rows + 1]`, where each row's numbers begin in the next two.
        shapes: int64, all shapes, one after the other.
        strides: int64, all strides, one after the other.
        kind: the dtype of parameter, gradient and state, that of the counts, and the device of all (its kind and its
            index, -1 for the processor), by torch's numbers.
        answers: int64 `[1]`, where torch puts an answer.
        addresses: int64 `[rows, 2 + tensors + 1]`, those of the last look, replaced: parameter, gradient, state, count.
        status: int8 `[rows]`, filled with `IDLE`, `READY`, `UNLIKE` or `CHANGED`.

    Returns:
        How many rows are ready, and how many have a gradient and are not.
    """
    dtype, step_dtype, device = kind
    where, columns = answers.ctypes.data, state.shape[1]
    ready = wrong = 0
    for row in range(parameters.size):
        if gradients[row] == 0:
            status[row] = IDLE
            continue
        ndim = starts[row + 1] - starts[row]
        shape, stride = shapes.ctypes.data + 8 * starts[row], strides.ctypes.data + 8 * starts[row]
        status[row] = CHANGED
        wrong += 1
        tensor = parameters.ctypes.data + 8 * row  # torch's functions are given the place where a pointer stands
        place = addresses[row, 0] = _followed(tensor, addresses[row, 0], dtype, device, ndim, shape, stride, where)
        same = place != 0
        for column in range(2, 2 + columns):
            tensor, before = state.ctypes.data + 8 * (row * columns + column - 2), addresses[row, column]
            place = addresses[row, column] = _followed(tensor, before, dtype, device, ndim, shape, stride, where)
            same = same and place != 0
        if steps.size > 0:
            tensor, before = steps.ctypes.data + 8 * row, addresses[row, 2 + columns]
            place = addresses[row, 2 + columns] = _followed(tensor, before, step_dtype, device, 0, 0, 0, where)
            same = same and place != 0
        if not same:
            continue
        status[row] = UNLIKE
        tensor = gradients.ctypes.data + 8 * row
        if not _alike(tensor, dtype, device, ndim, shape, stride, where):
            continue
        if _data_ptr(tensor, where) != 0 or answers[0] == 0:  # torch has zeros that stand nowhere
            continue
        addresses[row, 1] = answers[0]
        status[row] = READY
        ready += 1
        wrong -= 1
    return ready, wrong

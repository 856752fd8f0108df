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
import torch
from numba import types
from numba.extending import intrinsic

from paramgroups.kernels.jit import jit

_LIBRARY: Final = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}.get(sys.platform, "libtorch_cpu.so")
_PREFIX: Final = "aoti_torch_get_"
_WORDS: Final = ("data_ptr", "numel", "dim", "sizes", "strides", "dtype", "layout", "device_type")


def _load() -> bool:
    """Make torch's functions known to compiled code; False where this torch lacks one."""
    library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / _LIBRARY))
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
_data_ptr, _numel, _dim, _sizes, _strides, _dtype, _layout, _device_type = (
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
def _alike(tensor, dtype, device, shape, strides, answers):
    """Whether a tensor is dense, and of this dtype, device, shape and, where they matter, strides."""
    where = answers.ctypes.data
    answers[0] = 0  # the first three answers fill half of it
    if (
        (_layout(tensor, where) != 0 or answers[0] != 0)  # 0 is strided
        or (_device_type(tensor, where) != 0 or answers[0] != device)
        or (_dtype(tensor, where) != 0 or answers[0] != dtype)
        or (_dim(tensor, where) != 0 or answers[0] != shape.size)
        or _sizes(tensor, where) != 0
    ):
        return False
    own_shape = carray(pointer(answers[0], numba.int64), (shape.size,))
    if _strides(tensor, where) != 0:
        return False
    own_strides = carray(pointer(answers[0], numba.int64), (shape.size,))
    for axis in range(shape.size):
        if own_shape[axis] != shape[axis] or (shape[axis] > 1 and own_strides[axis] != strides[axis]):
            return False
    return True


@jit
def _followed(tensor, before, dtype, device, shape, strides, numel, answers):
    """Where the numbers of a tensor are now that were at `before`; 0 if it is no longer what it was.

    All is asked of one that has moved; of one that has not, whether as many numbers of the same size stand there.
    """
    where = answers.ctypes.data
    if _data_ptr(tensor, where) != 0:
        return 0
    place = answers[0]
    if place != before:
        return place if _alike(tensor, dtype, device, shape, strides, answers) else 0
    if _numel(tensor, where) != 0 or answers[0] != numel:
        return 0
    answers[0] = 0
    return place if _dtype(tensor, where) == 0 and answers[0] == dtype else 0


@jit
def look(parameters, gradients, state, steps, starts, shapes, strides, lengths, kind, answers, addresses, status):
    """Look at every row's tensors, note where their numbers are, and say of each row what it is.

    Args:
        parameters: int64 `[rows]`, where torch keeps what it knows of the parameters (`Tensor._cdata`).
        gradients: int64 `[rows]`, the same of their gradients, 0 where there is none.
        state: int64 `[rows, tensors]`, the same of their state.
        steps: int64 `[rows]`, the same of their counts of steps, or `[0]` where they have none.
        starts: int64 `[rows + 1]`, where each row's numbers begin in the next two.
        shapes: int64, all shapes, one after the other.
        strides: int64, all strides, one after the other.
        lengths: int64 `[rows]`, how many elements each has.
        kind: the dtype of parameter, gradient and state, that of the counts, and the device of all, by torch's numbers.
        answers: int64 `[1]`, where torch puts an answer.
        addresses: int64 `[rows, 2 + tensors + 1]`, those of the last look, replaced: parameter, gradient, state, count.
        status: int8 `[rows]`, filled with `IDLE`, `READY`, `UNLIKE` or `CHANGED`.

    Returns:
        How many rows are ready, and how many have a gradient and are not.
    """
    dtype, step_dtype, device = kind
    where = answers.ctypes.data
    columns = state.shape[1]
    ready = wrong = 0
    for row in range(parameters.size):
        if gradients[row] == 0:
            status[row] = IDLE
            continue
        shape, stride = shapes[starts[row] : starts[row + 1]], strides[starts[row] : starts[row + 1]]
        status[row] = CHANGED
        wrong += 1
        numel = lengths[row]
        tensor = parameters.ctypes.data + 8 * row  # torch's functions are given the place where a pointer stands
        place = addresses[row, 0] = _followed(tensor, addresses[row, 0], dtype, device, shape, stride, numel, answers)
        same = place != 0
        for column in range(columns):
            tensor = state.ctypes.data + 8 * (row * columns + column)
            before = addresses[row, 2 + column]
            place = addresses[row, 2 + column] = _followed(tensor, before, dtype, device, shape, stride, numel, answers)
            same = same and place != 0
        if steps.size > 0:
            tensor = steps.ctypes.data + 8 * row
            before = addresses[row, 2 + columns]
            none = shape[:0]
            place = addresses[row, 2 + columns] = _followed(tensor, before, step_dtype, device, none, none, 1, answers)
            same = same and place != 0
        if not same:
            continue
        status[row] = UNLIKE
        tensor = gradients.ctypes.data + 8 * row
        if not _alike(tensor, dtype, device, shape, stride, answers) or _data_ptr(tensor, where) != 0:
            continue
        addresses[row, 1] = answers[0]
        status[row] = READY
        ready += 1
        wrong -= 1
    return ready, wrong

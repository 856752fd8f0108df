"""Python's objects as compiled code sees them: what lists and dicts hold, and where a tensor keeps what torch knows.

Knows CPython's C interface, by which a look costs nanoseconds, and two places in memory that no interface tells. They
are found by looking at tensors of which the answer is known, in every process anew; `LAYOUT` is None where one is not.
All of it is for code that holds the interpreter's lock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import llvmlite.binding
import llvmlite.ir
import numba
import numpy as np
import torch
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray
from torch import Tensor, nn

from paramgroups.kernels.jit import jit


class Layout(NamedTuple):
    """Where things are, in bytes: given to compiled functions, as what they keep on disk may not depend on it."""

    tensor: int
    """From a tensor's object to the pointer to what torch knows of it, which is what a C++ `at::Tensor` is."""
    keys: int
    """From there to the dispatch keys, in which a tensor's layout, kind of device, negation and subclass show."""


def word(address: int) -> int:
    """Eight bytes of memory as a signed number."""
    return ctypes.c_int64.from_address(address).value


def keys_of(tensor: Tensor) -> int:
    """The dispatch keys of a tensor as a signed number."""
    return int(np.uint64(torch._C._dispatch_keys(tensor).raw_repr()).astype(np.int64))


def _specimens() -> list[Tensor]:
    """Tensors that differ in all that is looked for."""
    with torch.inference_mode():
        inferred = torch.ones(2)
    plain = torch.ones(3)
    others = torch._neg_view(plain), plain.to_sparse(), plain.double(), torch.empty(3, device="meta")
    return [plain, nn.Parameter(torch.ones(2, 2)), inferred, *others]


_OBJECT: Final = range(8, torch._C.TensorBase.__basicsize__, 8)
_IMPL: Final = range(0, 192, 8)  # less than torch's smallest kind of tensor takes


def _found_layout() -> Layout | None:
    """The places, each the only one where all specimens have what is known of them."""
    tensors = _specimens()
    tensor = [at for at in _OBJECT if all(word(id(each) + at) == each._cdata for each in tensors)]
    keys = [at for at in _IMPL if all(word(each._cdata + at) == keys_of(each) for each in tensors)]
    return Layout(tensor[0], keys[0]) if len(tensor) == len(keys) == 1 else None


LAYOUT: Final = _found_layout()
"""Where things are; None where one of them was not found."""

for _name in ("PyList_GetItem", "PyList_Size", "PyDict_Next"):
    _address = ctypes.cast(getattr(ctypes.pythonapi, _name), ctypes.c_void_p).value
    llvmlite.binding.add_symbol(_name, _address)

list_item: Any = types.ExternalFunction("PyList_GetItem", types.intp(types.intp, types.intp))
list_size: Any = types.ExternalFunction("PyList_Size", types.intp(types.intp))
dict_next: Any = types.ExternalFunction("PyDict_Next", types.int32(types.intp, types.intp, types.intp, types.intp))


def _pointer(typing_context: Any, address: Any, dtype: Any) -> Any:
    kind = types.CPointer(dtype.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(kind))

    return kind(address, dtype), generate


def _call(typing_context: Any, function: Any, argument: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = context.get_value_type(types.intp)
        kind = llvmlite.ir.FunctionType(llvmlite.ir.VoidType(), [integer])
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [arguments[1]])
        return context.get_dummy_value()

    return types.void(function, argument), generate


call: Any = intrinsic(_call)
"""Call what stands at an address, with one number, in compiled code."""
carray: Any = numba.carray  # type: ignore[attr-defined]  # it is documented, and not in numba's __all__
pointer: Any = intrinsic(_pointer)
"""An address as a pointer to numbers of a dtype, in compiled code."""


@jit
def at(address):
    """Eight bytes of memory, in compiled code."""
    return carray(pointer(address, numba.int64), (1,))[0]


def ids(objects: Iterable[object]) -> NDArray[np.int64]:
    """Where objects are, for as long as something keeps them alive."""
    return np.array([*map(id, objects)], dtype=np.int64)

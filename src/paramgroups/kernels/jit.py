"""How functions are compiled for the processor.

Knows numba's options, and where it may not keep what it has compiled.
"""

from __future__ import annotations

from typing import Any

import numba


def jit(function: Any, *, lock: bool = True) -> Any:
    """The function, compiled at its first call for the types of its arguments, and kept on disk where there is a place.

    Args:
        function: in numba's part of Python.
        lock: whether it keeps the interpreter's lock while it runs.
    """
    options: Any = {"nogil": not lock, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written to
        return numba.njit(**options)(function)

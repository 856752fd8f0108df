"""Python's garbage collector, told to wait.

Knows nothing of what is done meanwhile.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No garbage collection meanwhile; around a block, or as `@paused()` around a function.

    For work that makes an object for every parameter, and keeps it: each collection would look at all of them again,
    and find no garbage.

    Example:
        >>> with paused():
        ...     gc.isenabled()
        False
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

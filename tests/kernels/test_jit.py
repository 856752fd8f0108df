"""Compiled functions: kept where there is a place, compiled all the same where there is none."""

from typing import Any

import numba
import pytest

from paramgroups.kernels.jit import jit


def test_it_is_compiled_without_a_place_to_keep_it():
    """A function from no file cannot be kept; it runs all the same."""
    names: dict[str, Any] = {}
    exec("def half(x):\n    return x / 2", names)
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(names["half"])
    assert jit(names["half"])(3.0) == 1.5


def test_it_divides_as_torch_does():
    """By 0 too: optimizers meet infinities, not exceptions."""
    assert jit(lambda x, y: x / y, lock=False)(1.0, 0.0) == float("inf")

"""Two processes under torchrun train as one does: plan, groups, schedules, freezing and every optimizer of ours."""

import pytest

import parity

NAMES = [f"{way}, {name}" for way, names in parity.COMPARED.items() for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_train_as_one(name, together):
    """After 20 steps of the same batches the weights agree to rtol 1e-5; group tables and values are equal.

    In float64 each weight by itself. In float32 by the norm of each tensor, as AdamW magnifies the rounding of weights
    next to 0.
    """
    for found in together.of(name):
        assert found["steps"] == parity.STEPS
        assert found["moved"]
        assert found["names"]
        assert found["tables"]
        assert found["values"]
        assert found["by norm" if "float32" in name else "apart"] <= 1e-5

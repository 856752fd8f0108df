"""Distributed tensors and ordinary ones, asked the same questions; with processes, in `workers/together.py`."""

import torch

from paramgroups import spreading


def test_an_ordinary_tensor_is_its_own_whole():
    """Nothing is copied, and nobody is asked."""
    tensor = torch.ones(2)
    assert not spreading.is_spread(tensor)
    assert spreading.local(tensor) is spreading.whole(tensor) is spreading.spread_as(tensor, torch.zeros(2)) is tensor
    assert spreading.spread_alike(tensor, torch.zeros(3))


def test_a_whole_tensor_is_spread_as_another_and_gathered_again(together):
    """By rows, evenly and unevenly, and by columns; each rank then holds its part, and all of them the whole."""
    for found in together.of("spread and gathered"):
        assert found == {"rows": [True] * 4, "uneven rows": [True] * 4, "columns": [True] * 4}

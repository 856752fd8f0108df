"""Which examples are in which batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paramgroups.errors import DataError
from paramgroups.train.batches import Batches


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5), st.integers(0, 3))
def test_an_epoch_has_no_example_twice(count, size, seed, epoch):
    """Its batches are disjoint and full; only the rest of the division is left out."""
    size = min(size, count)
    batches = Batches(count=count, size=size, seed=seed)
    steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
    seen = [index for step in steps for index in batches.at(step).tolist()]
    assert len(seen) == len(set(seen)) == count // size * size
    assert set(seen) <= set(range(count))


@given(st.integers(0, 50), st.integers(1, 4))
def test_processes_share_a_batch_out(step, processes):
    """Together they have exactly the batch of one process, in equal parts."""
    batches = Batches(count=100, size=12, seed=1)
    parts = [batches.at(step, rank=rank, of=processes) for rank in range(processes)]
    assert {len(part) for part in parts} == {12 // processes}
    assert sorted(torch.cat(parts).tolist()) == sorted(batches.at(step).tolist())


def test_a_batch_is_a_pure_function_of_the_step():
    """Asked twice, in any order, whatever the state of the random numbers."""
    batches = Batches(count=50, size=8, seed=3)
    forwards = [batches.at(step).tolist() for step in range(12)]
    torch.manual_seed(7)
    assert [batches.at(step).tolist() for step in reversed(range(12))] == forwards[::-1]


def test_epochs_and_seeds_have_other_orders():
    """No two of these are the same."""
    orders = {
        tuple(Batches(count=20, size=20, seed=seed).at(epoch).tolist()) for seed in range(3) for epoch in range(3)
    }
    assert len(orders) == 9


def test_too_few_examples_are_explained():
    """With the number that would do."""
    with pytest.raises(DataError) as caught:
        Batches(count=5, size=8, seed=0)
    assert str(caught.value) == ("A batch of 8 is more than the 5 examples to train on.\nSet batch_size to 5 or less.")

"""Examples, their sources and what is held out."""

import struct

import pytest
import torch

from paramgroups.errors import DataError
from paramgroups.train.data import SOURCES, Examples, digits, fashion_mnist, split


def raw(count=40, classes=4):
    """Examples that know their own number, and the class of each."""
    return torch.arange(count, dtype=torch.float32).reshape(-1, 1), torch.arange(count) % classes


def test_digits_are_all_there_and_between_0_and_1():
    """1,797 images of 8×8 pixels, in ten classes."""
    inputs, targets = digits()
    assert inputs.shape == (1797, 1, 8, 8)
    assert (float(inputs.min()), float(inputs.max())) == (0.0, 1.0)
    assert sorted(set(targets.tolist())) == list(range(10))


def test_fashion_mnist_is_read_from_its_four_files(tmp_path):
    """The files of the training are learnt from, those of the test are the test."""
    for part, count in (("train", 20), ("t10k", 4)):
        images = struct.pack(">4B3I", 0, 0, 8, 3, count, 2, 2) + bytes([255, 0, 0, 51]) * count
        labels = struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(index % 2 for index in range(count))
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(images)
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    found = split(fashion_mnist(str(tmp_path)), "fashion-mnist")
    assert (len(found.train), len(found.validation), len(found.test)) == (16, 4, 4)
    assert found.test.inputs[0].flatten().tolist() == pytest.approx([1.0, 0.0, 0.0, 0.2])
    assert found.test.targets.tolist() == [0, 1, 0, 1]
    assert set(SOURCES) == {"digits", "fashion-mnist"}


def test_every_example_is_in_one_part_and_every_class_in_each():
    """A quarter is the test, a fifth of the rest the validation, of each class alike."""
    found = split(raw(), "data")
    parts = [found.train, found.validation, found.test]
    assert sorted(x for part in parts for x in part.inputs.flatten().tolist()) == list(range(40))
    assert [len(part) for part in parts] == [24, 8, 8]
    assert all(torch.equal(torch.bincount(part.targets), torch.full((4,), len(part) // 4)) for part in parts)


def test_what_is_held_out_depends_on_nothing_but_the_data():
    """No seed moves an example, and the state of the random numbers is left alone."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = split(raw(), "data")
    torch.manual_seed(2)
    assert torch.equal(first.test.inputs, split(raw(), "data").test.inputs)
    torch.manual_seed(1)
    assert torch.equal(before, torch.get_rng_state())


def test_examples_are_chosen_joined_and_counted():
    """By index, by class, and one after another."""
    examples = Examples(*raw(8, 3))
    assert examples.of({0, 2}).targets.tolist() == [0, 2, 0, 2, 0]
    assert (examples[:2] + examples[torch.tensor([7])]).inputs.flatten().tolist() == [0, 1, 7]
    assert (len(examples), examples.classes) == (8, 3)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (3, "gave int, not two or four tensors"),
        ((torch.zeros(2),), "gave ['Tensor'], not two or four tensors"),
        ((torch.zeros(2), [0, 1]), "gave ['Tensor', 'list'], not two or four tensors"),
        ((torch.zeros(2), torch.zeros(2)), "gave inputs and targets of (2,) torch.float32 and (2,) torch.float32"),
        ((torch.zeros(2), torch.zeros(3).long()), "(2,) torch.float32 and (3,) torch.int64, which do not fit"),
        ((torch.zeros(2).int(), torch.zeros(2).long()), "(2,) torch.int32 and (2,) torch.int64, which do not fit"),
        ((torch.zeros(2), torch.zeros(2, 1).long()), "which do not fit"),
        ((torch.zeros(2), torch.tensor([0, -1])), "gave no examples, or a class below 0"),
        ((torch.zeros(0), torch.zeros(0).long()), "gave no examples, or a class below 0"),
        ((*raw(), torch.zeros(2), torch.zeros(3).long()), "which do not fit"),
        (raw(4), "has 4 examples, too few to hold any out"),
    ],
)
def test_what_is_no_data_is_explained(given, problem):
    """With what it is, and what is wanted."""
    with pytest.raises(DataError) as caught:
        split(given, "mine:load")
    assert str(caught.value).startswith("mine:load ")
    assert problem in str(caught.value)
    assert "\n" in str(caught.value)

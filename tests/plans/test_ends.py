import pytest
import torch
from torch import nn

from paramgroups.plans.ends import outermost


def block(width=8):
    """Two layers that read and make as many numbers."""
    return nn.ModuleDict({"up": nn.Linear(width, 2 * width), "down": nn.Linear(2 * width, width)})


def stack(count=2):
    """Numbered blocks."""
    return nn.ModuleList(block() for _ in range(count))


class Gated(nn.Module):
    """A layer that is called as a head may be."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)


CASES = {
    "a head by its name, wherever it stands": (
        lambda: {
            "lm_head": nn.Linear(8, 99),
            "embed": nn.Embedding(99, 8),
            "blocks": stack(),
            "mixer": nn.Linear(8, 8),
        },
        ["lm_head.weight"],
    ),
    "the last layer of a head": (
        lambda: {"embed": nn.Embedding(9, 8), "classifier": nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))},
        ["classifier.2.weight"],
    ),
    "several heads side by side": (
        lambda: {
            "embed": nn.Embedding(9, 8),
            "heads": nn.ModuleList([nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)), nn.Linear(8, 1)]),
        },
        ["heads.0.weight", "heads.1.1.weight", "heads.2.weight"],
    ),
    "a head within a head": (
        lambda: {"embed": nn.Embedding(9, 8), "cls_head": Gated(), "mixer": nn.Linear(8, 8)},
        ["cls_head.fc.weight"],
    ),
    "layers named as heads are, in numbered blocks": (
        lambda: {
            "embed": nn.Embedding(9, 8),
            "blocks": nn.ModuleList(Gated() for _ in range(2)),
            "out": nn.Linear(8, 9),
        },
        ["out.weight"],
    ),
    "a hidden fc": (
        lambda: {"conv": nn.Conv2d(3, 8, 3), "fc": nn.Linear(8, 8), "out": nn.Linear(8, 3)},
        ["out.weight"],
    ),
    "an fc that is the head": (
        lambda: {"conv": nn.Conv2d(3, 8, 3), "fc": nn.Linear(8, 3)},
        ["fc.weight"],
    ),
    "two silent heads after the blocks": (
        lambda: {"conv": nn.Conv2d(3, 8, 3), "blocks": stack(), "boxes": nn.Linear(8, 4), "kinds": nn.Linear(8, 99)},
        ["boxes.weight", "kinds.weight"],
    ),
    "an autoencoder, whose answer is as wide as what it reads": (
        lambda: {"enter": nn.Linear(20, 8), "in_between": nn.Linear(8, 8), "leave": nn.Linear(8, 20)},
        ["enter.weight", "leave.weight"],
    ),
    "a head that ends in a convolution": (
        lambda: {
            "conv": nn.Conv2d(3, 8, 3),
            "decode_head": nn.Sequential(nn.Linear(8, 8), nn.Conv2d(8, 2, 1)),
        },
        [],
    ),
    "three classes, and three colours": (
        lambda: {"conv": nn.Conv2d(3, 8, 3), "blocks": stack(), "kinds": nn.Linear(8, 3), "boxes": nn.Linear(8, 4)},
        ["kinds.weight", "boxes.weight"],
    ),
    "one block alone": (lambda: {"embed": nn.Embedding(9, 8), "layers": stack(1)}, []),
    "one layer": (lambda: {"only": nn.Linear(8, 8)}, ["only.weight"]),
    "blocks alone": (lambda: {"layers": stack()}, []),
    "a recurrent network": (
        lambda: {"embed": nn.Embedding(9, 8), "rnn": nn.LSTM(8, 8), "out": nn.Linear(8, 9)},
        ["out.weight"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_ends_are_found(case):
    """By name, by place, by shape; in no case a layer that others read."""
    make, names = CASES[case]
    assert outermost(nn.ModuleDict(make())) == names


def test_a_matrix_of_tokens_is_no_layer():
    """Whatever is called tokens is learnt input; the glob is that of their name, wherever they are."""
    model = nn.Module()
    model.register_tokens = nn.Parameter(torch.zeros(4, 8))
    model.mask_token = nn.Parameter(torch.zeros(1, 8))
    model.blocks = stack()
    assert outermost(model) == ["*register_tokens", "*mask_token"]


def test_a_head_may_be_a_bare_parameter():
    """A model that multiplies by a parameter of its own calls that one the head."""
    model = nn.ModuleDict({"embed": nn.Embedding(9, 8), "mixer": nn.Linear(8, 8)})
    model.register_parameter("lm_head", nn.Parameter(torch.zeros(8, 9)))
    assert outermost(model) == ["lm_head"]


def test_an_elementwise_matrix_is_no_layer():
    """The decay rates of a state-space model are numbers in rows, not a map; one glob finds those of all blocks."""
    model = nn.ModuleDict({"embed": nn.Embedding(9, 8), "layers": stack(3)})
    for inner in model["layers"].children():
        inner.register_parameter("A_log", nn.Parameter(torch.zeros(16, 4)))
    assert outermost(model) == ["*A_log"]


def test_an_embedding_that_is_the_head_leaves_no_other_to_be_found():
    """The last layer of a model with a tied head is hidden."""
    model = nn.ModuleDict({"embed": nn.Embedding(9, 8), "out": nn.Linear(8, 9, bias=False), "mixer": nn.Linear(8, 8)})
    assert outermost(model) == ["out.weight"]
    model["out"].weight = model["embed"].weight
    assert outermost(model) == []

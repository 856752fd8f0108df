"""Which saved name is which present one, and what is refused."""

import pytest
from torch import nn

import paramgroups as pg
from paramgroups.errors import WrongModelError
from paramgroups.state.renaming import renamed_by
from states import model, refused, states, stepped


@pytest.mark.parametrize(
    ("rename", "expected"),
    [
        (None, ["a.b.w", "a.b.c.w", "d"]),
        ({"a.b.w": "x"}, ["x", "a.b.c.w", "d"]),
        ({"a.b": "x.y"}, ["x.y.w", "x.y.c.w", "d"]),
        ({"a": "z", "a.b.c": "x", "d": "a"}, ["z.b.w", "x.w", "a"]),
        ({"a.b": ""}, ["w", "c.w", "d"]),
        ({"": "net"}, ["net.a.b.w", "net.a.b.c.w", "net.d"]),
        ({"": "net", "a": ""}, ["b.w", "b.c.w", "net.d"]),
        (str.upper, ["A.B.W", "A.B.C.W", "D"]),
        (lambda name: name.removeprefix("a."), ["b.w", "b.c.w", "d"]),
        ({"d": "a.b.w", "a.b.w": "d"}, ["d", "a.b.c.w", "a.b.w"]),
    ],
)
def test_rename_is_of_parameters_or_whole_modules(rename, expected):
    """The longest path that is given counts, once; "" is the whole model; or a function says it."""
    assert list(renamed_by(["a.b.w", "a.b.c.w", "d"], rename).values()) == expected


@pytest.mark.parametrize(
    ("rename", "match"),
    [
        ({"haed": "top"}, r"rename names 'haed', and nothing was saved under it\.\nDid you mean 'head'\?"),
        ({"head": "x", "hea": "y"}, "rename names 'hea', and"),
        (
            {"body.weight": "head.weight"},
            r"rename gives 'body\.weight', 'head\.weight' one name, 'head\.weight'\.\nGiv",
        ),
        (lambda name: "all", "rename gives 'body.weight', 'body.bias', 'head.weight', 'head.bias' one name, 'all'"),
    ],
)
def test_a_rename_that_fits_nothing_or_mixes_two_up_is_refused(rename, match):
    """It is a slip."""
    refused(stepped(model()), pg.named_state(stepped(model())), match, rename=rename)


def test_state_follows_a_rename():
    """Of a module and a parameter; the report says from where to where, and only of what moved."""
    before = stepped(model(gone=nn.Linear(1, 1)))
    net = nn.ModuleDict({"trunk": nn.Linear(2, 2), "out": nn.Linear(2, 1)})
    optimizer = stepped(net, steps=0)
    rename = {"body": "trunk", "head.weight": "out.weight", "head.bias": "out.bias", "gone": "lost"}
    report = pg.load_named_state(optimizer, pg.named_state(before), rename=rename, missing="error")
    assert report.renamed == (
        ("body.weight", "trunk.weight"),
        ("body.bias", "trunk.bias"),
        ("head.weight", "out.weight"),
        ("head.bias", "out.bias"),
    )
    assert report.dropped == ("gone.weight", "gone.bias")
    assert [own["step"][1] for own in states(optimizer, net).values()] == [3.0] * 4


def test_names_may_be_swapped():
    """Neither is lost on the way."""
    net = nn.ModuleDict({"one": nn.Linear(2, 2), "two": nn.Linear(2, 2)})
    before = stepped(net)
    before.state[net.get_parameter("one.bias")]["exp_avg"].fill_(7.0)
    optimizer = stepped(net, steps=0)
    pg.load_named_state(optimizer, pg.named_state(before), rename={"one": "two", "two": "one"})
    biases = [own["exp_avg"][1] for name, own in states(optimizer, net).items() if name.endswith("bias")]
    assert biases == [pytest.approx([0.271, 0.271]), [7.0, 7.0]]


def test_another_models_state_is_refused_whatever_the_policies():
    """Where no name is the same; the message shows both sides."""
    error = refused(stepped(nn.Linear(2, 1)), pg.named_state(stepped(model())), "another model's state: nothing in it")
    assert isinstance(error, WrongModelError)
    assert "It holds 'body.weight', 'body.bias', 'head.weight', 'head.bias'; here are 'bias', 'weight'." in str(error)

"""Names, defaults and ranges of hyperparameters, told from optimizer classes; values read and written in place."""

import math

import numpy as np
import pytest
import torch
from torch.optim import Optimizer

from paramgroups.errors import HyperparameterValueError, NotAnOptimizerError, UnknownHyperparameterError
from paramgroups.hyperparameters import (
    REQUIRED,
    check_length,
    check_name,
    check_value,
    of_class,
    own_copy,
    plain,
    range_of,
    read,
    split,
    write,
)

TORCH = [
    kind
    for kind in vars(torch.optim).values()
    if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
]


class Closed(Optimizer):
    """A constructor that lists all it takes, with a required lr and another word for the parameters."""

    def __init__(self, parameters, lr, *, beta=0.9, nesterov=False):
        super().__init__(parameters, {"lr": lr, "beta": beta, "nesterov": nesterov})


class Passing(Closed):
    """A constructor that passes keywords on to a base that lists them."""

    def __init__(self, *args, extra=1, **kwargs):
        super().__init__(*args, **kwargs)


class Silent(Passing):
    """A subclass without a constructor of its own."""


class Open(Optimizer):
    """A constructor that takes any keyword."""

    def __init__(self, params, **defaults):
        super().__init__(params, defaults)


@pytest.mark.parametrize("kind", TORCH, ids=lambda kind: kind.__name__)
def test_what_torchs_classes_put_in_a_group_is_known_of_them(kind):
    """Each key that torch puts into a group is an argument of the constructor, with the same default."""
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    made = kind([weight])
    known = of_class(kind)
    internal = {"decoupled_weight_decay"} if "decoupled_weight_decay" not in known else set()  # AdamW sets Adam's
    assert set(made.defaults) - internal <= set(known)
    assert "params" not in known
    assert "self" not in known
    assert REQUIRED not in known.values()
    for name in ("lr", "weight_decay", "momentum"):
        assert known.get(name) == made.defaults.get(name)


def test_constructors_are_read_through_keywords_passed_on():
    """A base's arguments count where `**kwargs` reach it; what has no default is required."""
    assert of_class(Closed) == {"lr": REQUIRED, "beta": 0.9, "nesterov": False}
    assert of_class(Passing) == {"extra": 1, **of_class(Closed)}
    assert of_class(Silent) == of_class(Passing)
    assert of_class(Open) == {}


@pytest.mark.parametrize("value", ["adam", torch.optim.lr_scheduler.StepLR, Optimizer, None, torch.nn.Linear], ids=repr)
def test_what_is_no_optimizer_class_is_an_error(value):
    """The abstract base is none either: it cannot be built."""
    with pytest.raises(NotAnOptimizerError, match=r"is not a subclass of torch\.optim\.Optimizer"):
        of_class(value)


@pytest.mark.parametrize(
    ("name", "kind", "near"),
    [
        ("weigth_decay", torch.optim.SGD, ["weight_decay"]),
        ("learning_rate", torch.optim.SGD, ["lr"]),
        ("wd", torch.optim.AdamW, ["weight_decay"]),
        ("epsilon", torch.optim.AdamW, ["eps"]),
        ("betas", torch.optim.SGD, []),
        ("betaa", Closed, ["beta"]),
        ("weigth_decay", Open, ["weight_decay"]),
        ("weigth_decay", None, ["weight_decay"]),
        ("LR", None, ["lr"]),
        ("wd", None, ["weight_decay"]),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest(name, kind, near):
    """Against the class's own names; without them, against torch's, where it is a near miss."""
    with pytest.raises(UnknownHyperparameterError) as caught:
        check_name(name, "a test", kind)
    assert caught.value.near[:1] == near
    assert caught.value.optimizer == (kind.__name__ if kind else "torch's optimizers")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("lr", torch.optim.SGD), ("beta", Closed), ("extra", Passing), ("d_coef", Open), ("lr", None), ("d_coef", None)],
)
def test_a_name_that_may_be_right_is_accepted(name, kind):
    """Nothing is known against a name that is far from all others."""
    check_name(name, "a test", kind)


GOOD = [
    ("lr", 0),
    ("lr", 0.1),
    ("lr", None),  # some classes read it as their own rule
    ("lr", torch.tensor(0.1)),
    ("lr", torch.zeros(1, device="meta")),
    ("betas", (0.0, 0.999)),
    ("betas", [0.9, 0.99, 0.999]),
    ("betas", (torch.tensor(0.9), 0.999)),
    ("betas[0]", 0.5),
    ("eps", (None, 1e-3)),
    ("rho", 2.0),  # SAM's, not Adadelta's
    ("dampening", -1.0),
    ("fused", True),
    ("foreach", None),
    ("mode", "cosine"),
    ("scales", (1.0, -2.0)),
]
NO_LRS = (-1e-9, math.nan, math.inf, 10**400, "0.1", True, (0.1,), torch.zeros(2), torch.tensor(-1.0))
BAD = [
    *[("lr", bad) for bad in NO_LRS],
    ("momentum", -0.1),
    ("weight_decay", -0.1),
    ("eps", -1e-8),
    *[("betas", bad) for bad in (0.9, (0.9, 1.0), (-0.1, 0.9), (0.9, math.nan), (None, 0.9), ("a", 0.9), None)],
    *[("betas[1]", bad) for bad in (1.0, -0.1, None, True, (0.1,))],
    ("etas", (0.5, -1.0)),
    ("unheard_of", math.nan),
    ("unheard_of", (1.0, math.inf)),
]


@pytest.mark.parametrize(("name", "value"), GOOD, ids=str)
def test_a_value_that_some_optimizer_could_use_is_accepted(name, value):
    """Ranges are those of the name; what is no number passes where none is needed."""
    check_value(name, value, "a test")


@pytest.mark.parametrize(("name", "value"), BAD, ids=str)
def test_a_value_that_none_could_use_is_an_error(name, value):
    """Never clamped; the message has the value, the place and the range."""
    with pytest.raises(HyperparameterValueError) as caught:
        check_value(name, value, "rule 'a'")
    text = str(caught.value)
    assert text.startswith(f"{name} = ")
    assert "in rule 'a' cannot be used" in text
    assert str(range_of(name)) in text


def test_a_range_says_itself():
    """The three shapes of a range in words."""
    said = [str(range_of(name)) for name in ("lr", "betas[0]", "dampening")]
    assert said == ["a finite number of at least 0", "a number in [0, 1)", "a finite number"]


def test_numpy_and_lists_become_plain():
    """What comes from numpy or YAML is stored as Python writes it."""
    assert plain(np.float32(0.5)) == 0.5
    assert type(plain(np.float64(0.5))) is float
    assert plain([1, [np.int64(2)]]) == (1, (2,))


@pytest.mark.parametrize("path", ["", "lr[", "betas[-1]", "betas[0][1]", "a b", "betas[x]"])
def test_a_path_that_is_none_is_an_error(path):
    """`lr` or `betas[0]`, nothing else."""
    with pytest.raises(ValueError, match="is no hyperparameter"):
        split(path)


def test_a_write_keeps_what_kind_of_thing_stands_there():
    """A number is replaced, a tensor filled in place, a tuple replaced by one with the new entry."""
    tensor, inner, pair = torch.tensor(0.5), torch.tensor(0.9), (0.9, 0.999)
    group = {"lr": tensor, "momentum": 0.0, "betas": pair, "rhos": [inner, 0.5]}
    for path, value in {"lr": 0.25, "momentum": 0.75, "betas[1]": 0.5, "rhos[0]": 0.125}.items():
        write(group, path, value)
        assert read(group, path) == value
    assert group["lr"] is tensor
    assert pair == (0.9, 0.999)
    assert group["betas"] == (0.9, 0.5)
    assert group["rhos"][0] is inner  # type: ignore[index]  # a tuple since the write


def test_a_copy_shares_no_tensor():
    """Nested ones included; all else is the same value."""
    inner = torch.tensor(0.9)
    copied = own_copy((inner, [inner, 0.5]))
    assert copied == (inner, [inner, 0.5])
    assert copied[0] is not inner
    assert copied[1][0] is not inner


def test_a_tuple_is_only_compared_with_a_tuple():
    """What replaces a number, None or nothing may have any length."""
    for present in (None, 0.1, (1, 2)):
        check_length("pair", (1.0, 2.0), present, "here")
    check_length("pair", 0.5, (1, 2), "here")
    with pytest.raises(HyperparameterValueError, match=r"a tuple of 2, as \(1, 2\) is"):
        check_length("pair", [1.0], (1, 2), "here")

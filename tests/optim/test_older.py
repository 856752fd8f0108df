"""What stands for torch's Muon where torch has none: torch's own is the oracle."""

import importlib.util
import inspect
import sys

import pytest
import torch
from torch import nn

from paramgroups.errors import NotAMatrixError
from paramgroups.optim import Muon, muon, older


def test_its_constructor_is_torchs():
    """Arguments, defaults and what becomes of them are those of `torch.optim.Muon`."""
    ours, theirs = older.ConstructedAsMuon, torch.optim.Muon
    assert [(p.name, p.default, p.kind) for p in inspect.signature(ours).parameters.values()] == [
        (p.name, p.default, p.kind) for p in inspect.signature(theirs).parameters.values()
    ]
    weight = nn.Parameter(torch.zeros(2, 2))
    assert ours([weight]).param_groups == theirs([weight]).param_groups


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lr": -1.0}, "Learning rate should be >= 0 but is: -1.0"),
        ({"lr": torch.zeros(2)}, "Tensor lr must be 1-element"),
        ({"momentum": -0.5}, "momentum should be >= 0 but is: -0.5"),
        ({"weight_decay": -1}, "weight decay should be >= 0 but is: -1"),
        ({"lr": float("nan")}, "Learning rate should be >= 0 but is: nan"),
        ({"adjust_lr_fn": "none"}, "Adjust learning rate function none is not supported"),
    ],
)
@pytest.mark.parametrize("kind", [older.ConstructedAsMuon, torch.optim.Muon, Muon])
def test_it_refuses_what_torchs_refuses_in_the_same_words(kind, wrong, words):
    """A value that the constructor judges is judged alike, whichever the torch."""
    with pytest.raises(ValueError, match=words):
        kind([nn.Parameter(torch.zeros(2, 2))], **wrong)


def stepped(kind):
    """Parameters and state after three steps."""
    torch.manual_seed(0)
    params = [nn.Parameter(torch.randn(shape)) for shape in ((3, 5), (5, 3), (4, 4))]
    optimizer = kind([{"params": params[:1]}, {"params": params[1:], "momentum": 0.5}], lr=0.1)
    for _ in range(3):
        for parameter in params:
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return params, optimizer


def loaded_anew(module, monkeypatch):
    """A module executed once more, in the place of the first for the time of a test."""
    spec = importlib.util.spec_from_file_location(module.__name__, module.__file__)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, module.__name__, found)
    spec.loader.exec_module(found)
    return found


def test_on_an_older_torch_muon_steps_the_same(monkeypatch):
    """With torch's Muon gone, the modules make a class that makes the same steps and refuses the same parameters."""
    expected, known = stepped(Muon)
    monkeypatch.delattr(torch.optim, "Muon")
    base = loaded_anew(older, monkeypatch).ConstructedAsMuon
    kind = loaded_anew(muon, monkeypatch).Muon
    assert base in kind.__bases__
    found, optimizer = stepped(kind)
    assert all(map(torch.equal, found, expected))
    assert repr(optimizer.state_dict()) == repr(known.state_dict())
    with pytest.raises(NotAMatrixError):
        kind([nn.Parameter(torch.zeros(3))])

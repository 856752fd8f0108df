"""A recipe of the user's own code."""

import pytest

OWN = """
import torch

class Net(torch.nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.head = torch.nn.Linear(4, classes)

    def forward(self, inputs):
        return self.head(inputs)

class Empty(torch.nn.Module):
    pass

class Half(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(4, 4).requires_grad_(False)
        self.b = torch.nn.Linear(4, 3)

class Mine(torch.optim.SGD):
    def __init__(self, params, lr=0.1, momentum=0.0):
        super().__init__(params, lr=lr, momentum=momentum)

class Broken(Mine):
    def __init__(self, params, lr=0.1):
        raise KeyError("inside")

def data(count=60):
    return torch.randn(count, 4), torch.arange(count) % 3
"""

RECIPE = """
model: paramgroups_mine:Net
data: {name: "paramgroups_mine:data", count: 90}
optimizer: paramgroups_mine:Mine
plan: {defaults: {lr: 0.1}}
horizon: {steps: 4}
batch_size: 4
"""


@pytest.fixture
def own_text(tmp_path, monkeypatch):
    """The text of a recipe, whose module lies in the present folder."""
    (tmp_path / "paramgroups_mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return RECIPE

"""Optimizers that have made some steps, and everything that a refused load must leave alone."""

from typing import Any

import pytest
import torch
from torch import nn, optim

import paramgroups as pg
from paramgroups.errors import ParamGroupsError

ALL = ("body.weight", "body.bias", "head.weight", "head.bias")


def model(out: int = 1, **more: nn.Module) -> nn.ModuleDict:
    """Two layers, and more if wanted."""
    torch.manual_seed(0)
    return nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, out), **more})


def stepped(net: nn.Module, kind: type[optim.Optimizer] = optim.AdamW, steps: int = 3, **options: Any) -> Any:
    """An optimizer over a model, which knows its names, after steps on gradients of 1."""
    optimizer = kind([{"params": net.named_parameters()}], **options)
    for _ in range(steps):
        step(optimizer)
    return optimizer


def step(optimizer: optim.Optimizer) -> None:
    """One update on gradients of 1."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()


def plain(value: Any) -> Any:
    """Tensors as numbers, wherever they are, and their dtypes; so that `==` compares to the bit."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return type(value)(map(plain, value)) if isinstance(value, (tuple, list)) else value


def states(optimizer: optim.Optimizer, net: nn.Module) -> dict[str, Any]:
    """What is kept for each parameter, in numbers."""
    return {name: plain(dict(optimizer.state.get(each, {}))) for name, each in net.named_parameters()}


def everything(optimizer: optim.Optimizer, scheduler: Any = None, net: nn.Module | None = None) -> Any:
    """Which objects there are that may be changed, and all the numbers in them."""
    state, groups = optimizer.state, optimizer.param_groups
    holders: list[Any] = [vars(optimizer), state, *state.values(), groups, *groups]
    objects = [
        (id(each), [id(item) for item in (each.values() if isinstance(each, dict) else each) if _changes(item)])
        for each in holders
    ]
    weights = [id(item) for item in (*net.parameters(), *net.buffers())] if net else []
    numbers = plain(optimizer.state_dict()), plain(dict(net.state_dict() if net else {}))
    timed = scheduler and (scheduler.state_dict(), scheduler.journal, scheduler.horizon, scheduler.values())
    return objects, weights, numbers, timed


def _changes(value: object) -> bool:
    """Whether it is no number, text or tuple, which are replaced."""
    return isinstance(value, (torch.Tensor, dict, list))


def refused(optimizer: optim.Optimizer, state: Any, match: str, **policies: Any) -> ParamGroupsError:
    """The error of a load that leaves everything as it was."""
    before = everything(optimizer)
    with pytest.raises(ParamGroupsError, match=match) as caught:
        pg.load_named_state(optimizer, state, **policies)
    assert everything(optimizer) == before
    return caught.value

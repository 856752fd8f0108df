"""Several algorithms as one optimizer: each group is updated as its own algorithm would by itself."""

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from torch import nn

import paramgroups as pg
import trainers
from composed import composed
from duels import Kind, Situation, hold
from paramgroups.optim import AdamW, Composite, Muon
from situations import SITUATIONS

TWO = {"muon": Muon, "adamw": AdamW}


def in_turns(groups: Any, **options: Any) -> Composite:
    """The same class under two names, by which groups are updated in turns."""
    named = [group | {"algorithm": ("one", "two")[index % 2]} for index, group in enumerate(groups)]
    return Composite(named, {"one": AdamW, "two": AdamW}, "one", **options)


IN_TURNS = Kind(
    in_turns,
    torch.optim.AdamW,
    {},
    {"betas": (0.8, 0.9), "eps": 0.1, "weight_decay": 0.1, "maximize": True, "decoupled_weight_decay": False},
)


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_in_every_situation_it_is_torchs(situation: Situation):
    """Whatever happens between steps happens to several algorithms as it does to torch's one: nothing is stale."""
    hold(situation, IN_TURNS)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own use of torch.jit
@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")  # DCP in one process says so
@pytest.mark.parametrize("name", composed(trainers.situations(Path())))
def test_whoever_trains_it_is_one_optimizer(name, tmp_path):
    """Accumulation, scaling, closures, copies, checkpoints, accelerate, Fabric: the schedule follows the updates."""
    trainers.hold(composed(trainers.situations(tmp_path))[name])
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def net() -> Any:
    """Matrices and what is none, always the same."""
    torch.manual_seed(0)
    return nn.ModuleDict({"body": nn.Linear(4, 6), "norm": nn.LayerNorm(6), "head": nn.Linear(6, 3)})


PLAN = pg.Plan(
    pg.Rule(pg.Ndim(2) & ~pg.Named("head.*"), algorithm="muon", lr=0.02, name="hidden"),
    pg.Rule(pg.NORMS | pg.BIASES, weight_decay=0.0, name="no_decay"),
    lr=0.01,
    weight_decay=0.1,
)


def built(model: nn.Module, **options: Any) -> Composite:
    """The usual one."""
    made: Composite = PLAN.build(model, TWO, default="adamw", **options)
    return made


def give(model: nn.Module, step: int) -> None:
    """Gradients that depend on the step alone."""
    drawn = torch.Generator().manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=drawn)


def test_each_group_is_updated_as_by_its_own_optimizer():
    """Five steps are those of two optimizers stepped apart, to the bit; so is the state."""
    one, other = net(), net()
    composite = built(one)
    assert [(group["name"], group["algorithm"]) for group in composite.param_groups] == [
        ("hidden", "muon"),
        ("no_decay", "adamw"),
        ("default", "adamw"),
    ]
    few: list[Any] = [
        {"params": [other["body"].bias, *other["norm"].parameters(), other["head"].bias], "weight_decay": 0.0},
        {"params": [other["head"].weight]},
    ]
    apart = [
        Muon([other["body"].weight], lr=0.02, weight_decay=0.1),
        AdamW(few, lr=0.01, weight_decay=0.1),
    ]
    for step in range(5):
        give(one, step)
        give(other, step)
        composite.step()
        for each in apart:
            each.step()
    state = {parameter: kept for each in apart for parameter, kept in each.state.items()}
    for own, known in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(own, known)
        assert composite.state[own].keys() == state[known].keys()
        assert all(torch.equal(composite.state[own][key], state[known][key]) for key in state[known])

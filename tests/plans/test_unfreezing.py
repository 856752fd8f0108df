"""Gradual unfreezing, held to the paper's formulas and to Lightning's callback."""

from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import BackboneFinetuning
from torch import nn

import paramgroups as pg
from paramgroups.errors import DepthError, DurationError, HyperparameterValueError
from paramgroups.plans import backbone_ramp, ulmfit
from strategies_models import TinyViT

PER_EPOCH = 5


class Net(nn.Module):
    """What Lightning's callback asks for: a backbone, and something else."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.head = nn.Linear(3, 1)


def epochs(model: Any, plan: pg.Plan, count: int, **schedules: Any) -> list[tuple[dict[str, float], set[str]]]:
    """Each epoch's first lr of every group, and the groups that train in all of it."""
    optimizer = plan.build(model, torch.optim.SGD)
    horizon = pg.Horizon(steps=count * PER_EPOCH, epochs=count)
    scheduler = pg.Scheduler(optimizer, horizon=horizon, **(schedules or {"lr": pg.Constant()}))
    pg.Timetable(model, optimizer, scheduler)
    found = []
    for _ in range(count):
        first = {group.name: group.lr for group in pg.view(optimizer)}
        trains = []
        for _ in range(PER_EPOCH):
            trains.append({g["name"] for g in optimizer.param_groups if all(p.requires_grad for p in g["params"])})
            optimizer.step()
        assert all(each == trains[0] for each in trains)
        found.append((first, trains[0]))
    return found


def test_ulmfit_unfreezes_a_layer_an_epoch_from_the_top_at_lrs_that_fall_by_2_6():
    """As section 3.2 and 3.3 of the paper say."""
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(4)))
    found = epochs(model, ulmfit(model, lr=0.01), 6)
    names = ["layer00", "layer01", "layer02", "layer03"]
    assert [sorted(trains) for _, trains in found] == [names[3:], names[2:], names[1:], names, names, names]
    for lrs, _ in found:
        np.testing.assert_allclose([lrs[name] for name in names], [0.01 / 2.6**below for below in (3, 2, 1, 0)])


def test_ulmfit_knows_the_layers_of_a_real_model_and_takes_other_paces():
    """Embeddings below the blocks, the head above; every parameter in the group of its layer."""
    model = TinyViT()
    plan = ulmfit(model, lr=0.01, decay=2.0, every="10%", warmup="5%", weight_decay=0.1)
    grouping = plan.on(model)
    assert [group.name for group in grouping.groups] == [f"layer{layer:02d}" for layer in range(6)]
    assert [(rule.thaw, rule.warmup) for rule in plan.rules if isinstance(rule, pg.Rule)] == [
        *((f"{10 * below}%", "5%") for below in (5, 4, 3, 2, 1)),
        (None, None),
    ]
    assert grouping.group_of("cls_token") == grouping.group_of("patch_embed.proj.weight") == "layer00"
    assert grouping.group_of("head.weight") == grouping.group_of("norm.weight") == "layer05"
    assert all(group.hyperparameters["weight_decay"] == 0.1 for group in grouping.groups)
    assert repr(plan.rules[0]).startswith("Rule(Within('patch_embed') | Named('cls_token', 'pos_embed'), name=")


def test_ulmfit_takes_the_depths_that_are_given():
    """As `LayerDecay` does: by globs, or by a function."""
    model = Net()
    depths = {"backbone.*": 0, "head.*": 3}
    for depth in (depths, lambda param: depths[f"{param.name.partition('.')[0]}.*"]):
        plan = ulmfit(model, depth, lr=0.01)
        assert [(rule.name, rule.select) for rule in plan.rules if isinstance(rule, pg.Rule)] == [
            ("layer00", pg.Within("backbone")),
            ("layer03", pg.Within("head")),
        ]


def test_ulmfit_refuses_what_cannot_be():
    """A decay that grows, layers that cannot be told, and more of them than the run has room for."""
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(4)))
    with pytest.raises(HyperparameterValueError, match=r"decay = 0\.5 in ulmfit cannot be used"):
        ulmfit(model, lr=0.1, decay=0.5)
    with pytest.raises(DepthError):
        ulmfit(nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)}), lr=0.1)
    with pytest.raises(DurationError, match="ulmfit: '150%' is more than the whole run"):
        ulmfit(model, lr=0.1, every="50%")


@pytest.mark.parametrize(("ratio", "factor"), [(0.1, 2.0), (0.01, 1.5), (1.0, 2.0), (0.3, 10.0)])
def test_backbone_ramp_is_lightnings_callback(ratio, factor):
    """The same lr of the backbone at every epoch, value for value, frozen until the same."""
    theirs = BackboneFinetuning(3, lambda _: factor, backbone_initial_ratio_lr=ratio)
    module: Any = Net()
    optimizer = torch.optim.SGD(module.head.parameters(), lr=0.02)
    theirs.freeze_before_training(module)
    wanted = []
    for epoch in range(15):
        theirs.finetune_function(module, epoch, optimizer)
        trains = all(parameter.requires_grad for parameter in module.backbone.parameters())
        wanted.append(optimizer.param_groups[-1]["lr"] if trains else None)
    plan = backbone_ramp(at="3 epochs", lr=0.02, ratio=ratio, factor=factor)
    found = epochs(Net(), plan, 15)
    ours = [lrs["backbone"] if "backbone" in trains else None for lrs, trains in found]
    assert [each is None for each in ours] == [each is None for each in wanted] == [True] * 3 + [False] * 12
    np.testing.assert_allclose(np.array(ours[3:], float), np.array(wanted[3:], float), rtol=1e-15)
    assert all(lrs["default"] == 0.02 for lrs, _ in found)


def test_under_a_schedule_the_ramp_multiplies_what_the_schedule_gives():
    """The head's lr times the factor of the epoch."""
    found = epochs(Net(), backbone_ramp(at="2 epochs", lr=0.1, weight_decay=0.01), 8, lr=pg.Linear("100%", end=0.5))
    factors = [lrs["backbone"] / lrs["default"] for lrs, _ in found[2:]]
    np.testing.assert_allclose(factors, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


@pytest.mark.parametrize("wrong", [{"ratio": 0.0}, {"ratio": 1.5}, {"factor": 1.0}])
def test_backbone_ramp_refuses_what_never_reaches_the_head(wrong):
    """By name."""
    with pytest.raises(HyperparameterValueError, match=f"{next(iter(wrong))} = .* in backbone_ramp cannot be used"):
        backbone_ramp(at=10, lr=0.1, **wrong)

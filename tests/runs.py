"""A small real run that the scheduler's tests share."""

import torch
from torch import nn

import paramgroups as pg

HORIZON = pg.Horizon(steps=20)
LR = pg.Warmup("20%").then(pg.Cosine("rest", end=0.1))
DECAY = pg.Linear("100%", start=1.0, end=10.0)
PLAN = pg.Plan(pg.Rule("head.*", lr=pg.Times(10)), lr=0.1, weight_decay=0.01)


def model():
    """Two small layers, always the same."""
    torch.manual_seed(0)
    return nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})


def made(kind=torch.optim.AdamW, plan=PLAN, **kwargs):
    """A model, its optimizer in two groups (lr .1 and 1), and a scheduler over 20 steps."""
    net = model()
    optimizer = plan.build(net, kind)
    schedules = {"lr": LR, "weight_decay": DECAY} | kwargs.pop("schedules", {})
    return net, optimizer, pg.Scheduler(optimizer, horizon=HORIZON, **schedules, **kwargs)


def train(net, optimizer, steps=1):
    """Real updates on a fixed batch."""
    for _ in range(steps):
        optimizer.zero_grad()
        net["head"](net["body"](torch.ones(3, 2))).pow(2).sum().backward()
        optimizer.step()


def live(optimizer):
    """What stands in the groups now, of what is driven."""
    return {name: value for name, value in pg.snapshot(optimizer).items() if name.startswith(("lr/", "weight_decay/"))}

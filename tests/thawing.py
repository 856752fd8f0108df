"""Small runs that thaw and freeze in mid-run, for the tests of timetables."""

from typing import Any

import torch
from torch import nn

import paramgroups as pg
from paramgroups.pins import is_pinned
from states import plain

PLAN = pg.Plan(pg.Rule("stem.*", name="stem", lr=pg.Times(0.5)), pg.Rule("head.*", name="head"), lr=0.1)
HORIZON = pg.Horizon(steps=20, epochs=4)


def net() -> Any:
    """A stem with a norm and dropout, and a head."""
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    return nn.ModuleDict({"stem": stem, "head": nn.Linear(4, 2)})


def run(
    *events: Any, plan: pg.Plan = PLAN, kind: Any = torch.optim.AdamW, model: Any = None, **schedules: Any
) -> tuple[Any, Any, pg.Scheduler, pg.Timetable]:
    """A run that is set up."""
    model = net() if model is None else model
    optimizer = plan.build(model, kind, weight_decay=0.1)
    scheduler = pg.Scheduler(optimizer, horizon=HORIZON, **(schedules or {"lr": pg.Cosine("100%", end=0.1)}))
    return model, optimizer, scheduler, pg.Timetable(model, optimizer, scheduler, events)


def step(model: Any, optimizer: Any, number: int) -> None:
    """One update on a batch of its own, dropout and all."""
    torch.manual_seed(number)
    model.train()
    loss = model["head"](model["stem"](torch.randn(8, 3))).square().mean()
    if loss.requires_grad:
        loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def trained(parts: Any, steps: range) -> Any:
    """A run after these updates."""
    for number in steps:
        step(parts[0], parts[1], number)
    return parts


def trains(model: Any) -> list[str]:
    """The parts that require gradients."""
    return [name for name, part in model.items() if any(p.requires_grad for p in part.parameters())]


def everything(parts: Any) -> Any:
    """All that the next updates depend on, to the bit."""
    model, optimizer, scheduler, timetable = parts
    return (
        plain(model.state_dict()),
        plain(optimizer.state_dict()),
        scheduler.state_dict(),
        timetable.state_dict(),
        trains(model),
        is_pinned(model["stem"][1]),
    )

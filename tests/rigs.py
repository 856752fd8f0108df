"""What a training loop holds, and the one law that every way to train is held to."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

import paramgroups as pg

STEPS = 20
LR = pg.Warmup(3).then(pg.Cosine(STEPS - 3, end=0.1))
ADAM: Mapping[str, Any] = {
    "lr": LR,
    "weight_decay": pg.Linear(STEPS, end=3.0),
    "betas[0]": pg.Linear(STEPS, end=0.9),
}
MOMENTUM: Mapping[str, Any] = {"lr": LR, "momentum": pg.Linear(STEPS, end=0.5)}
ONLY_LR: Mapping[str, Any] = {"lr": LR}
PLAN = pg.Plan(pg.Rule("head.*", lr=pg.Times(10)), lr=0.01)


def model() -> nn.Module:
    """Two small layers, always the same."""
    torch.manual_seed(0)
    return nn.Sequential(OrderedDict(body=nn.Linear(4, 4), head=nn.Linear(4, 2)))


@dataclass
class Rig:
    """What a training loop holds: it may put other objects in place of these, as trainers do."""

    net: nn.Module
    optimizer: Optimizer  # as the loop steps it: perhaps a wrapper
    scheduler: pg.Scheduler
    again: Callable[[], "Rig"]  # the same from scratch, as after a crash

    def backward(self) -> Any:
        """Gradients that vanish nowhere; the loss."""
        loss = self.net(torch.ones(3, 4)).pow(4).sum()
        loss.backward()
        return loss

    def update(self) -> None:
        """One ordinary update."""
        self.optimizer.zero_grad()
        self.backward()
        self.optimizer.step()


Laps: TypeAlias = Callable[[Rig], Iterator[None]]


@dataclass(frozen=True)
class Situation:
    """A line of the table: how laps are made, of what, and how many of them are updates."""

    laps: Laps
    updates: int = 5
    optimizer: type[Optimizer] = AdamW
    options: Mapping[str, Any] = field(default_factory=dict)
    schedules: Mapping[str, Any] = field(default_factory=lambda: ADAM)
    plan: pg.Plan = PLAN
    shard: Callable[[nn.Module], nn.Module] = lambda net: net

    def rig(self) -> Rig:
        """A fresh model, optimizer and scheduler."""
        net = self.shard(model())
        optimizer = self.plan.build(net, self.optimizer, **self.options)
        return Rig(net, optimizer, pg.Scheduler(optimizer, **self.schedules), self.rig)


def hold(situation: Situation) -> None:
    """Hold a situation to the law: after n real updates every value is what `preview` said of n, exactly."""
    rig = situation.rig()
    foretold = rig.scheduler.preview(STEPS)
    assert all((curve[1:] != curve[:-1]).all() for curve in foretold.values())  # one off would be seen
    updates, before = 0, parameters_of(rig)
    for lap in situation.laps(rig):
        assert lap is None
        now = parameters_of(rig)
        updates += before.shape == now.shape and not torch.equal(before, now)  # sharding is no update
        before = now
        assert stands(rig, foretold) == {name: curve[updates] for name, curve in foretold.items()}
        assert rig.scheduler.last_epoch == updates
        assert rig.scheduler.journal == ()
    assert updates == situation.updates


def stands(rig: Rig, foretold: Mapping[str, Any]) -> dict[str, float]:
    """What the optimizer's groups hold of what was foretold; for a value that is rounded to its dtype, the value."""
    groups = rig.scheduler.optimizer.param_groups
    names = pg.view(rig.scheduler.optimizer).names
    found = {}
    for name, curve in foretold.items():
        path, _, label = name.partition("/")
        value = groups[names.index(label)][path.partition("[")[0]]
        value = value[0] if path.endswith("[0]") else value
        step = rig.scheduler.last_epoch
        rounded = isinstance(value, Tensor) and value == torch.tensor(curve[step], dtype=value.dtype)
        found[name] = curve[step] if rounded else float(value)
    return found


def parameters_of(rig: Rig) -> Tensor:
    """All that is trained, as one copy; of a sharded parameter what is here."""
    members = [p.detach() for group in rig.scheduler.optimizer.param_groups for p in group["params"]]
    local = [p.to_local() if hasattr(p, "to_local") else p for p in members]
    return torch.cat([p.flatten().clone() for p in local])

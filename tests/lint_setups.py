"""What the cases of the linter are set up with: a model, optimizers, loops, and what is found in them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW
from torch.optim import lr_scheduler as theirs

import paramgroups as pg
from paramgroups.linter import Finding

Findings = list[Finding]
RUN = pg.Horizon(steps=1000, epochs=10)
SHORT = pg.Horizon(steps=100)


@dataclass(frozen=True)
class Case:
    """A trigger, where it is found and what is said of it, and a near miss, of which nothing is said at all."""

    code: str
    what: str
    trigger: Callable[[], Findings]
    near: Callable[[], Findings]
    where: str
    says: str
    also: tuple[str, ...] = ()  # the codes of what else is found, if anything is

    def __str__(self) -> str:
        return f"{self.code}: {self.what}"

    def hits(self) -> None:
        """The trigger is found once, where it is and in these words, and nothing else is, unless the case says what."""
        found = {(each.code, each.where): each.sentence for each in self.trigger()}
        assert found[self.code, self.where] == self.says
        assert sorted(code for code, _ in found) == sorted([self.code, *self.also])

    def misses(self) -> None:
        """Nothing is found in the near miss: a good engineer would leave it so."""
        assert self.near() == []


class Model(nn.Module):
    """Embeddings, two blocks, a norm and a head, which may be tied to the embeddings."""

    def __init__(self, *, tied: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.norm = nn.LayerNorm(4)
        self.lm_head = nn.Linear(4, 10, bias=False)
        if tied:
            self.lm_head.weight = self.embed.weight


def alone(schedule: pg.schedules.Schedule, **options: Any) -> Findings:
    """What is found in a schedule in a run of 1,000 steps, 100 an epoch."""
    return pg.check(schedule, **{"horizon": RUN, **options})


def sgd(*lrs: float, **options: Any) -> SGD:
    """An optimizer over a group of one number each."""
    return SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in lrs or (0.1,)], lr=0.1, **options)


def torchs(
    kind: Any, *arguments: Any, run: pg.Horizon = SHORT, lrs: tuple[float, ...] = (0.1,), **options: Any
) -> Findings:
    """What is found in a scheduler of torch over groups of these lrs."""
    return pg.check(kind(sgd(*lrs), *arguments), horizon=run, **options)


def in_sequence(milestones: list[int], *kinds: Callable[[Any], theirs.LRScheduler]) -> Findings:
    """What is found in torch's SequentialLR over 100 steps."""
    optimizer = sgd()
    schedulers = [kind(optimizer) for kind in kinds]
    return pg.check(theirs.SequentialLR(optimizer, schedulers, milestones), horizon=SHORT)


def plan(*rules: pg.Rule, tied: bool = False, **defaults: Any) -> Findings:
    """What is found in a plan on the model."""
    return pg.check(pg.Plan(*rules, **{"lr": 0.1, **defaults}).on(Model(tied=tied)))


SPARED = pg.Rule(pg.NORMS | pg.BIASES | pg.EMBEDDINGS, weight_decay=0.0, name="spared")
BLOCKS = pg.Rule("blocks.*", lr=pg.Times(0.1))


def driven(given: Any = None, **schedules: Any) -> Findings:
    """What is found where an optimizer is to be driven so."""
    model = Model()
    optimizer = pg.Plan(SPARED, lr=0.1, weight_decay=0.1).build(model, AdamW)
    return pg.check(optimizer, given, horizon=RUN, model=model, **schedules)


def muon(**kind: Any) -> Findings:
    """What is found where the matrices of a model are given to a class of that name, or to a group's algorithm."""
    model = Model()
    matrices = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    groups = [{"params": matrices, **kind}, {"params": [p for p in model.parameters() if p.ndim < 2]}]
    return pg.check(Muon(groups, lr=0.1) if not kind else SGD(groups, lr=0.1), model=model)


class Muon(SGD):
    """An optimizer of that name, wherever it comes from."""


def muon_in_between(algorithm: str | None = None) -> Findings:
    """The same, embeddings and head left to SGD."""
    model = Model()
    ends = {id(model.embed.weight), id(model.lm_head.weight)}
    inner = [p for p in model.parameters() if p.ndim == 2 and id(p) not in ends]
    if algorithm is None:
        return pg.check(Muon(inner, lr=0.1), model=model)
    outer = [p for p in model.parameters() if id(p) in ends]
    groups = [{"params": inner, "algorithm": algorithm}, {"params": outer, "algorithm": "sgd"}]
    return pg.check(SGD(groups, lr=0.1), model=model)


def many(count: int, kinds: int) -> Findings:
    """What is found in so many groups, of so many different lrs."""
    return pg.check(sgd(*(0.1 + index % kinds for index in range(count))))


def live(claims: Any) -> Findings:
    """What is found in a scheduler that drives a head and a body, or one of them."""
    model = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    optimizer = pg.Plan(pg.Rule("head.*", name="head"), lr=0.1).build(model, SGD)
    return pg.check(pg.Scheduler(optimizer, claims, horizon=SHORT))


def ticked(length: int, updates: int) -> Findings:
    """What is found in a cosine of torch that was stepped twice, after so many updates each."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([parameter], lr=0.1)
    scheduler = theirs.CosineAnnealingLR(optimizer, length)
    for _ in range(2):
        for _ in range(updates):
            parameter.grad = torch.ones(1)
            optimizer.step()
        scheduler.step()
    return pg.check(scheduler, horizon=RUN)


def by_hand(length: str | int) -> Findings:
    """What is found in a scheduler of ours that is ticked by hand, once an epoch."""
    scheduler = pg.Scheduler(sgd(), lr=pg.Cosine(length), horizon=RUN, clock="manual")
    return pg.check(scheduler, ticks="epoch")


def looped(function: Callable[[int], float], *lrs: float) -> Findings:
    """What is found where a tutorial's loop sets the lr by a function of the epoch."""
    return pg.check(sgd(*lrs), lr=function)


def plotted(times: int, **options: float) -> Findings:
    """What is found in a MultiStepLR that was stepped so often to draw it."""
    optimizer = sgd(**options)
    scheduler = theirs.MultiStepLR(optimizer, [15, 25], 0.25)
    for _ in range(times):
        optimizer.step()
        scheduler.step()
    return pg.check(scheduler, horizon=pg.Horizon(30))


def trained(steps: int) -> Findings:
    """What is found in one that was stepped as often as its optimizer."""
    optimizer = sgd()
    (parameter,) = optimizer.param_groups[0]["params"]
    scheduler = theirs.MultiStepLR(optimizer, [15, 25], 0.25)
    for _ in range(steps):
        parameter.grad = torch.ones(1)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
    return pg.check(scheduler, horizon=pg.Horizon(30))


class Factor:
    """The tutorial's, which counts its own calls."""

    def __init__(self) -> None:
        self.base = 2.0

    def __call__(self, epoch: int) -> float:
        self.base = max(1e-2, self.base * 0.9)
        return self.base


def warming(epoch: int) -> float:
    """The tutorial's cosine, at its start: five epochs up to .3."""
    return 0.3 * min(epoch / 5, 1.0)


def square_root(epoch: int) -> float:
    """The tutorial's."""
    return float(0.1 * (epoch + 1) ** -0.5)


COSINE = pg.Cosine("rest", end=0.01)

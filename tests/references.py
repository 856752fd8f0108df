"""What is to become of each parameter by itself, in a group that is never touched: the reference of regrouped runs."""

from typing import Any

import torch
from torch import nn

import paramgroups as pg
from paramgroups.inheritance import Past, of_the_run, past_of
from paramgroups.lanes import Lane
from paramgroups.schedules import Plateau

NAMES = ["a.weight", "a.bias", "b.weight", "b.bias", "c.weight"]
LINE, PLATEAU = pg.Linear(40, end=0.25), pg.Linear(20, end=2.0) * Plateau(0.5, patience=0)
SCHEDULES: dict[str, Any] = {"lr": LINE, "weight_decay": PLATEAU}
HORIZON = 40

Lanes = dict[str, Lane]


def model(seed: int = 0) -> nn.ModuleDict:
    """Five parameters."""
    torch.manual_seed(seed)
    return nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "c": nn.Linear(2, 1, bias=False)})


def cloned(lanes: Lanes, **bases: float) -> Lanes:
    """The same lanes once more; with other bases where they are given."""
    return {path: lane.after(bases, lane.entries) for path, lane in lanes.items()}


class Reference:
    """What is to be: each parameter by itself, in a group that is never touched, driven by lanes of its own."""

    def __init__(self, net: nn.Module) -> None:
        self.step = 0
        self.weights = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
        self.state: dict[str, dict[str, Any]] = {}
        self.lanes: dict[str, Lanes] = {}
        self.eps: dict[str, float] = {}
        self.groups: list[tuple[str, list[str]]] = []

    def joins(self, names: list[str], label: str, told: list[Past | None], lr: float) -> None:
        """Parameters in a group of their own, which is new."""
        for name in names:
            bases = {"lr": lr, "weight_decay": 0.5}
            lanes = {path: Lane(label, path, SCHEDULES[path], bases[path]) for path in SCHEDULES}
            self.lanes[name] = {path: lane.after({}, of_the_run(told, lane)) for path, lane in lanes.items()}
            self.state[name], self.eps[name] = {}, 1e-8
        self.groups.append((label, names))

    def follows(self, names: list[str], leader: str) -> None:
        """Parameters take over all that holds for another."""
        lanes, eps = self.lanes[leader], self.eps[leader]
        for name in names:
            self.lanes[name], self.eps[name] = cloned(lanes), eps

    def leaves(self, names: list[str]) -> None:
        """Parameters are in no group any more, and what is empty is none."""
        self.groups = [(label, [name for name in own if name not in names]) for label, own in self.groups]
        self.groups = [(label, own) for label, own in self.groups if own]

    def values(self, name: str) -> dict[str, Any]:
        """What is due at the next update."""
        return {path: lane.value(self.step) for path, lane in self.lanes[name].items()} | {"eps": self.eps[name]}

    def update(self, gradients: dict[str, torch.Tensor]) -> None:
        """One update, of each parameter alone."""
        for _, own in self.groups:
            for name in own:
                parameter = nn.Parameter(self.weights[name])
                parameter.grad = gradients[name].clone()
                optimizer = torch.optim.AdamW([parameter], foreach=False, **self.values(name))
                optimizer.state[parameter] = self.state[name]
                optimizer.step()
                self.state[name] = optimizer.state[parameter]
        self.step += 1

    def pasts(self) -> list[Past | None]:
        """Of each group."""
        return [past_of(label, self.lanes[own[0]].values()) for label, own in self.groups]

    def copy(self) -> "Reference":
        """As it stands."""
        found = object.__new__(Reference)
        found.step, found.eps, found.groups = self.step, dict(self.eps), [(k, list(own)) for k, own in self.groups]
        found.weights = {name: weight.clone() for name, weight in self.weights.items()}
        found.state = {name: {key: value.clone() for key, value in own.items()} for name, own in self.state.items()}
        found.lanes = {name: cloned(lanes) for name, lanes in self.lanes.items()}
        return found

    def loaded(self, saved: "Reference", *, current: bool) -> None:
        """What is left of this when another is put into its groups."""
        was = saved.copy()
        home = {name: index for index, (_, own) in enumerate(was.groups) for name in own}
        first = {label: {p: lane.first.base for p, lane in self.lanes[own[0]].items()} for label, own in self.groups}
        pasts: list[Past | None] = []
        leaders = []
        for label, own in self.groups:
            known = sorted((home[name], name) for name in own if name in home)
            leaders.append(known[0][1] if known else None)
            lanes = was.lanes[known[0][1]] if known else {}
            pasts.append(past_of(label, lanes.values()) if known else None)
        for (label, own), leader in zip(self.groups, leaders, strict=True):
            lanes = {path: Lane(label, path, SCHEDULES[path], first[label][path]) for path in SCHEDULES}
            for path, lane in lanes.items():
                if leader is None:
                    lanes[path] = lane.after({}, of_the_run(pasts, lane))
                else:
                    theirs = was.lanes[leader][path]
                    lanes[path] = lane.after({} if current else {path: theirs.first.base}, theirs.entries)
            eps = self.eps[own[0]] if current or leader is None else was.eps[leader]
            for name in own:
                self.lanes[name], self.eps[name] = cloned(lanes), eps
                self.state[name] = was.state[name] if name in home else {}
        self.step, self.weights = was.step, was.weights

"""A training of twenty steps, in one process and in several: the same global batch, and no noise between processes."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

import paramgroups as pg
from paramgroups.spreading import whole
from paramgroups.state import Distributed

STEPS, BATCH = 20, 12
HALF = STEPS // 2
PLAN = pg.Plan(
    pg.Rule(pg.NORMS | pg.BIASES, weight_decay=0.0, name="no_decay"),
    pg.Rule("stem.*", frozen=True),
    pg.Rule("body.*", lr=pg.Times(0.5)),
    pg.Rule("head.*", lr=0.02, name="head"),
    lr=0.01,
    weight_decay=0.1,
)
MATRICES = pg.Plan(pg.Rule("body.*", lr=pg.Times(0.5)), lr=0.01, weight_decay=0.1)
SCHEDULES: Mapping[str, Any] = {
    "lr": pg.Warmup(3).then(pg.Cosine(STEPS - 3, end=0.1)),
    "weight_decay": pg.Linear(STEPS, end=3.0),
}
REARRANGED = pg.Plan(
    pg.Rule("*.bias", name="biases"),
    pg.Rule("stem.*", frozen=True),
    pg.Rule("head.*", lr=pg.Times(3), name="top"),
    lr=0.01,
    weight_decay=0.1,
)
"""Another plan for the same model: other groups in another order."""


def model(*, matrices: bool = False, dtype: torch.dtype = torch.float64) -> nn.Module:
    """A stem, two blocks and a head, always the same; or matrices alone, for Muon."""
    torch.manual_seed(0)
    bias = not matrices
    layers: dict[str, nn.Module] = {
        "stem": nn.Linear(6, 8, bias=bias),
        "body": nn.Sequential(nn.Linear(8, 8, bias=bias), nn.Tanh(), nn.Linear(8, 8, bias=bias)),
        "norm": nn.Identity() if matrices else nn.LayerNorm(8),
        "head": nn.Linear(8, 3, bias=bias),
    }
    return nn.Sequential(OrderedDict(layers)).to(dtype)


def batches(dtype: torch.dtype = torch.float64) -> list[tuple[Tensor, Tensor]]:
    """Of all processes together."""
    drawn = torch.Generator().manual_seed(1)
    inputs = torch.randn(STEPS, BATCH, 6, generator=drawn, dtype=torch.float64).to(dtype)
    return list(zip(inputs, torch.randint(3, (STEPS, BATCH), generator=drawn), strict=True))


def alone(net: nn.Module) -> nn.Module:
    """As it is."""
    return net


def sharded(net: nn.Module) -> nn.Module:
    """FSDP2, each layer and the whole."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for layer in net.children():
        if [*layer.parameters()]:
            fully_shard(layer, mesh=mesh)
    fully_shard(net, mesh=mesh)
    return net


SPREAD: Mapping[str, Callable[[nn.Module], nn.Module]] = {"DDP": DistributedDataParallel, "FSDP2": sharded}


@dataclass
class Run:
    """A training, and what is compared of it."""

    net: nn.Module
    optimizer: Optimizer
    scheduler: pg.Scheduler
    values: list[dict[str, float]] = field(default_factory=list)
    told: str = ""  # the timetable, where there is one

    def update(self, inputs: Tensor, targets: Tensor) -> None:
        """One update with a process's share of a batch."""
        self.values.append(self.scheduler.values())
        self.optimizer.zero_grad()
        cross_entropy(self.net(inputs), targets).backward()
        self.optimizer.step()

    def train(self, steps: slice = slice(None), *, share: bool) -> "Run":
        """Updates on every batch of these, or on this process's share of each."""
        dtype = next(self.net.parameters()).dtype
        part = slice(dist.get_rank(), None, dist.get_world_size()) if share else slice(None)
        for inputs, targets in batches(dtype)[steps]:
            self.update(inputs[part], targets[part])
        return self

    def weights(self) -> dict[str, Tensor]:
        """Every parameter, whole."""
        return {param.name: whole(param.parameter).detach().clone() for param in pg.params.named(self.net)}

    def table(self) -> list[Any]:
        """The groups: what they are called, hold and are set to."""
        names = [own["parameters"] for own in pg.named_state(self.optimizer)["groups"]]
        return [
            [group["name"], *names[i], *(repr(group[key]) for key in ("lr", "weight_decay"))]
            for i, group in enumerate(self.optimizer.param_groups)
        ]


@dataclass(frozen=True)
class Case:
    """What is trained, and by what."""

    optimizer: type[Optimizer]
    options: Mapping[str, Any] = field(default_factory=dict)
    dtype: torch.dtype = torch.float64
    plan: pg.Plan = PLAN

    def run(self, spread: Callable[[nn.Module], nn.Module] = alone, plan: pg.Plan | None = None) -> Run:
        """A fresh one. The plan is made on the whole model before DDP wraps it, and after FSDP2 has sharded it."""
        net = model(matrices=self.plan is MATRICES, dtype=self.dtype)
        early = spread is DistributedDataParallel
        if not early:
            net = spread(net)
        optimizer = (plan or self.plan).build(net, self.optimizer, **self.options)
        scheduler = pg.Scheduler(optimizer, **SCHEDULES)
        return Run(spread(net) if early else net, optimizer, scheduler)


CASES: Mapping[str, Case] = {
    "SGD": Case(pg.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "Adam": Case(pg.optim.Adam),
    "AdamW": Case(pg.optim.AdamW),
    "AdamW, float32": Case(pg.optim.AdamW, dtype=torch.float32),
    "RMSprop": Case(pg.optim.RMSprop, {"momentum": 0.9}),
    "Adagrad": Case(pg.optim.Adagrad),
    "Lion": Case(pg.optim.Lion),
    "Muon": Case(pg.optim.Muon, plan=MATRICES),
    "torch's AdamW": Case(torch.optim.AdamW),
    "torch's AdamW, fused": Case(torch.optim.AdamW, {"fused": True}),
}

COMPARED = {"DDP": ("SGD", "AdamW", "AdamW, float32", "Muon", "torch's AdamW, fused"), "FSDP2": tuple(CASES)}
"""Under DDP an optimizer sees plain tensors, whichever it is; FSDP2's are distributed."""


def compared(case: Case, spread: Callable[[nn.Module], nn.Module]) -> dict[str, Any]:
    """How far a training by several processes is from one by a single one."""
    return apart(case.run().train(share=False), case.run(spread).train(share=True))


def apart(one: Run, many: Run) -> dict[str, Any]:
    """How far apart two trainings' weights are, by element and by norm; whether names, tables and values are equal."""
    pairs = list(zip(one.weights().values(), many.weights().values(), strict=True))
    return {
        "by element": max(float(((own - other).abs() / own.abs()).max()) for own, other in pairs),
        "by norm": max(float((own - other).norm() / own.norm()) for own, other in pairs),
        "equal": {
            "names": one.weights().keys() == many.weights().keys(),
            "tables": one.table() == many.table(),
            "values": one.values == many.values,
        },
        "updates": len(many.values),
    }


# --- frozen and thawed ----------------------------------------------------------------------------


def frozen_in_mid_run(run: Run, share: bool) -> None:
    """From one moment to another, nothing moves the body; then it goes on with the state that it has."""
    run.train(slice(5), share=share)
    pg.freeze(run.net, "body.*", run.optimizer)
    before = run.weights()
    run.train(slice(5, 12), share=share)
    still = {name for name, weight in run.weights().items() if torch.equal(weight, before[name])}
    assert still == {name for name in before if name.startswith(("stem.", "body."))}
    pg.thaw(run.net, "body.*", run.optimizer)
    run.train(slice(12, None), share=share)


def thawed_by_plan(run: Run, share: bool) -> None:
    """The plan freezes the body until update 8, and lets it join by a warm-up of its own."""
    timetable = pg.Timetable(run.net, run.optimizer, run.scheduler)
    before = run.weights()
    run.train(slice(8), share=share)
    still = {name for name, weight in run.weights().items() if torch.equal(weight, before[name])}
    assert still == {name for name in before if name.startswith(("stem.", "body."))}
    run.train(slice(8, None), share=share)
    moved = [name for name, weight in run.weights().items() if not torch.equal(weight, before[name])]
    assert len(moved) == len(before) - 2
    run.told = str(timetable)


def thawed_by_timetable(run: Run, share: bool) -> None:
    """The same, said after the model was wrapped; and one half is frozen again."""
    events: list[Any] = [("body.*", "thaw", 6, 3), ("body.2.*", "freeze", 14)]
    timetable = pg.Timetable(run.net, run.optimizer, run.scheduler, events)
    run.train(share=share)
    run.told = str(timetable)


LATER = pg.Plan(
    pg.Rule(pg.NORMS | pg.BIASES, weight_decay=0.0, name="no_decay"),
    pg.Rule("stem.*", frozen=True),
    pg.Rule("body.*", frozen=True, thaw=8, warmup=4, lr=pg.Times(0.5), name="body"),
    lr=0.01,
    weight_decay=0.1,
)
BODY = pg.Plan(pg.Rule("stem.*", frozen=True), pg.Rule("body.*", name="body"), lr=0.01, weight_decay=0.1)

FREEZING: Mapping[str, tuple[Case, Callable[[Run, bool], None]]] = {
    "frozen in mid-run, AdamW": (CASES["AdamW"], frozen_in_mid_run),
    "frozen in mid-run, SGD": (CASES["SGD"], frozen_in_mid_run),
    "frozen in mid-run, torch's AdamW": (CASES["torch's AdamW"], frozen_in_mid_run),
    "thawed by the plan": (Case(pg.optim.AdamW, plan=LATER), thawed_by_plan),
    "thawed by a timetable": (Case(pg.optim.AdamW, plan=BODY), thawed_by_timetable),
}


def compared_frozen(name: str, spread: Callable[[nn.Module], nn.Module]) -> dict[str, Any]:
    """How far a training in which something is frozen is from the same in one process."""
    case, laps = FREEZING[name]
    runs = []
    for way in (alone, spread):
        runs.append(case.run(way))
        laps(runs[-1], way is spread)
    return {**apart(*runs), "told": [run.told for run in runs]}


# --- saved half way, and gone on with under another plan ------------------------------------------


def to_dcp(run: Run, path: Path) -> None:
    """By torch.distributed.checkpoint, into a folder."""
    save({"run": Distributed(run.optimizer, run.scheduler, run.net)}, checkpoint_id=path)


def from_dcp(run: Run, path: Path) -> None:
    """Out of it."""
    load({"run": Distributed(run.optimizer, run.scheduler, run.net)}, checkpoint_id=path)


def to_file(run: Run, path: Path) -> None:
    """Into one file of ours."""
    pg.save(path, run.optimizer, run.scheduler, run.net)


def from_file(run: Run, path: Path) -> None:
    """Out of it."""
    pg.load(path, run.optimizer, run.scheduler, run.net)


SAVED = {"DCP": (to_dcp, from_dcp), "file": (to_file, from_file)}
"""How a run is saved, and loaded."""


def save_half(how: str, path: Path, spread: Callable[[nn.Module], nn.Module] = alone) -> None:
    """Train through half of the steps, and save."""
    SAVED[how][0](CASES["AdamW"].run(spread).train(slice(HALF), share=spread is not alone), path)


def go_on(how: str, path: Path, spread: Callable[[nn.Module], nn.Module] = alone) -> Run:
    """Load into other groups, and train through the other half."""
    run = CASES["AdamW"].run(spread, REARRANGED)
    SAVED[how][1](run, path)
    return run.train(slice(HALF, None), share=spread is not alone)


def regrouped() -> Run:
    """The same in one process, without a file: other groups, half way."""
    run = CASES["AdamW"].run().train(slice(HALF), share=False)
    REARRANGED.apply(run.optimizer, run.net)
    run.values.clear()
    return run.train(slice(HALF, None), share=False)

"""One of two processes: runs every situation that needs a pair, and writes what came of each to a file.

`python tests/workers/pair.py FOLDER`, with RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set.
"""

import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import paramgroups as pg
from optims import served
from paramgroups.spreading import local
from rigs import ADAM, ONLY_LR, PLAN, Laps, Rig, Situation, hold, model
from trainers import (
    accelerated,
    accelerated_return,
    accumulating,
    closures,
    plain,
    resumed,
    scaled,
    told_too_often,
    watched,
)


def sharded(net: nn.Module) -> nn.Module:
    """FSDP2, each layer and the whole."""
    mesh = init_device_mesh("cpu", (2,))
    for layer in net.children():
        fully_shard(layer, mesh=mesh)
    fully_shard(net, mesh=mesh)
    return net


def replicated(rig: Rig, laps: Laps) -> Iterator[None]:
    """The laps of one process, its model in DistributedDataParallel."""
    rig.net = DistributedDataParallel(rig.net)
    yield from laps(rig)


def unsynchronised(rig: Rig) -> Iterator[None]:
    """DistributedDataParallel, accumulating: three batches of four are not synchronised."""
    net = rig.net = DistributedDataParallel(rig.net)
    for batch in range(20):
        last = batch % 4 == 3
        with nullcontext() if last else net.no_sync():
            rig.backward()
        if last:
            rig.optimizer.step()
            rig.optimizer.zero_grad()
        yield


def zero(rig: Rig) -> Iterator[None]:
    """Torch's ZeroRedundancyOptimizer: each process updates some of the parameters, and the groups are copied."""
    from torch.distributed.optim import ZeroRedundancyOptimizer

    rig.net = DistributedDataParallel(rig.net)
    groups: Any = PLAN.on(model()).param_groups()
    for group, old in zip(groups, rig.optimizer.param_groups, strict=True):
        group["params"] = old["params"]
    rig.optimizer = ZeroRedundancyOptimizer(groups, torch.optim.AdamW, lr=0.01)
    rig.scheduler = pg.Scheduler(rig.optimizer, **ADAM)
    yield from plain(rig)


def beside_torchs(rig: Rig) -> Iterator[None]:
    """Each update of ours is what torch's AdamW makes of another copy of the model."""
    net, places = sharded(model()), {parameter: place for place, parameter in enumerate(rig.net.parameters())}
    twins = [*net.parameters()]
    groups = [{"params": [twins[places[p]] for p in group["params"]]} for group in rig.optimizer.param_groups]
    theirs = torch.optim.AdamW(groups)

    def follow(*_: Any) -> None:
        for group, other in zip(rig.optimizer.param_groups, theirs.param_groups, strict=True):
            other |= {key: group[key] for key in ("lr", "betas", "weight_decay")}

    rig.optimizer.register_step_pre_hook(follow)
    for _ in plain(rig):
        net(torch.ones(3, 4)).pow(4).sum().backward()
        theirs.step()
        theirs.zero_grad()
        for own, other in zip(rig.net.parameters(), twins, strict=True):
            torch.testing.assert_close(local(own), local(other))
        yield
    assert served(rig.optimizer) == len(twins)


def situations(folder: Path) -> dict[str, Situation]:
    """Every situation of two processes; `folder` is for files."""
    dcp: Mapping[str, Callable[..., Iterator[None]]] = {
        f"FSDP2, DCP save/load, {'scheduler' if first else 'optimizer'} first, {kind}": partial(
            resumed, folder=folder / f"{first}{kind}", scheduler_first=first, stepped=kind != "fresh"
        )
        for first in (True, False)
        for kind in ("fresh", "stepped")
    }
    return {
        "DDP": Situation(partial(replicated, laps=plain)),
        "DDP, fused": Situation(partial(replicated, laps=plain), options={"fused": True}),
        "DDP, scheduler.step() eight times": Situation(partial(replicated, laps=told_too_often)),
        "DDP, accumulation 4": Situation(unsynchronised),
        "DDP, GradScaler": Situation(partial(replicated, laps=scaled)),
        "DDP, closures": Situation(partial(replicated, laps=closures)),
        "ZeRO": Situation(zero),
        "FSDP2": Situation(plain, shard=sharded),
        "FSDP2, SGD": Situation(plain, shard=sharded, optimizer=torch.optim.SGD, schedules=ONLY_LR),
        "FSDP2, ours": Situation(beside_torchs, shard=sharded, optimizer=pg.optim.AdamW),
        "FSDP2, accumulation 4": Situation(accumulating, shard=sharded),
        "FSDP2, DCP asks": Situation(partial(watched, clear=True), shard=sharded),
        **{name: Situation(laps, 6, shard=sharded) for name, laps in dcp.items()},
        "accelerate": Situation(accelerated),
        "accelerate, accumulation 4": Situation(partial(accelerated, accumulate=4)),
        "accelerate, bf16": Situation(partial(accelerated, precision="bf16")),
        "accelerate, scheduler made after prepare": Situation(partial(accelerated, late=True)),
        "accelerate, FSDP2": Situation(partial(accelerated, shards=True)),
        "accelerate, FSDP2, accumulation 4": Situation(partial(accelerated, shards=True, accumulate=4)),
        "accelerate, FSDP2, scheduler made after prepare": Situation(partial(accelerated, shards=True, late=True)),
        "accelerate, FSDP2, save_state/load_state": Situation(
            partial(accelerated_return, folder=folder / "accelerate", shards=True), 8
        ),
    }


def outcome(situation: Situation) -> str:
    """What went wrong, or nothing."""
    try:
        hold(situation)
    except Exception:  # noqa: BLE001 - whatever it is, the parent shows it
        return traceback.format_exc()
    return ""


def main(folder: Path) -> None:
    """Run them all; a rank that fails leaves the other waiting, so the first failure ends the run."""
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)  # torch's own use of torch.jit
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    outcomes = {}
    for name, situation in situations(folder).items():
        outcomes[name] = outcome(situation)
        (folder / f"rank{os.environ['RANK']}.json").write_text(json.dumps(outcomes), "utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

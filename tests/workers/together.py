"""One of two processes under torchrun: runs every case that needs several, and writes what it found to a file.

`torchrun --standalone --nproc-per-node 2 tests/workers/together.py FOLDER`
"""

import json
import math
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW

import paramgroups as pg
import parity
from paramgroups import spreading
from paramgroups.errors import ParamGroupsError
from paramgroups.state import Distributed

RANK = int(os.environ.get("RANK", "0"))


def said(act: Callable[[], Any]) -> str:
    """What an act is refused with, or nothing."""
    try:
        act()
    except ParamGroupsError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def built(*, plan: pg.Plan | None = None, layers: int = 2, **options: Any) -> str:
    """What building is refused with on this rank."""
    net = nn.ModuleDict({f"layer{number}": nn.Linear(2, 2) for number in range(layers)})
    plan = plan or pg.Plan(pg.Rule("layer0.*", lr=0.1), lr=0.01)
    return said(lambda: plan.build(net, options.pop("kind", AdamW), **options))


def on_rank_1(theirs: dict[str, Any], **both: Any) -> str:
    """The same on every rank, but for what is said of rank 1."""
    return built(**both, **(theirs if RANK == 1 else {}))


def own_group() -> Any:
    """A process group of this rank alone."""
    return [dist.new_group([rank]) for rank in range(2)][RANK]


def not_a_member() -> str:
    """A group that rank 1 is not of."""
    return on_rank_1({"layers": 3}, ranks=dist.new_group([0]))


def shards_late() -> str:
    """The plan is built, then the model is sharded: the first step is refused."""
    net = parity.model()
    optimizer = parity.PLAN.build(net, AdamW)
    parity.sharded(net)
    net(parity.batches()[0][0]).sum().backward()
    return said(optimizer.step)


def gone_on(how: str, path: Path, spread: Callable[[nn.Module], nn.Module]) -> dict[str, Any]:
    """How far what one process saved, and two go on with in other groups, is from what one regroups half way."""
    return parity.apart(parity.regrouped(), parity.go_on(how, path, spread))


def adafactor() -> str:
    """An optimizer whose state has rows and columns of its parameters'."""
    net = parity.sharded(parity.model(dtype=torch.float32))
    return said(Distributed(parity.MATRICES.build(net, torch.optim.Adafactor), model=net).state_dict)


def frozen_when_wrapped() -> dict[str, Any]:
    """A thaw of what required no gradients when DDP wrapped the model, asked of the wrapper and of what it wraps.

    And by how much the gradients of two processes are apart, where it is thawed by hand.
    """
    net = parity.model(dtype=torch.float32)
    optimizer = parity.BODY.build(net, AdamW)
    for parameter in net.get_submodule("body").parameters():
        parameter.requires_grad_(False)
    wrapped = DistributedDataParallel(net)
    scheduler = pg.Scheduler(optimizer, lr=pg.Constant())
    refused = [
        said(lambda: pg.thaw(wrapped, "body.*", optimizer)),
        said(lambda: pg.thaw(net, "body.*", optimizer)),
        said(lambda: pg.Timetable(wrapped, optimizer, scheduler, [("body.*", "thaw", 3)])),
    ]
    weight = net.get_parameter("body.0.weight")
    still = weight.requires_grad
    pg.thaw(wrapped, "head.*", optimizer)
    weight.requires_grad_(True)
    wrapped(torch.full((2, 6), 1.0 + RANK)).square().sum().backward()
    gradients = [torch.zeros_like(weight) for _ in range(2)]
    assert weight.grad is not None
    dist.all_gather(gradients, weight.grad)
    refused.append(said(optimizer.step))
    return {"refused": refused, "still": still, "apart": not torch.equal(*gradients)}


def frozen_when_sharded() -> dict[str, Any]:
    """FSDP2 looks at what requires gradients in every pass: what was frozen when it was sharded can be thawed."""
    runs = []
    for spread in (parity.alone, parity.sharded):
        net = parity.model()
        for parameter in net.get_submodule("head").parameters():
            parameter.requires_grad_(False)
        spread(net)
        pg.thaw(net, "head.*")
        optimizer = parity.BODY.build(net, AdamW)
        run = parity.Run(net, optimizer, pg.Scheduler(optimizer, **parity.SCHEDULES))
        runs.append(run.train(share=spread is parity.sharded))
    return parity.apart(*runs)


def spread_and_gathered() -> dict[str, list[bool]]:
    """Whether a whole tensor spread like another is that other, by its own words, and comes back whole."""
    mesh, found = init_device_mesh("cpu", (2,)), {}
    for name, shape, side in (("rows", (4, 2), 0), ("uneven rows", (3, 2), 0), ("columns", (3, 4), 1)):
        tensor = torch.arange(float(math.prod(shape))).reshape(shape)
        like = distribute_tensor(tensor, mesh, [Shard(side)])
        spread = spreading.spread_as(tensor, like)
        parts = [spreading.local(each) for each in (spread, like)]
        found[name] = [
            spreading.is_spread(spread),
            spreading.spread_alike(spread, like) and not spreading.spread_alike(spread, tensor),
            torch.equal(*parts),
            torch.equal(spreading.whole(spread), tensor),
        ]
    return found


AGREEMENT: dict[str, Callable[[], Any]] = {
    "the same": built,
    "another group": partial(on_rank_1, {"plan": pg.Plan(pg.Rule("layer0.weight", name="layer0", lr=0.1), lr=0.01)}),
    "another value": partial(on_rank_1, {"plan": pg.Plan(pg.Rule("layer0.*", lr=0.2), lr=0.01)}),
    "another argument": partial(on_rank_1, {"eps": 1e-7}),
    "another class": partial(on_rank_1, {"kind": torch.optim.NAdam}),
    "another model": partial(on_rank_1, {"layers": 3}),
    "a failure": partial(on_rank_1, {"plan": pg.Plan(pg.Rule("laier0.*", lr=0.1), lr=0.01)}),
    "a failure everywhere": partial(built, plan=pg.Plan(pg.Rule("laier0.*", lr=0.1), lr=0.01)),
    "switched off": partial(on_rank_1, {"layers": 3}, ranks=False),
    "a stage each": lambda: on_rank_1({"layers": 3}, ranks=own_group()),
    "not a member": not_a_member,
    "sharded too late": shards_late,
}


def cases(folder: Path) -> dict[str, Callable[[], Any]]:
    """Every case by name; `folder` is for files."""
    return {
        **AGREEMENT,
        "spread and gathered": spread_and_gathered,
        **{
            f"{way}, {name}": partial(parity.compared, parity.CASES[name], parity.SPREAD[way])
            for way, names in parity.COMPARED.items()
            for name in names
        },
        **{
            f"saved by two, {way}, {how}": partial(parity.save_half, how, folder / f"two-{way}-{how}", spread)
            for way, spread in parity.SPREAD.items()
            for how in parity.SAVED
        },
        **{
            f"gone on with by two, {way}, {how}": partial(gone_on, how, folder / f"one-{how}", spread)
            for way, spread in parity.SPREAD.items()
            for how in parity.SAVED
        },
        "state of another shape": adafactor,
        **{
            f"{way}, {name}": partial(parity.compared_frozen, name, spread)
            for way, spread in parity.SPREAD.items()
            for name in parity.FREEZING
        },
        "DDP, frozen when it was wrapped": frozen_when_wrapped,
        "DDP, nobody throws gradients away": lambda: said(lambda: pg.freeze(parity.model(), "body.*")),
        "FSDP2, frozen when it was sharded": frozen_when_sharded,
    }


def outcome(case: Callable[[], Any]) -> dict[str, Any]:
    """What a case found, or how it failed."""
    try:
        return {"found": case()}
    except Exception:  # noqa: BLE001 - whatever it is, the parent shows it
        return {"failed": traceback.format_exc()}


def main(folder: Path) -> None:
    """Run them all; a rank that fails alone leaves the other waiting, which the short timeout ends."""
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)  # torch's own use of torch.jit
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=timedelta(seconds=30))
    outcomes = {}
    for name, case in cases(folder).items():
        outcomes[name] = outcome(case)
        (folder / f"rank{RANK}.json").write_text(json.dumps(outcomes), "utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A run of several algorithms on any number of processes, saved by torch's distributed checkpoint or gone on from it.

`python tests/workers/reshaping.py save|load FOLDER`, with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set: `save`
makes three updates, saves, makes two more, and keeps what all came to; `load` makes the two elsewhere, and says
`same` where parameters, state and groups came to the same.
"""

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

import paramgroups as pg
from duels import assert_same
from paramgroups.optim import AdamW, Muon

PLAN = pg.Plan(
    pg.Rule(pg.Ndim(2) & ~pg.Named("2.*"), algorithm="muon", lr=0.02, name="hidden"),
    pg.Rule(pg.BIASES, weight_decay=0.0, name="biases"),
    lr=0.01,
    weight_decay=0.1,
)


def started() -> tuple[nn.Module, Any]:
    """A model spread over the processes, and its optimizer; both always the same, but for the gradients' sum."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    fully_shard(net, mesh=init_device_mesh("cpu", (dist.get_world_size(),)))
    return net, PLAN.build(net, {"muon": Muon, "adamw": AdamW}, default="adamw")


def train(net: nn.Module, optimizer: Any, steps: int) -> None:
    """Updates on the same batch everywhere, so that the mean over processes is what each has."""
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.linspace(-1, 1, 24).reshape(4, 6)).square().sum().backward()
        optimizer.step()


def whole(value: Any) -> Any:
    """All of what is spread, copied."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    value = value.full_tensor() if isinstance(value, DTensor) else value
    return value.clone() if isinstance(value, torch.Tensor) else value


def parts(net: nn.Module, optimizer: Any) -> dict[str, Any]:
    """What a checkpoint holds."""
    return {"net": get_model_state_dict(net), "optimizer": get_optimizer_state_dict(net, optimizer)}


def contents(net: nn.Module, optimizer: Any) -> Any:
    """All of the state and parameters by name, and the values of the groups."""
    names = {parameter: name for name, parameter in net.named_parameters()}
    state = {names[parameter]: whole(dict(kept)) for parameter, kept in optimizer.state.items()}
    groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    return [whole(dict(net.state_dict())), state, groups]


def main(action: str, folder: Path) -> str:
    """What there is to say."""
    net, optimizer = started()
    if action == "save":
        train(net, optimizer, 3)
        save(parts(net, optimizer), checkpoint_id=folder / "checkpoint")
        at_save = contents(net, optimizer)
        train(net, optimizer, 2)
        after = contents(net, optimizer)
        if dist.get_rank() == 0:
            torch.save([at_save, after], folder / "whole.pt")
        return "saved"
    state = parts(net, optimizer)
    load(state, checkpoint_id=folder / "checkpoint")
    set_model_state_dict(net, state["net"])
    set_optimizer_state_dict(net, optimizer, state["optimizer"])
    at_save, after = torch.load(folder / "whole.pt")
    assert_same(contents(net, optimizer), at_save, rtol=0, atol=0)
    train(net, optimizer, 2)
    assert_same(contents(net, optimizer), after)
    return "same"


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    said = main(sys.argv[1], Path(sys.argv[2]))
    dist.barrier()
    sys.stdout.write(said)
    dist.destroy_process_group()

"""One of two processes: a model spread over both in every way, stepped by Muon beside a whole one.

`python tests/workers/gathering.py`, with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set; says which ways agreed.
"""

import itertools
import sys
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

from paramgroups.optim import Muon
from paramgroups.spreading import whole

WIDTHS = [12, 7, 12, 8, 12, 12, 1]  # rows that two processes share evenly, unevenly, and not at all


def model() -> nn.Sequential:
    """Matrices, tall, wide and square."""
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(i, o, bias=False) for i, o in itertools.pairwise(WIDTHS)))


def by_rows(net: nn.Module) -> None:
    """FSDP2."""
    fully_shard(net, mesh=init_device_mesh("cpu", (2,)))


def by_both_sides(net: nn.Module) -> None:
    """Tensor parallelism: one matrix by rows, the next by columns, the others whole."""
    parallelize_module(net, init_device_mesh("cpu", (2,)), {"2": ColwiseParallel(), "3": RowwiseParallel()})


WAYS: dict[str, Callable[[nn.Module], None]] = {"rows": by_rows, "both sides": by_both_sides}


def agrees(spread: Callable[[nn.Module], None]) -> bool:
    """Whether three steps give the bits that they give in one process, the momenta's too."""
    parts, alone = model(), model()
    spread(parts)
    batch = torch.randn(8, 12, generator=torch.Generator().manual_seed(1))
    optimizers = [Muon([(name, p) for name, p in net.named_parameters()], lr=0.1) for net in (parts, alone)]
    for _ in range(3):
        for net, optimizer in zip((parts, alone), optimizers, strict=True):
            optimizer.zero_grad()
            (net(batch) - 1).square().mean().backward()
            if net is alone:  # what summing over two processes rounds is not Muon's
                for own, other in zip(net.parameters(), parts.parameters(), strict=True):
                    assert other.grad is not None
                    own.grad = whole(other.grad).clone()
            else:
                optimizer.step()
        optimizers[1].step()
    return all(
        torch.equal(whole(one), other)
        and torch.equal(*(whole(o.state[p]["momentum_buffer"]) for o, p in zip(optimizers, (one, other), strict=True)))
        for one, other in zip(parts.parameters(), alone.parameters(), strict=True)
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    sys.stdout.write(", ".join(name for name, spread in WAYS.items() if agrees(spread)))
    dist.destroy_process_group()

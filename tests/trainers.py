"""Ways to train that libraries have, each a generator of laps, in one table.

A lap may or may not be an update: what tells is whether the parameters moved, never the scheduler under test.
"""

import copy
import io
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.tensor import DTensor
from torch.optim import SGD, AdamW

import paramgroups as pg
from rigs import ADAM, MOMENTUM, ONLY_LR, PLAN, Laps, Rig, Situation

# --- torch's own loops ----------------------------------------------------------------------------


def plain(rig: Rig) -> Iterator[None]:
    """An update a lap."""
    for _ in range(5):
        rig.update()
        yield


def told_too_often(rig: Rig) -> Iterator[None]:
    """`scheduler.step()` once a process, as wrappers do that believe in it."""
    for _ in range(5):
        rig.update()
        for _ in range(8):
            rig.scheduler.step()
        yield


def accumulating(rig: Rig) -> Iterator[None]:
    """Four batches an update, and `scheduler.step()` after each batch."""
    for batch in range(20):
        rig.backward()
        if batch % 4 == 3:
            rig.optimizer.step()
            rig.optimizer.zero_grad()
        rig.scheduler.step()
        yield


def scaled(rig: Rig, *, clip: bool = False) -> Iterator[None]:
    """Under a GradScaler, as in plain loops and in Lightning's; every third batch overflows."""
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for batch in range(8):
        rig.optimizer.zero_grad()
        scaler.scale(rig.net(torch.ones(3, 4)).pow(4).sum()).backward()
        if batch % 3 == 1:
            poison(rig)
        if clip:
            scaler.unscale_(rig.optimizer)
            nn.utils.clip_grad_norm_(rig.net.parameters(), 1.0)
        scaler.step(rig.optimizer)
        scaler.update()
        rig.scheduler.step()
        yield


def poison(rig: Rig) -> None:
    """What an overflow leaves in the gradients."""
    for parameter in rig.net.parameters():
        assert parameter.grad is not None
        parameter.grad.fill_(float("inf"))


def compiled(rig: Rig) -> Iterator[None]:
    """The optimizer's step is compiled; its lr is a tensor, so that it is compiled once."""
    torch._dynamo.reset()
    step = torch.compile(rig.optimizer.step, backend="eager")
    frames = []
    for _ in range(5):
        rig.optimizer.zero_grad()
        rig.backward()
        step()
        frames.append(torch._dynamo.utils.counters["frames"]["total"])
        yield
    assert frames[2:] == frames[2:3] * 3


# --- closures -------------------------------------------------------------------------------------


def closure_of(rig: Rig, calls: list[int] | None = None) -> Callable[[], Any]:
    """What Lightning hands to `optimizer.step`: clear, forward, backward, the loss."""

    def closure() -> Any:
        if calls is not None:
            calls.append(1)
        rig.optimizer.zero_grad()
        return rig.backward()

    return closure


def closures(rig: Rig) -> Iterator[None]:
    """Lightning: the whole batch runs inside `optimizer.step(closure)`."""
    for _ in range(5):
        rig.optimizer.step(closure_of(rig))
        rig.scheduler.step()
        yield


def accumulating_closures(rig: Rig) -> Iterator[None]:
    """Lightning, accumulating: between updates the closure is called without a step."""
    for batch in range(10):
        if batch % 2:
            rig.optimizer.step(rig.backward)
            rig.optimizer.zero_grad()
        else:
            rig.backward()
        yield


def many_evaluations(rig: Rig) -> Iterator[None]:
    """LBFGS: a closure is evaluated again and again, and that is one update."""
    for _ in range(5):
        calls: list[int] = []
        rig.optimizer.step(closure_of(rig, calls))
        assert len(calls) > 1
        yield


class Courier:
    """A wrapper as Lightning makes them: it steps the optimizer that it keeps in `.optimizer`."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.optimizer, name)


# --- copies and checkpoints -----------------------------------------------------------------------


def copied(rig: Rig, copier: Callable[[Any], Any]) -> Iterator[None]:
    """After every update the run goes on as a copy of itself."""
    for _ in range(5):
        rig.update()
        yield
        rig.net, rig.optimizer, rig.scheduler = copier((rig.net, rig.optimizer, rig.scheduler))
        yield


def pickled(whole: Any) -> Any:
    """Through bytes."""
    return pickle.loads(pickle.dumps(whole))


def saved(whole: Any) -> Any:
    """Through torch's own file."""
    file = io.BytesIO()
    torch.save(whole, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def reloaded(rig: Rig) -> Iterator[None]:
    """The optimizer's state is loaded after each update, an older one too, as a fallback would."""
    oldest = copy.deepcopy(rig.optimizer.state_dict())
    for _ in range(5):
        rig.update()
        rig.optimizer.load_state_dict(rig.optimizer.state_dict())
        yield
        rig.optimizer.load_state_dict(copy.deepcopy(oldest))
        yield


def watched(rig: Rig, *, clear: bool) -> Iterator[None]:
    """A checkpoint library asks for the state before, between and after updates."""
    for _ in range(5):
        get_optimizer_state_dict(rig.net, rig.optimizer)
        yield
        rig.update()
        if clear:
            rig.optimizer.zero_grad()
        yield
    get_optimizer_state_dict(rig.net, rig.optimizer)
    yield


def resumed(rig: Rig, folder: Path, *, scheduler_first: bool, stepped: bool) -> Iterator[None]:
    """After three updates the run is saved by torch.distributed.checkpoint, and goes on from it in new objects.

    They may have been stepped already, as a run that falls back to its last good checkpoint has.
    """
    for _ in range(3):
        rig.update()
        yield
    position = rig.scheduler.state_dict()
    state = {"net": rig.net.state_dict(), "optimizer": get_optimizer_state_dict(rig.net, rig.optimizer)}
    save(state, checkpoint_id=folder)
    fresh = rig.again()
    if stepped:
        for _ in range(2):
            fresh.update()
    if scheduler_first:
        fresh.scheduler.load_state_dict(position)
    state = {"net": fresh.net.state_dict(), "optimizer": get_optimizer_state_dict(fresh.net, fresh.optimizer)}
    load(state, checkpoint_id=folder)
    fresh.net.load_state_dict(state["net"])
    set_optimizer_state_dict(fresh.net, fresh.optimizer, state["optimizer"])
    if not scheduler_first:
        fresh.scheduler.load_state_dict(position)
    rig.net, rig.optimizer, rig.scheduler = fresh.net, fresh.optimizer, fresh.scheduler
    for _ in range(3):
        yield
        rig.update()
    yield


# --- wrappers of other libraries ------------------------------------------------------------------


def accelerated(
    rig: Rig, *, accumulate: int = 1, precision: str = "no", late: bool = False, shards: bool = False
) -> Iterator[None]:
    """Accelerate prepares model, optimizer and scheduler; `late`: the scheduler is made of the prepared optimizer."""
    accelerator = new_accelerator(shards, gradient_accumulation_steps=accumulate, mixed_precision=precision)
    if late:
        rig.scheduler.detach()
        rig.net, rig.optimizer = accelerator.prepare(rig.net, rig.optimizer)
        rewind(rig)
        rig.scheduler = pg.Scheduler(rig.optimizer, **ADAM)
        prepared = accelerator.prepare_scheduler(rig.scheduler)
    else:
        rig.net, rig.optimizer, prepared = accelerator.prepare(rig.net, rig.optimizer, rig.scheduler)
    assert shards == all(isinstance(p, DTensor) for p in rig.net.parameters())
    yield
    told = Mock(wraps=prepared.scheduler.step)
    prepared.scheduler.step = told
    for _ in range(5 * accumulate):
        with accelerator.accumulate(rig.net):
            accelerator.backward(rig.net(torch.ones(3, 4)).pow(4).sum())
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(rig.net.parameters(), 1.0)
            rig.optimizer.step()
            prepared.step()
            rig.optimizer.zero_grad()
        yield
    assert told.call_count == 5 * accelerator.num_processes
    assert prepared.get_last_lr() == rig.scheduler.get_last_lr()


def accelerated_return(rig: Rig, folder: Path, *, shards: bool = False) -> Iterator[None]:
    """After three updates accelerate saves the run; two more are undone when it is loaded."""
    accelerator = new_accelerator(shards)
    rig.net, rig.optimizer, _ = accelerator.prepare(rig.net, rig.optimizer, rig.scheduler)
    yield
    for _ in range(3):
        rig.update()
        yield
    accelerator.save_state(str(folder))
    for _ in range(2):
        rig.update()
    accelerator.load_state(str(folder))
    yield
    yield from plain(rig)


def new_accelerator(shards: bool = False, **options: Any) -> Any:
    """An Accelerator that knows nothing of the one before it: a process has one state of them.

    With `shards` it uses FSDP2, which accelerate offers beside a GPU or the like alone: it is told that there is one,
    and all else is its own.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState, PartialState
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    accelerator = Accelerator(cpu=True, **options)
    if shards:
        for state in (PartialState, AcceleratorState):
            state._shared_state["distributed_type"] = DistributedType.FSDP
        plugin = FullyShardedDataParallelPlugin(fsdp_version=2, cpu_ram_efficient_loading=False)
        AcceleratorState._shared_state["fsdp_plugin"] = plugin
    return accelerator


def rewind(rig: Rig) -> None:
    """Give the groups their bases back, which a scheduler that let go has left at its first values."""
    with torch.no_grad():
        for group, lr in zip(rig.optimizer.param_groups, (0.01, 0.1), strict=True):
            group["lr"] = lr


def accelerated_overflow(rig: Rig) -> Iterator[None]:
    """Accelerate's optimizer with a GradScaler, which patches the optimizer's step while it runs."""
    from accelerate.optimizer import AcceleratedOptimizer

    accelerator = new_accelerator()
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    optimizer = AcceleratedOptimizer(rig.optimizer, scaler=scaler)
    prepared = accelerator.prepare_scheduler(rig.scheduler)
    for batch in range(8):
        optimizer.zero_grad()
        scaler.scale(rig.net(torch.ones(3, 4)).pow(4).sum()).backward()
        if batch % 3 == 1:
            poison(rig)
        optimizer.step()
        prepared.step()
        yield


def fabric(rig: Rig, *, late: bool = False) -> Iterator[None]:
    """Lightning Fabric sets model and optimizer up; `late`: the scheduler is made of the wrapped optimizer."""
    from lightning_fabric import Fabric

    if late:
        rig.scheduler.detach()
        rewind(rig)
    rig.net, wrapped = Fabric(accelerator="cpu", devices=1).setup(rig.net, rig.optimizer)
    if late:
        rig.scheduler = pg.Scheduler(wrapped, **ADAM)
    rig.optimizer = wrapped
    yield from plain(rig)


def wrapped_by_hand(rig: Rig, *, late: bool = False) -> Iterator[None]:
    """A wrapper that is no Optimizer, around one that is none either."""
    wrapped: Any = Courier(Courier(rig.optimizer))
    if late:
        rig.scheduler.detach()
        rewind(rig)
        rig.scheduler = pg.Scheduler(wrapped, **ADAM)
    rig.optimizer = wrapped
    yield from closures(rig)


# --- the table ------------------------------------------------------------------------------------

TENSOR_LR = Situation(compiled, optimizer=AdamW, schedules=ONLY_LR, plan=pg.Plan(*PLAN.rules, lr=torch.tensor(0.01)))
LAPS: Mapping[str, Laps] = {
    "plain": plain,
    "GradScaler": scaled,
    "load_state_dict": reloaded,
    "deepcopy": partial(copied, copier=copy.deepcopy),
}


def situations(folder: Path) -> dict[str, Situation]:
    """Every situation of one process; `folder` is for files."""
    dcp = {
        f"DCP save/load, {'scheduler' if first else 'optimizer'} first, {kind}": Situation(
            partial(resumed, folder=folder / f"{first}{kind}", scheduler_first=first, stepped=kind != "fresh"), 6
        )
        for first in (True, False)
        for kind in ("fresh", "stepped")
    }
    return {
        "SGD": Situation(plain, optimizer=SGD, schedules=ONLY_LR),
        "AdamW, for-loop": Situation(plain, options={"foreach": False}),
        "AdamW, foreach": Situation(plain, options={"foreach": True}),
        "AdamW, fused": Situation(plain, options={"fused": True}),
        "AdamW, amsgrad": Situation(plain, options={"amsgrad": True}),
        "scheduler.step() eight times": Situation(told_too_often),
        "accumulation 4": Situation(accumulating),
        "compiled step": TENSOR_LR,
        "GradScaler": Situation(scaled),
        "GradScaler, foreach": Situation(scaled, options={"foreach": True}),
        "GradScaler, fused": Situation(scaled, options={"fused": True}),
        "GradScaler, clipped": Situation(partial(scaled, clip=True)),
        "GradScaler, fused, clipped": Situation(partial(scaled, clip=True), options={"fused": True}),
        "closures": Situation(closures),
        "closures, accumulation 2": Situation(accumulating_closures),
        "closures, wrapped by hand": Situation(wrapped_by_hand),
        "closures, scheduler made of a wrapper": Situation(partial(wrapped_by_hand, late=True)),
        "LBFGS": Situation(
            many_evaluations,
            optimizer=torch.optim.LBFGS,
            options={"max_iter": 4},
            schedules=ONLY_LR,
            plan=pg.Plan(lr=0.02),
        ),
        "Fabric": Situation(fabric),
        "Fabric, scheduler made after setup": Situation(partial(fabric, late=True)),
        "accelerate": Situation(accelerated),
        "accelerate, scheduler made after prepare": Situation(partial(accelerated, late=True)),
        "accelerate, accumulation 4": Situation(partial(accelerated, accumulate=4)),
        "accelerate, bf16": Situation(partial(accelerated, precision="bf16")),
        "accelerate, GradScaler": Situation(accelerated_overflow),
        "accelerate, save_state/load_state": Situation(partial(accelerated_return, folder=folder / "accelerate"), 8),
        "deepcopy": Situation(partial(copied, copier=copy.deepcopy)),
        "pickle": Situation(partial(copied, copier=pickled)),
        "torch.save": Situation(partial(copied, copier=saved)),
        "load_state_dict": Situation(reloaded),
        "DCP asks": Situation(partial(watched, clear=False)),
        "DCP asks, no gradients": Situation(partial(watched, clear=True)),
        "DCP asks, SGD": Situation(partial(watched, clear=True), optimizer=SGD, schedules=ONLY_LR),
        **{f"tensor lr, {name}": replace(TENSOR_LR, laps=laps) for name, laps in LAPS.items()},
        **{
            f"SGD, momentum, {name}": Situation(laps, optimizer=SGD, options={"momentum": 0.9}, schedules=MOMENTUM)
            for name, laps in LAPS.items()
        },
        **dcp,
    }

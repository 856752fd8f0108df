"""The step of all groups at once, in every situation that an optimizer meets, beside torch's own."""

import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import paramgroups as pg
from duels import FEW, KINDS, PARTITION, Kind, Side, Situation, assert_same, hold
from optims import parameters, served
from paramgroups import optim
from paramgroups.kernels import cpu
from paramgroups.optim import tabled
from situations import SITUATIONS, flagged, scaled
from upheavals import (
    CHANGED_GRADIENTS,
    COUNTS,
    GRADIENTS,
    OTHERS,
    PLACE,
    STATES,
    Make,
    moved,
    swapped,
    with_count,
    with_data,
    with_data_for_a_step,
    with_gradient,
    with_state,
)

FLAGS = {
    f"{flag}={value}, {name}": (kind, flag, value)
    for flag, value in {"foreach": True, "fused": False, "differentiable": True}.items()
    for name, kind in KINDS.items()
    if flag in inspect.signature(kind.theirs).parameters
}


@pytest.mark.parametrize(("kind", "flag", "value"), FLAGS.values(), ids=FLAGS)
def test_a_group_may_ask_for_torchs_step(kind: Kind, flag: str, value: bool):
    """From the next step on, and the other group goes on as before."""
    hold(Situation(partial(flagged, flag=flag, value=value), served=3), kind)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # torch's Adagrad says so, once
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_in_every_situation_it_is_torchs(situation: Situation, kind: Kind):
    """Between ordinary steps, whatever happens happens to ours as to torch's: parameters, gradients, state."""
    hold(situation, kind)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("value", [None, "0.1", [0.1]], ids=repr)
def test_what_is_no_number_is_refused(value: object, kind: Kind):
    """As often as it is met, before anything is changed; then the run goes on."""
    sides = [Side(kind, parameters(), PARTITION, ours=ours) for ours in (True, False)]
    for side in sides:
        side.step(3)
        known, side.groups[0]["lr"] = side.groups[0]["lr"], value
        for _ in range(2):
            side.give()
            before = side.now()
            with pytest.raises(TypeError):
                side.optimizer.step()
            if side.ours:
                assert_same(side.now(), before, rtol=0, atol=0)
        side.groups[0]["lr"] = known
    sides[0].step(2)
    assert served(sides[0].optimizer) == 6


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("make", GRADIENTS.values(), ids=GRADIENTS)
def test_a_gradient_may_be_any_tensor(make: Make, kind: Kind):
    """Whatever torch takes is taken, in the same way; whatever torch refuses is refused."""
    hold(Situation(partial(with_gradient, make=make), culprits=(PLACE,)), kind)


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("make", CHANGED_GRADIENTS.values(), ids=CHANGED_GRADIENTS)
def test_a_gradient_may_become_another(make: Make, kind: Kind):
    """Behind the back of autograd, which would not let it."""
    hold(Situation(partial(with_gradient, make=make, by_data=True), culprits=(PLACE,)), kind)


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize(("make", "count"), OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("act", [with_data, with_data_for_a_step, swapped])
def test_a_parameter_may_become_another(act: Callable[..., None], make: Make, count: int, kind: Kind):
    """By its data or by itself: what stands there now is updated, with the state that it has, or nothing is."""
    hold(Situation(partial(act, make=make), served=count, culprits=(PLACE,)), kind)


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
@pytest.mark.parametrize("swap", [False, True], ids=["by data", "by swapping"])
def test_a_model_may_be_converted_and_back(swap: bool, dtype: torch.dtype, steps: int, kind: Kind):
    """Whether its parameters keep their places or change them with others."""
    hold(Situation(partial(moved, dtype=dtype, swap=swap, steps=steps), culprits=tuple(range(6))), kind)


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("act", STATES.values(), ids=STATES)
def test_state_may_be_what_it_was_not(act: Callable[[Side], None], kind: Kind):
    """State is read and written where it is now, or nothing is."""
    hold(Situation(act, culprits=(PLACE,)), kind)


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("by_data", [False, True], ids=["itself", "its data"])
@pytest.mark.parametrize(("make", "count"), OTHERS.values(), ids=OTHERS)
def test_state_may_become_another(make: Make, count: int, by_data: bool, kind: Kind):
    """Whatever torch goes on with is gone on with, whatever it refuses is refused."""
    act = partial(with_state, make=make, by_data=by_data)
    hold(Situation(act, served=count, culprits=(PLACE,), tolerance={"rtol": 1e-5, "atol": 1e-6}), kind)


@pytest.mark.parametrize("by_data", [False, True], ids=["itself", "its data"])
@pytest.mark.parametrize(("make", "count"), COUNTS.values(), ids=COUNTS)
def test_a_count_may_become_another(make: Make, count: int, by_data: bool):
    """So for the number of steps."""
    hold(Situation(partial(with_count, make=make, by_data=by_data), served=count, culprits=(PLACE,)), KINDS["Adam"])


# --- hooks and classes ----------------------------------------------------------------------------


@pytest.fixture
def pristine(monkeypatch):
    """Torch's and our classes as they are before any of them has been instantiated: torch then wraps their steps."""

    def restore(kind: Kind) -> None:
        for base in {*kind.ours.__mro__, *kind.theirs.__mro__} - {tabled.Tabled}:  # whose step has its hooks by itself
            step = vars(base).get("step")
            if step is None or not hasattr(step, "hooked"):
                continue
            if step.__wrapped__.__qualname__ == f"{base.__name__}.step":
                monkeypatch.setattr(base, "step", step.__wrapped__)
            else:  # inherited, and wrapped where it was used
                monkeypatch.delattr(base, "step")
        tabled._unhooked_step.cache_clear()

    yield restore
    tabled._unhooked_step.cache_clear()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_hooks_run_once_whichever_class_was_there_first(pristine, first: str, kind: Kind):
    """In the first step, which torch's makes, in the next, which tables make, and in one that both make."""
    pristine(kind)
    if first == "theirs":
        kind.theirs(parameters(), lr=0.1)
    side = Side(kind, parameters(), PARTITION, ours=True)
    kind.theirs(parameters(), lr=0.1)
    calls: list[str] = []
    handles = [
        register_optimizer_step_pre_hook(lambda *_: calls.append("all, before")),
        register_optimizer_step_post_hook(lambda *_: calls.append("all, after")),
    ]
    side.optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    side.optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    for turn in range(4):
        side.give()
        if turn == 3:
            side.params[0].grad = torch.ones(9, 7).t()
        side.optimizer.step()
    for handle in handles:
        handle.remove()
    assert calls == ["all, before", "before", "after", "all, after"] * 4


def test_a_hook_may_give_the_step_other_arguments():
    """A closure, say; hooks after it are told of the same arguments."""
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    optimizer = optim.SGD([weight], lr=0.25)
    told: list[Any] = []
    optimizer.register_step_pre_hook(lambda own, args, kwargs: ((own,), {"closure": lambda: "loss"}))
    optimizer.register_step_post_hook(lambda own, args, kwargs: told.append((own is args[0], [*kwargs])))
    assert optimizer.step() == "loss"
    assert told == [(True, ["closure"])]
    assert weight.item() == 0.75


@pytest.mark.parametrize("answer", ["no pair", (1,), (1, 2, 3), True], ids=str)
def test_a_hook_that_answers_something_else_is_told(answer: object):
    """As torch tells it; nothing has moved."""
    for kind in (optim.SGD, torch.optim.SGD):
        weight = nn.Parameter(torch.ones(1))
        weight.grad = torch.ones(1)
        optimizer = kind([weight], lr=0.25)
        optimizer.register_step_pre_hook(lambda *_: answer)  # type: ignore[arg-type]  # this is the mistake
        with pytest.raises(RuntimeError, match=r"args, .*kwargs"):
            optimizer.step()
        assert weight.item() == 1


def test_a_profiler_sees_the_step():
    """By the name that torch gives it; without one, nothing is recorded, and the step is the same."""
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    optimizer = optim.SGD([weight], lr=0.25)
    with torch.profiler.profile() as profile:
        optimizer.step()
    optimizer.step()
    assert [event.count for event in profile.key_averages() if event.key == "Optimizer.step#SGD.step"] == [1]
    assert weight.item() == 0.5


def test_a_class_of_ones_own_steps_as_ours():
    """Derived from one of ours, with an algorithm that it inherits."""

    class Mine(optim.AdamW):
        """With another default."""

        def __init__(self, params):
            super().__init__(params, lr=0.3)

    found = []
    for make in (Mine, partial(torch.optim.AdamW, lr=0.3)):
        params = parameters()
        optimizer = make(params)
        for _ in range(3):
            for parameter in params:
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()
        found.append(params)
        assert make is not Mine or served(optimizer) == 6
    torch.testing.assert_close(*found)


def test_a_class_without_an_algorithm_says_so():
    """What is mixed into nothing has no step."""

    class Unfinished(tabled.Tabled, torch.optim.SGD):
        numbers = ("lr",)

    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    with pytest.raises(TypeError, match="Unfinished has no algorithm"):
        Unfinished([weight], lr=0.1).step()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_saved_is_laid_out_as_torchs(kind: Kind):
    """The same keys in the same order, of the same types, dtypes, shapes and strides, at every age."""
    sides = [Side(kind, parameters(), PARTITION, ours=ours) for ours in (True, False)]
    for _ in range(3):
        own, other = (layout(side.optimizer.state_dict()) for side in sides)
        assert own == other
        for side in sides:
            side.step()


def layout(value: object) -> object:
    """All of a saved state but its numbers, and which of torch's steps it asks for."""
    if isinstance(value, dict):
        return [(key, None if key in {"foreach", "fused"} else layout(each)) for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [*map(layout, value)]
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape, value.stride(), value.device
    return type(value)


# --- a GradScaler's clock -------------------------------------------------------------------------


def test_a_step_that_overflowed_is_no_update_to_a_scheduler():
    """Its hooks run, and the clock stands."""
    side = Side(KINDS["AdamW"], parameters(), PARTITION, ours=True)
    scheduler = pg.Scheduler(side.optimizer, lr=pg.Linear(10))
    side.step(3)
    scaled(side, overflow=True)
    assert scheduler.last_epoch == 3
    scaled(side)
    assert scheduler.last_epoch == 5


# --- threads and compilers ------------------------------------------------------------------------


def test_two_optimizers_may_step_in_two_threads(monkeypatch):
    """Each with threads of its own: every one of them ends where it ends alone."""
    monkeypatch.setattr(cpu, "SHARE", 16)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    kinds = [KINDS["AdamW"], KINDS["SGD"], KINDS["AdamW"], KINDS["Lion"]]

    def sides() -> list[Side]:
        return [Side(kind, parameters(), PARTITION, ours=True) for kind in kinds]

    together, alone = sides(), sides()
    threads = [threading.Thread(target=side.step, args=(40,)) for side in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for side, other in zip(together, alone, strict=True):
        other.step(40)
        assert len(side.seen) == 40
        assert_same(side.now(), other.now(), rtol=0, atol=0)


def backward(side: Side) -> None:
    """Gradients of two layers."""
    first, second = side.params
    inputs = torch.linspace(-1, 1, 15).view(5, 3)
    torch.tanh(inputs @ first.t()).matmul(second.t()).pow(2).sum().backward()


def loop(side: Side) -> None:
    """What is repeated in training."""
    backward(side)
    side.optimizer.step()
    side.optimizer.zero_grad()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own use of torch.jit
@pytest.mark.parametrize("name", ["SGD", "AdamW", "Lion"])
@pytest.mark.parametrize("whole", [True, False], ids=["the loop's body", "optimizer.step"])
def test_a_compiled_loop_steps_as_it_is(whole: bool, name: str):
    """Under a schedule it is compiled once, and what it computes is what the loop computes uncompiled."""
    torch._dynamo.reset()
    compiled, other = (Side(KINDS[name], parameters(shapes=[(4, 3), (2, 4)]), (0, 1), ours=True) for _ in range(2))
    turns: Any = torch.compile(loop if whole else compiled.optimizer.step, backend="eager")
    frames = []
    for turn in range(12):
        for group, twin in zip(compiled.groups, other.groups, strict=True):
            group["lr"] = twin["lr"] = 0.1 / (1 + turn)
        if whole:
            turns(compiled)
        else:
            backward(compiled)
            turns()
            compiled.optimizer.zero_grad()
        loop(other)
        frames.append(dict(torch._dynamo.utils.counters["frames"]))
        assert_same(compiled.now(), other.now())
    assert frames[-1] == frames[3]
    assert frames[3]["ok"] > 0
    assert served(compiled.optimizer) == 2


FORKED = """
import copy, os
import torch
from torch.utils.data import DataLoader
from paramgroups import optim
from paramgroups.kernels import cpu

cpu.SHARE = 16  # so that there are threads
torch.set_num_threads(2)

def step(params, optimizer, times):
    for _ in range(times):
        for parameter in params:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()

params = [torch.nn.Parameter(torch.arange(99.0)), torch.nn.Parameter(torch.ones(7, 7))]
optimizer = optim.AdamW(params, lr=0.1)
step(params, optimizer, 4)
expected, other = copy.deepcopy((params, optimizer))
step(expected, other, 4)

child = os.fork()
if child == 0:
    step(params, optimizer, 4)
    os._exit(0 if all(map(torch.equal, params, expected)) else 1)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
for _ in DataLoader(range(4), num_workers=1, multiprocessing_context="fork"):
    step(params, optimizer, 1)
print("parent", all(map(torch.equal, params, expected)))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks on this system")
def test_a_process_may_be_forked_after_a_step():
    """Child and parent both go on, a data loader's workers come and go, and all end where one process ends."""
    done = subprocess.run([sys.executable, "-c", FORKED], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout == "child 0\nparent True\n"


# --- what autograd sees ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_autograd_sees_what_has_changed_and_nothing_else(kind: Kind):
    """A graph that saved a parameter from before the step is refused; one without a gradient in it is not touched."""
    side = Side(kind, parameters(), PARTITION, ours=True)
    side.step(3)
    moving, resting = side.params[0], side.params[2]
    versions = [parameter._version for parameter in (moving, resting)]
    stale, fresh = moving.pow(2).sum(), resting.pow(2).sum()
    side.give()
    resting.grad = None
    side.update()
    assert [parameter._version for parameter in (moving, resting)] == [versions[0] + 1, versions[1]]
    assert served(side.optimizer) == len(side.params)
    fresh.backward()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        stale.backward()

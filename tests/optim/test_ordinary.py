"""Which groups and which parameters tables serve."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

from duels import FEW, KINDS, PARTITION, Kind, Side, Situation, hold
from optims import parameters
from optims import served as served_by
from paramgroups.optim import ordinary
from paramgroups.optim.adam import ADAM
from paramgroups.optim.ordinary import bring_count, row_of, served
from paramgroups.optim.sgd import PLAIN
from paramgroups.spreading import local

GROUP = {"foreach": None, "fused": None, "differentiable": False, "capturable": False}


@pytest.mark.parametrize(
    ("asked", "ours"),
    [
        ({}, True),
        ({"fused": True}, True),
        ({"foreach": False}, True),
        ({"fused": False}, False),
        ({"foreach": True}, False),
        ({"differentiable": True}, False),
        ({"capturable": True}, False),
    ],
    ids=str,
)
def test_a_group_is_served_unless_it_asks_for_torchs_step(asked, ours):
    """`fused=True` or nothing is ours."""
    assert served(GROUP | asked) is ours


def test_a_class_need_not_know_every_way_to_ask():
    """RMSprop has no `fused`, Lion none of them."""
    assert served({"lr": 0.1})


def on(*devices):
    """Parameters of some kinds of device, as far as a group is asked."""
    return [SimpleNamespace(device=torch.device(device)) for device in devices]


@pytest.fixture
def _gpus_asked_for(monkeypatch):
    monkeypatch.setenv(ordinary.ON_GPU, "1")
    ordinary._reached.cache_clear()
    yield
    ordinary._reached.cache_clear()


def test_gpus_are_served_where_they_are_asked_for():
    """By nobody who has not asked: that has not been run on one yet."""
    ordinary._reached.cache_clear()
    assert not served(GROUP | {"params": on("cuda")})
    assert served(GROUP | {"params": on("cpu")})


@pytest.mark.usefixtures("_gpus_asked_for")
def test_device_scalars_are_ours_on_gpus():
    """`capturable=True` is how our step is there; where a processor has a part of the group, torch says it cannot."""
    assert served(GROUP | {"capturable": True, "params": on("cuda", "cuda:1")})
    assert not served(GROUP | {"capturable": True, "params": on("cuda", "cpu")})


@pytest.mark.usefixtures("_gpus_asked_for")
def test_other_devices_take_torchs_step():
    """And by the way that it would take itself: one tensor after the other would be slow there."""
    assert served(GROUP | {"params": on("cuda", "cpu")})
    assert not served(GROUP | {"params": on("mps")})


@pytest.mark.usefixtures("_gpus_asked_for")
def test_without_triton_a_gpus_steps_are_torchs_and_one_sentence_says_so(monkeypatch):
    """The processor's are not concerned."""
    monkeypatch.setattr(ordinary, "find_spec", lambda name: None)
    expected = (
        "triton is not installed, so paramgroups.optim takes torch's own steps, which pay for every group. "
        "Install it with: pip install triton"
    )
    with pytest.warns(UserWarning, match=f"^{re.escape(expected)}$"):
        assert not served(GROUP | {"params": on("cuda")})
    assert not served(GROUP | {"params": on("cuda")})  # and not again
    assert served(GROUP | {"params": on("cpu")})


@pytest.mark.parametrize("step", [torch.tensor(1.0), torch.tensor(1.0, dtype=torch.float64)], ids=str)
def test_a_count_stands_beside_a_gpus_parameter(step):
    """As torch's fused and capturable optimizers keep it; a processor's stays where it is."""
    elsewhere: Any = SimpleNamespace(is_cuda=True, device=torch.device("meta"))  # a device that is always there
    kept = {"step": step}
    bring_count(kept, elsewhere)
    assert (kept["step"].device.type, kept["step"].dtype) == ("meta", step.dtype)
    for parameter, untouched in ((torch.zeros(2), {"step": step}), (elsewhere, {"step": 1}), (elsewhere, {})):
        before = dict(untouched)
        bring_count(untouched, parameter)
        assert untouched == before


def state(parameter, **other):
    """What Adam keeps."""
    return {
        "step": torch.tensor(1.0),
        "exp_avg": torch.zeros_like(parameter),
        "exp_avg_sq": torch.zeros_like(parameter),
    } | other


def test_an_ordinary_parameter_has_a_row():
    """Itself, what its algorithm keeps of it, its count and its group."""
    parameter = nn.Parameter(torch.zeros(2, 3))
    kept = state(parameter, other="thing")
    row = row_of(parameter, kept, ADAM, 7)
    assert row is not None
    assert row.parameter is parameter
    assert [*map(id, (*row.state, row.step)), row.group] == [
        *map(id, (kept["exp_avg"], kept["exp_avg_sq"], kept["step"])),
        7,
    ]


ORDINARY = {
    "channels last": lambda: torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "transposed": lambda: torch.zeros(4, 3).t(),
    "of no axis": lambda: torch.tensor(0.0),
    "double": lambda: torch.zeros(3, dtype=torch.float64),
    "narrow": lambda: torch.zeros(3, dtype=torch.bfloat16),
}
OTHERS = {
    "complex": lambda: torch.zeros(3, dtype=torch.complex64),
    "half": lambda: torch.zeros(3, dtype=torch.float16),
    "without elements": lambda: torch.zeros(0, 3),
    "with gaps": lambda: torch.zeros(3, 8)[:, ::2],
    "that overlap": lambda: torch.zeros(1).expand(3),
    "on no device": lambda: torch.zeros(3, device="meta"),
    "negated, but not yet": lambda: torch.zeros(3, dtype=torch.complex64).conj().imag,
    "sparse": lambda: torch.zeros(3).to_sparse(),
}


@pytest.mark.parametrize("make", ORDINARY.values(), ids=ORDINARY)
def test_these_are_ordinary(make):
    """Dense, of a usual dtype, each element in one place."""
    assert row_of(make(), {}, PLAIN, 0) is not None


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_these_are_not(make):
    """A loop over addresses would read what is not theirs, or not what they mean."""
    assert row_of(make(), {}, PLAIN, 0) is None


@pytest.mark.parametrize(
    "other",
    [
        {"exp_avg": torch.zeros(3)},
        {"exp_avg": torch.zeros(2, 3, dtype=torch.float64)},
        {"exp_avg": torch.zeros(3, 2).t()},
        {"exp_avg_sq": None},
        {"step": 1},
        {"step": torch.zeros(1)},
        {"step": torch.tensor(1)},
    ],
    ids=str,
)
def test_state_that_is_not_as_torch_makes_it_is_left_to_torch(other):
    """Another shape, dtype or layout; none at all; a count that is a number, as in old files."""
    parameter = nn.Parameter(torch.zeros(2, 3))
    assert row_of(parameter, state(parameter) | other, ADAM, 0) is None


def test_without_numba_steps_are_torchs_and_one_sentence_says_so():
    """The optimizer works, and the warning has the command that brings what is missed."""
    script = """
import sys, warnings
sys.modules["numba"] = None
import torch, paramgroups as pg
weight = torch.nn.Parameter(torch.ones(2))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for kind in (pg.optim.SGD, pg.optim.AdamW):
        optimizer = kind([weight], lr=0.5)
        for _ in range(2):
            weight.grad = torch.ones(2)
            optimizer.step()
print([str(warning.message) for warning in caught])
"""
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert printed == (
        "[\"numba is not installed, so paramgroups.optim takes torch's own steps, which pay for every group. "
        "Install it with: pip install 'paramgroups[cpu]'\"]\n"
    )


# --- parts of distributed tensors -----------------------------------------------------------------


@pytest.fixture
def mesh(tmp_path):
    """One process that is a group of its own."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def spread(mesh) -> list[nn.Parameter]:
    """Four parameters over one process, and two that are not spread."""
    params = parameters()
    return [
        nn.Parameter(distribute_tensor(parameter.detach(), mesh, [Replicate() if place == 1 else Shard(0)]))
        if place < 4
        else parameter
        for place, parameter in enumerate(params)
    ]


def with_gradients_spread_otherwise(side: Side, *, plain: bool = False) -> None:
    """Whole where the parameter is in parts, or not spread at all."""
    side.give()
    gradient: DTensor = side.params[0].grad  # type: ignore[assignment]  # of a distributed parameter
    side.params[0].grad = None
    if plain:
        side.params[4].grad = distribute_tensor(side.params[4].grad, gradient.device_mesh, [Replicate()])  # type: ignore[arg-type]  # it was given one
    else:
        side.params[0].grad = gradient.redistribute(gradient.device_mesh, [Replicate()])
    side.update()


def with_parts_replaced(side: Side) -> None:
    """As a module does that is moved: the whole stays, and its part is another tensor."""
    parameter: DTensor = side.params[0]  # type: ignore[assignment]  # a distributed one
    state = side.optimizer.state[side.params[0]]
    for whole in (parameter, *(value for value in state.values() if isinstance(value, DTensor))):
        whole._local_tensor = whole._local_tensor.clone() * 2
        side.step()


def with_plain_state(side: Side) -> None:
    """Its part in place of a distributed tensor."""
    state = side.optimizer.state[side.params[0]]
    key = [*state][-1]
    state[key] = state[key].to_local()


DISTRIBUTED = {
    "ordinary": Situation(lambda side: None),
    "gradients spread otherwise": Situation(with_gradients_spread_otherwise),
    "distributed gradients of plain parameters": Situation(
        partial(with_gradients_spread_otherwise, plain=True), culprits=(4,)
    ),
    "parts replaced": Situation(with_parts_replaced),
    "plain state": Situation(with_plain_state, culprits=(0,)),
}


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("situation", DISTRIBUTED.values(), ids=DISTRIBUTED)
def test_distributed_parameters_step_on_their_parts(mesh, situation: Situation, kind: Kind):
    """As torch's optimizers step on the whole, or are refused as torch refuses them."""
    hold(replace(situation, params=partial(spread, mesh)), kind)


@pytest.mark.parametrize("name", KINDS)
def test_a_sharded_model_trains_as_with_torchs(mesh, name: str):
    """FSDP2: its own gradients, into its own parts."""
    kind, found = KINDS[name], []
    for make in (partial(kind.ours, **kind.options), partial(kind.theirs, **kind.options, **kind.plain)):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
        for module in (net[0], net[2], net):
            fully_shard(module, mesh=mesh)
        optimizer = make(net.parameters(), lr=0.01)
        for turn in range(4):
            net(torch.full((3, 4), turn + 1.0)).pow(2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        found.append([local(parameter).detach() for parameter in net.parameters()])
        assert make.func is not kind.ours or served_by(optimizer) == 4
    torch.testing.assert_close(*found)


# --- without numba --------------------------------------------------------------------------------


@pytest.fixture
def _without_numba(monkeypatch):
    """Tables cannot be made, since what makes them cannot be imported."""
    monkeypatch.setitem(sys.modules, "paramgroups.kernels.walk", None)
    ordinary.usable.cache_clear()
    yield
    ordinary.usable.cache_clear()


@pytest.mark.usefixtures("_without_numba")
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_without_numba_the_steps_are_torchs(kind: Kind):
    """To the bit, and one warning says what is missed and how to have it."""
    side = Side(kind, parameters(), PARTITION, ours=True)
    with pytest.warns(UserWarning, match="numba is not installed") as caught:
        side.step(3)
    assert len(caught) == 1
    hold(Situation(lambda side: None, before=0, served=0, tolerance={"rtol": 0.0, "atol": 0.0}), kind)


@pytest.mark.usefixtures("_without_numba")
def test_a_torch_that_does_not_tell_is_named(monkeypatch):
    """There is nothing to install then."""
    monkeypatch.setitem(sys.modules, "paramgroups.kernels.walk", SimpleNamespace(AVAILABLE=False))
    with pytest.warns(UserWarning, match="does not say where its tensors are"):
        assert not served({})
    assert not served({})


TRAINING = """
import torch
from paramgroups import optim

found = []
for make in (optim.AdamW, torch.optim.AdamW):
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    optimizer = make(net.parameters(), lr=0.1)
    for _ in range(4):
        net(torch.ones(2, 3)).pow(2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    found.append([parameter.detach() for parameter in net.parameters()])
    roster = vars(optimizer).get("_roster")
    print(len(roster._tables) if roster else 0)
torch.testing.assert_close(*found)
"""
UNWRITABLE = """
import tempfile

def refuse(*args, **options):
    raise PermissionError("nothing can be written here")

tempfile.TemporaryFile = refuse  # by which numba finds out
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    """The script in a fresh interpreter, where every warning is shown."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    return subprocess.run(
        [sys.executable, "-W", "always::UserWarning", "-c", script],
        env=own,
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_without_a_place_to_keep_it_all_is_compiled_again():
    """Where nothing can be written, steps are served by tables all the same, and nothing is said."""
    done = run(UNWRITABLE + TRAINING)
    assert (done.stdout, done.stderr) == ("1\n0\n", "")

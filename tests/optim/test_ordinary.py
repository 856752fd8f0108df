"""What a table can serve, what is left to torch, and how both are told when there is nothing to make tables with."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from duels import KINDS, PARTITION, Kind, Side, Situation, hold
from optims import parameters, served
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

from paramgroups import optim
from paramgroups.kernels.algorithm import Algorithm
from paramgroups.optim import ordinary
from paramgroups.optim.adam import ADAM
from paramgroups.optim.sgd import PLAIN

EXACT = {"rtol": 0.0, "atol": 0.0}
FEW = {name: KINDS[name] for name in ("SGD", "Adam")}


# --- groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({}, True),
        ({"foreach": None, "fused": None, "differentiable": False, "capturable": False}, True),
        ({"foreach": False, "fused": True}, True),
        ({"foreach": True}, False),
        ({"fused": False}, False),
        ({"differentiable": True}, False),
        ({"capturable": True}, False),
    ],
    ids=str,
)
def test_a_group_is_served_unless_it_asks_for_torchs_step(group, expected):
    """By the flags that torch's classes have."""
    assert ordinary.served(group) is expected


# --- tensors --------------------------------------------------------------------------------------


def adams(like: Tensor) -> dict[str, Tensor]:
    """Adam's state."""
    return {"step": torch.tensor(0.0), "exp_avg": torch.zeros_like(like), "exp_avg_sq": torch.zeros_like(like)}


def with_key(key: str, tensor: object) -> dict[str, object]:
    """Adam's state of a (3, 4) parameter but for one entry."""
    return {**adams(torch.zeros(3, 4)), key: tensor}


def made_in_inference_mode() -> Tensor:
    """Which torch changes nowhere else."""
    with torch.inference_mode():
        return torch.zeros(3, 4)


ORDINARY = {
    "float32": torch.zeros(3, 4),
    "float64": torch.zeros(3, 4, dtype=torch.float64),
    "bfloat16": torch.zeros(3, 4, dtype=torch.bfloat16),
    "a number": torch.zeros(()),
    "a part": torch.zeros(9, 4)[2:5],
    "transposed": torch.zeros(4, 3).t(),
    "channels last": torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last),
}
OTHERS = {
    "float16": torch.zeros(3, dtype=torch.float16),
    "complex": torch.zeros(3, dtype=torch.complex64),
    "integer": torch.zeros(3, dtype=torch.int32),
    "without elements": torch.zeros(0, 3),
    "with gaps": torch.zeros(3, 8)[:, ::2],
    "expanded": torch.zeros(1, 4).expand(3, 4),
    "negated later": torch.zeros(1, dtype=torch.complex64).conj().imag,
    "sparse": torch.zeros(3, 4).to_sparse(),
    "on no device": torch.zeros(3, 4, device="meta"),
    "made in inference mode": made_in_inference_mode(),
    "a subclass": torch.zeros(3, 4).as_subclass(nn.parameter.Buffer),
}
STATES = {
    "nothing": {},
    "without a part": {key: value for key, value in adams(torch.zeros(3, 4)).items() if key != "exp_avg_sq"},
    "of another dtype": with_key("exp_avg", torch.zeros(3, 4, dtype=torch.float64)),
    "of another shape": with_key("exp_avg", torch.zeros(4, 3)),
    "in another order": with_key("exp_avg", torch.zeros(4, 3).t()),
    "negated later": with_key("exp_avg", torch.zeros(3, 4, dtype=torch.complex64).conj().imag),
    "on no device": with_key("exp_avg", torch.zeros(3, 4, device="meta")),
    "made in inference mode": with_key("exp_avg", made_in_inference_mode()),
    "a parameter": with_key("exp_avg", nn.Parameter(torch.zeros(3, 4))),
    "None": with_key("exp_avg", None),
    "a count that is a number": with_key("step", 3.0),
    "a count of integers": with_key("step", torch.tensor(3)),
    "a count of one axis": with_key("step", torch.zeros(1)),
    "a count on no device": with_key("step", torch.zeros((), device="meta")),
}


@pytest.mark.parametrize("parameter", ORDINARY.values(), ids=ORDINARY)
def test_what_is_ordinary_has_a_row(parameter: Tensor):
    """Dense, of a dtype that the processor computes with, and so is its state."""
    state = adams(parameter)
    row = ordinary.row_of(parameter, state, ADAM, 5)
    assert row is not None
    assert (row.parameter, row.state, row.step, row.group) == (
        parameter,
        (state["exp_avg"], state["exp_avg_sq"]),
        state["step"],
        5,
    )


@pytest.mark.parametrize("algorithm", [PLAIN, ADAM], ids=["without state", "with state"])
@pytest.mark.parametrize("parameter", OTHERS.values(), ids=OTHERS)
def test_what_is_not_has_none(parameter: Tensor, algorithm: Algorithm):
    """Whatever its state."""
    assert ordinary.row_of(parameter, adams(parameter), algorithm, 0) is None


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_what_has_other_state_has_none(state: dict[str, object]):
    """Each of Adam's entries must be there, and laid out as the parameter is."""
    assert ordinary.row_of(torch.zeros(3, 4), adams(torch.zeros(3, 4)), ADAM, 0) is not None
    assert ordinary.row_of(torch.zeros(3, 4), state, ADAM, 0) is None


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
        found.append([parameter.to_local().detach() for parameter in net.parameters()])  # type: ignore[operator]  # all are distributed
        assert make.func is not kind.ours or served(optimizer) == 4
    torch.testing.assert_close(*found)


# --- without numba --------------------------------------------------------------------------------

MISSING = "numba is not installed, so paramgroups.optim takes torch's own steps"
INSTALL = "pip install 'paramgroups[cpu]'"


@pytest.fixture
def _without_numba(monkeypatch):
    """Tables cannot be made, since what makes them cannot be imported."""
    monkeypatch.setitem(sys.modules, "paramgroups.kernels.walk", None)
    ordinary._usable.cache_clear()
    yield
    ordinary._usable.cache_clear()


@pytest.mark.usefixtures("_without_numba")
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_without_numba_the_steps_are_torchs(kind: Kind):
    """To the bit, and one warning says what is missed and how to have it."""
    with pytest.warns(UserWarning, match=MISSING) as caught:
        side = Side(kind, parameters(), PARTITION, ours=True)
        side.step(3)
    assert len(caught) == 1
    assert INSTALL in str(caught[0].message)
    hold(Situation(lambda side: None, before=0, served=0, tolerance=EXACT), kind)


@pytest.mark.usefixtures("_without_numba")
def test_a_torch_that_does_not_tell_is_named(monkeypatch):
    """There is nothing to install then."""
    monkeypatch.setitem(sys.modules, "paramgroups.kernels.walk", SimpleNamespace(AVAILABLE=False))
    with pytest.warns(UserWarning, match="does not say where its tensors are") as caught:
        assert not ordinary.served({})
        assert not ordinary.served({})
    assert len(caught) == 1


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
BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"numba", "llvmlite"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
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
def test_without_numba_installed_one_warning_tells_how_to_install_it():
    """In a process in which it cannot be imported, training goes on as torch's."""
    done = run(BLOCKED + TRAINING)
    assert (done.stderr.count(MISSING), done.stderr.count("UserWarning")) == (1, 1)
    assert INSTALL in done.stderr
    assert done.stdout == "0\n0\n"


@pytest.mark.slow
def test_without_a_place_to_keep_it_all_is_compiled_again():
    """Where nothing can be written, steps are served by tables all the same, and nothing is said."""
    done = run(UNWRITABLE + TRAINING)
    assert (done.stdout, done.stderr) == ("1\n0\n", "")

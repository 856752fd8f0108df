"""Muon: torch's own as the oracle, and the laws of grouping, of one step, and of nothing half done."""

import copy
import functools
import importlib.util
import inspect
import os
import pickle
import socket
import subprocess
import sys
from itertools import pairwise, product
from typing import Any

import pytest
import torch
import torch._dynamo.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import paramgroups as pg
from optims import give_gradients, in_groups, parameters
from paramgroups.errors import HyperparameterValueError, NotAMatrixError
from paramgroups.optim import Muon, muon
from workers import gathering

SHAPES = [(4, 6), (6, 4), (4, 4), (5, 7), (1, 9), (4, 6), (7, 19), (6, 4), (19, 7)]
DTYPES = [torch.float32, torch.float64, torch.bfloat16]
AGREE = 1.5e-2
"""Relative to how far the parameters went: two orders of summation in bfloat16. See test_orthogonal."""

CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "no look ahead": {"nesterov": False},
    "no momentum": {"momentum": 0.0, "weight_decay": 0.0},
    "original": {"adjust_lr_fn": "original", "weight_decay": 0.5},
    "rms": {"adjust_lr_fn": "match_rms_adamw", "momentum": 0.8},
    "other iteration": {"ns_coefficients": (2.0, -1.5, 0.5), "ns_steps": 3, "eps": 1e-3},
    "tensor lr": {"lr": torch.tensor(0.02)},
}


def made(
    kind: type[torch.optim.Optimizer],
    options: dict[str, Any],
    dtype: torch.dtype = torch.float32,
    partition: tuple[int, ...] = (0, 1, 0, 1, 2, 2, 0, 1, 0),
) -> tuple[list[nn.Parameter], Any]:
    """The same parameters each time, and an optimizer with a learning rate that shows."""
    params = parameters(dtype, SHAPES)
    make: Any = kind
    return params, make(in_groups(params, partition), **{"lr": 0.02, **options})


def step(params: list[nn.Parameter], optimizer: Any, number: int) -> None:
    """A step under gradients and hyperparameters that depend on its number alone; some gradients are missing."""
    give_gradients(params, number)
    for index, group in enumerate(optimizer.param_groups):
        if not isinstance(group["lr"], torch.Tensor):
            group["lr"] = 0.02 * (1 + index) / (1 + number / 10)
        group["weight_decay"] *= 0.9
    optimizer.step()


def assert_as_near(ours: list[nn.Parameter], theirs: list[nn.Parameter], paths: list[list[torch.Tensor]]) -> None:
    """Each parameter is as near to torch's as two summations of the steps that led there can be."""
    for own, other, path in zip(ours, theirs, zip(*paths, strict=True), strict=True):
        length = sum((after - before).double().norm() for before, after in pairwise(path))
        assert (own - other).double().norm() <= AGREE * length


@pytest.mark.parametrize(
    ("case", "dtype"), [pair for pair in product(CASES, DTYPES) if pair != ("no look ahead", torch.bfloat16)], ids=str
)
def test_it_is_torchs(case, dtype):
    """Fifty steps under changing hyperparameters: momenta to the bit, parameters to the rounding of the iteration.

    But for bfloat16 without look ahead, where torch's divides its momentum by its norm, in place: see the next test.
    """
    options = CASES[case]
    (ours, one), (theirs, two) = (made(kind, options, dtype) for kind in (Muon, torch.optim.Muon))
    paths = [[parameter.detach().clone() for parameter in theirs]]
    for number in range(50):
        step(ours, one, number)
        step(theirs, two, number)
        paths.append([parameter.detach().clone() for parameter in theirs])
    assert_as_near(ours, theirs, paths)
    for own, other in zip(ours, theirs, strict=True):
        assert one.state[own].keys() == two.state[other].keys()
        assert torch.equal(one.state[own]["momentum_buffer"], two.state[other]["momentum_buffer"])


def test_a_bfloat16_momentum_is_the_mean_of_gradients_without_look_ahead_too():
    """Where torch's overwrites its own state, ours is what the float32 one would round to."""
    params, optimizer = made(Muon, {"nesterov": False, "momentum": 0.5}, torch.bfloat16)
    wide, known = made(Muon, {"nesterov": False, "momentum": 0.5})
    for number in range(5):
        step(params, optimizer, number)
        step(wide, known, number)
    for own, other in zip(params, wide, strict=True):
        mean, same = optimizer.state[own]["momentum_buffer"], known.state[other]["momentum_buffer"]
        torch.testing.assert_close(mean.float(), same, rtol=2**-6, atol=2**-6)


@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
def test_the_adjusted_lr_is_torchs_for_every_shape(adjust):
    """The table of ratios holds torch's own."""
    for shape in SHAPES:
        ratio = muon._RATIOS[adjust](*shape)
        assert ratio == torch.optim._muon._adjust_lr(1.0, adjust, torch.Size(shape))
    assert muon._RATIOS["spectral_unclamped"](2, 8) == 0.5


# --- law 7: free grouping -------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.data())
def test_no_partition_changes_a_bit(data):
    """Any partition, in any order within: the same gradients give the same parameters and momenta."""
    count = len(SHAPES)
    partition = tuple(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)))
    order = data.draw(st.permutations(range(count)))
    ones = data.draw(st.booleans())
    results = []
    for groups, sequence in (((0,) * count, list(range(count))), (partition, order)):
        params = parameters(torch.float32, SHAPES)
        shuffled = [params[place] for place in sequence]
        optimizer = Muon(in_groups(shuffled, [groups[place] for place in sequence]), lr=0.1)
        for number in range(3):
            give_gradients(params, number)
            for parameter in params:
                if ones and parameter.grad is not None:
                    parameter.grad.fill_(1.0)
            optimizer.step()
        results.append([*params, *(optimizer.state[p]["momentum_buffer"] for p in params if p in optimizer.state)])
    assert all(map(torch.equal, *results))


@pytest.mark.parametrize("at_once", [1, 50, 1 << 18])
def test_grouping_is_free_where_a_result_depends_on_its_place_too(at_once, monkeypatch):
    """A product that rounds by place in the batch and by size of the batch is given equal batches by every grouping."""

    def placed(matrices, *numbers):
        places = torch.arange(len(matrices)).reshape(-1, 1, 1)
        return (matrices * (1 + places) / len(matrices)).bfloat16()

    monkeypatch.setattr(muon, "orthogonalized", placed)
    monkeypatch.setitem(muon._AT_ONCE, "cpu", at_once)
    results = []
    for partition in ((0,) * 9, (3, 1, 0, 2, 1, 0, 1, 0, 2), (8, 7, 6, 5, 4, 3, 2, 1, 0)):
        params, optimizer = made(Muon, {}, partition=partition)
        for number in range(2):
            give_gradients(params, number, missing=False)
            params[5].grad = None if params[0].grad is None else params[0].grad.clone()
            optimizer.step()
        results.append(params)
    assert all(map(torch.equal, results[0], results[1]))
    assert all(map(torch.equal, results[0], results[2]))


def test_equal_updates_are_made_orthogonal_once(monkeypatch):
    """Two matrices with the same gradients, one tall and one wide, are one in the batch."""
    sizes = []

    def counted(matrices, *_):
        sizes.append(len(matrices))
        return matrices

    monkeypatch.setattr(muon, "orthogonalized", counted)
    one, two, three = (nn.Parameter(torch.zeros(shape)) for shape in ((3, 5), (5, 3), (3, 5)))
    one.grad, three.grad = torch.randn(3, 5), torch.randn(3, 5)
    two.grad = one.grad.T.contiguous()
    Muon([one, two, three], lr=1.0, weight_decay=0.0).step()
    assert sizes == [2]
    torch.testing.assert_close(two.T / (5 / 3) ** 0.5, one)


def test_groups_with_other_iterations_are_batches_of_their_own(monkeypatch):
    """Coefficients, steps and eps are each group's; an lr or a decay of its own splits no batch."""
    seen = []

    def noted(matrices, *numbers):
        seen.append((len(matrices), *numbers))
        return matrices

    monkeypatch.setattr(muon, "orthogonalized", noted)
    params = [nn.Parameter(torch.randn(3, 5)) for _ in range(6)]
    for parameter in params:
        parameter.grad = torch.randn(3, 5)
    own: list[dict[str, Any]] = [
        {},
        {"lr": 0.5},
        {"weight_decay": 0.0},
        {"ns_steps": 3},
        {"ns_coefficients": (2.0, -1.5, 0.5)},
        {"eps": 1e-3},
    ]
    Muon([{"params": [p], **group} for p, group in zip(params, own, strict=True)]).step()
    usual = (3.4445, -4.7750, 2.0315)
    assert seen == [(3, usual, 5, 1e-7), (1, usual, 3, 1e-7), (1, (2.0, -1.5, 0.5), 5, 1e-7), (1, usual, 5, 1e-3)]


class Largest(TorchDispatchMode):
    """How many elements the largest new tensors of an operation had together."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if not func._schema.name.endswith("_") and not func.is_view:
            made = found if isinstance(found, (list, tuple)) else [found]
            self.elements = max(self.elements, sum(t.numel() for t in made if isinstance(t, torch.Tensor)))
        return found


def test_no_step_makes_tensors_larger_than_a_batch(monkeypatch):
    """A hundred matrices are never copied at once: what an operation makes has no more elements than a batch may."""
    monkeypatch.setitem(muon._AT_ONCE, "cpu", 300)
    params = [nn.Parameter(torch.randn(6, 8)) for _ in range(100)]
    for parameter in params:
        parameter.grad = torch.randn(6, 8)
    optimizer = Muon(params)
    optimizer.step()
    with Largest() as largest:
        optimizer.step()
    assert largest.elements == 6 * 48


# --- one step -------------------------------------------------------------------------------------------------------


def test_hooks_and_closures_run_once_where_torchs_class_was_used_before():
    """Torch wraps `step` class by class at first use; ours fires no hook a second time."""
    torch.optim.Muon([nn.Parameter(torch.zeros(2, 2))])
    weight = nn.Parameter(torch.ones(2, 3))
    optimizer = Muon([weight])
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))

    def closure():
        calls.append("closure")
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure) == 6.0
    assert calls == ["before", "closure", "after"]
    assert weight.grad is not None


def test_what_has_no_gradient_is_left_alone():
    """Neither decayed nor given state; a step without any gradient does nothing."""
    params, optimizer = made(Muon, {})
    before = copy.deepcopy(params)
    optimizer.step()
    params[3].grad = torch.ones_like(params[3])
    optimizer.step()
    assert [i for i, (old, new) in enumerate(zip(before, params, strict=True)) if not torch.equal(old, new)] == [3]
    assert list(optimizer.state) == [params[3]]


def test_strides_do_not_matter():
    """Transposed and sliced tensors give what contiguous ones give."""
    results = []
    for laid_out in (torch.Tensor.contiguous, lambda tensor: tensor):
        one, two, three, four = torch.randn(4, 12, 10, generator=torch.Generator().manual_seed(0))
        odd = [nn.Parameter(laid_out(one.T)), nn.Parameter(laid_out(two[::2, 1:]))]
        optimizer = Muon(odd, lr=0.1)
        for _ in range(2):
            odd[0].grad, odd[1].grad = laid_out(three.T), laid_out(four[::2, 1:])
            optimizer.step()
        results.append(odd)
    assert all(map(torch.equal, *results))


def test_matrices_without_elements_are_no_mistake():
    """A layer of width 0 has a gradient, and nothing to update."""
    empty, weight = nn.Parameter(torch.zeros(0, 3)), nn.Parameter(torch.zeros(2, 3))
    empty.grad, weight.grad = torch.zeros(0, 3), torch.ones(2, 3)
    Muon([empty, weight]).step()
    assert weight.any()


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda held: pickle.loads(pickle.dumps(held))], ids=["copy", "pickle"]
)
def test_a_copy_goes_on_as_the_original(again):
    """Copying and pickle keep state and groups; both then make the same step."""
    params, optimizer = made(Muon, {})
    for number in range(3):
        step(params, optimizer, number)
    others, other = again((params, optimizer))
    for number in range(3, 6):
        step(params, optimizer, number)
        step(others, other, number)
    assert all(map(torch.equal, params, others))


@pytest.mark.parametrize(("first", "then"), [(Muon, torch.optim.Muon), (torch.optim.Muon, Muon)], ids=["out", "in"])
def test_checkpoints_go_both_ways_in_mid_run(first, then):
    """What one class saved the other loads, group for group, and goes on from there."""
    params, optimizer = made(first, {"momentum": 0.8})
    for number in range(5):
        step(params, optimizer, number)
    others, other = made(then, {})
    with torch.no_grad():
        for own, source in zip(others, params, strict=True):
            own.copy_(source)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert other.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
    paths = [[parameter.detach().clone() for parameter in params]]
    for number in range(5, 10):
        step(params, optimizer, number)
        step(others, other, number)
        paths.append([parameter.detach().clone() for parameter in params])
    assert_as_near(others, params, paths)


def test_a_scaler_unscales_and_skips():
    """A GradScaler divides the gradients, and an overflow skips the whole step."""
    params, optimizer = made(Muon, {})
    plain, known = made(Muon, {})
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(torch.ones(()))
    for number, overflow in ((0, False), (1, True), (2, False)):
        give_gradients(params, number)
        give_gradients(plain, number)
        scale = scaler.get_scale()
        for parameter in params:
            if parameter.grad is not None:
                parameter.grad.mul_(torch.inf if overflow else scale)
        scaler.step(optimizer)
        scaler.update()
        if not overflow:
            known.step()
    assert all(map(torch.equal, params, plain))


def test_a_compiled_function_around_it_steps_as_it_does():
    """torch.compile leaves the update alone, and compiles once for all steps."""
    torch.compiler.reset()
    params, optimizer = made(Muon, {})
    plain, known = made(Muon, {})
    counted = torch._dynamo.testing.CompileCounter()

    @functools.partial(torch.compile, backend=counted)
    def compiled():
        scale = params[0].detach().square().sum().sqrt()
        optimizer.step()
        return scale + 1

    for number in range(4):
        give_gradients(params, number)
        give_gradients(plain, number)
        compiled()
        known.step()
    assert all(map(torch.equal, params, plain))
    assert counted.frame_count <= 2


def test_plans_build_it():
    """A plan selects the matrices, and the scheduler drives them."""
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    plan = pg.Plan(pg.Rule(~pg.Ndim(2), frozen=True), pg.Rule("0.*", lr=0.5), lr=0.1)
    optimizer = plan.build(model, Muon)
    pg.Scheduler(optimizer, lr=pg.Linear(2, end=0.0))
    for _ in range(2):
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
    assert pg.snapshot(optimizer)["lr/0"] == 0.0


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.slow  # two processes, each of which loads torch and its tensors that are spread
def test_matrices_spread_over_processes_are_stepped_whole(free_port):
    """Under FSDP2 and under tensor parallelism, two processes make the bits that one makes."""
    own = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port),
        "WORLD_SIZE": "2",
        "PYTHONPATH": ":".join(sys.path),
    }
    pair = [
        subprocess.Popen(
            [sys.executable, gathering.__file__],
            env=os.environ | own | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=300)[0] for process in pair]
    finally:
        for process in pair:
            process.kill()
    assert said == [", ".join(gathering.WAYS)] * 2


# --- nothing half done ----------------------------------------------------------------------------------------------


def test_what_is_no_matrix_is_refused_before_anything_changes():
    """In the constructor and, where torch's is silent, in `add_param_group`."""
    with pytest.raises(NotAMatrixError, match=r"'bias' of group 0 has the shape \(3,\); Muon takes matrices only"):
        Muon([("weight", nn.Parameter(torch.zeros(2, 3))), ("bias", nn.Parameter(torch.zeros(3)))])
    params, optimizer = made(Muon, {})
    groups = list(optimizer.param_groups)
    with pytest.raises(NotAMatrixError, match=r"Parameter 0 of group 'conv' has the shape \(3, 2, 1, 1\)"):
        optimizer.add_param_group({"params": nn.Parameter(torch.zeros(3, 2, 1, 1)), "name": "conv"})
    assert optimizer.param_groups == groups
    optimizer.param_groups[2]["params"].append(nn.Parameter(torch.zeros(3)))
    assert_refused(params, optimizer, NotAMatrixError, "Parameter 2 of group 2")


def assert_refused(params: list[nn.Parameter], optimizer: Any, error: type[Exception], match: str) -> None:
    """A step raises, and has updated nothing."""
    give_gradients([p for p in params if p.grad is None], 0, missing=False)
    before = copy.deepcopy(params)
    with pytest.raises(error, match=match):
        optimizer.step()
    assert all(map(torch.equal, params, before))
    assert not optimizer.state


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        ({"ns_steps": 100}, "ns_steps = 100 in group 2 cannot be used.\nIt must be at most 99"),
        ({"ns_coefficients": (1.0, 2.0)}, "It must be three numbers"),
        ({"adjust_lr_fn": "orginal"}, "adjust_lr_fn = 'orginal' in group 2 .*\nIt must be one of .*'original'"),
    ],
    ids=str,
)
def test_values_that_no_step_can_use_are_refused_before_it_updates(edit, match):
    """What was edited into the last group keeps the first from moving, and is refused for a new group too."""
    params, optimizer = made(Muon, {})
    optimizer.param_groups[2].update(edit)
    assert_refused(params, optimizer, HyperparameterValueError, match)
    optimizer.param_groups.pop()
    with pytest.raises(HyperparameterValueError, match=match):
        optimizer.add_param_group({"params": nn.Parameter(torch.zeros(2, 2)), **edit})


def test_sparse_gradients_and_complex_parameters_are_refused_as_torch_does():
    """With torch's words, and before any group is updated."""
    for weight in (torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.complex64)):
        params, optimizer = made(Muon, {})
        odd = nn.Parameter(weight)
        optimizer.add_param_group({"params": [odd], "name": "odd"})
        odd.grad = torch.ones_like(odd) if odd.is_complex() else torch.ones(2, 2).to_sparse()
        words = "complex parameters" if odd.is_complex() else "sparse gradients"
        assert_refused(params, optimizer, RuntimeError, f"Muon does not support {words}; there is one in group 'odd'")


# --- a torch that has no Muon ---------------------------------------------------------------------------------------


def test_its_constructor_is_torchs_where_torch_has_none():
    """Arguments, defaults and refusals are those of `torch.optim.Muon`."""
    ours, theirs = muon.ConstructedAsMuon, torch.optim.Muon
    assert [(p.name, p.default, p.kind) for p in inspect.signature(ours).parameters.values()] == [
        (p.name, p.default, p.kind) for p in inspect.signature(theirs).parameters.values()
    ]
    weight = nn.Parameter(torch.zeros(2, 2))
    assert ours([weight]).param_groups == theirs([weight]).param_groups


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lr": -1.0}, "Learning rate should be >= 0 but is: -1.0"),
        ({"lr": torch.zeros(2)}, "Tensor lr must be 1-element"),
        ({"momentum": -0.5}, "momentum should be >= 0 but is: -0.5"),
        ({"weight_decay": -1}, "weight decay should be >= 0 but is: -1"),
        ({"lr": float("nan")}, "Learning rate should be >= 0 but is: nan"),
        ({"adjust_lr_fn": "none"}, "Adjust learning rate function none is not supported"),
    ],
)
@pytest.mark.parametrize("kind", [muon.ConstructedAsMuon, torch.optim.Muon, Muon])
def test_it_refuses_what_torchs_refuses_in_the_same_words(kind, wrong, words):
    """A value that the constructor judges is judged alike, whichever the torch."""
    with pytest.raises(ValueError, match=words):
        kind([nn.Parameter(torch.zeros(2, 2))], **wrong)


def test_without_torchs_it_steps_the_same(monkeypatch):
    """The module, imported where torch has no Muon, makes the same steps and refuses the same parameters."""
    monkeypatch.delattr(torch.optim, "Muon")
    spec = importlib.util.spec_from_file_location("muon_of_old", muon.__file__)
    assert spec is not None
    assert spec.loader is not None
    old = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "muon_of_old", old)
    spec.loader.exec_module(old)
    assert old.Muon.__mro__[1] is old.ConstructedAsMuon
    (params, optimizer), (others, other) = (made(kind, {}) for kind in (Muon, old.Muon))
    for number in range(5):
        step(params, optimizer, number)
        step(others, other, number)
    assert all(map(torch.equal, params, others))
    assert optimizer.state_dict()["param_groups"] == other.state_dict()["param_groups"]
    with pytest.raises(NotAMatrixError):
        old.Muon([nn.Parameter(torch.zeros(3))])

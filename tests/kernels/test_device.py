"""What is kept in a device's memory: on the processor, which shows what is sent and when.

Launches, and steps that are captured, are situations of tests/workers/interpreted.py.
"""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from optims import SHAPES, assert_equal, give_gradients, in_groups, parameters, served
from paramgroups import optim
from paramgroups.kernels import device
from paramgroups.kernels.device import Mirror, capturing

HERE = torch.device("cpu")

needs_a_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU; its twin is in tests/workers/interpreted.py"
)


@pytest.fixture
def sent(monkeypatch):
    """A list of all that is sent."""
    arrays = []
    send = device._outgoing

    def noted(array, where):
        arrays.append(array.copy())
        return send(array, where)

    monkeypatch.setattr(device, "_outgoing", noted)
    return arrays


def test_a_mirror_sends_what_has_changed_and_nothing_else(sent):
    """An array that is the same, in every bit, is not sent again; NaN is the same as itself."""
    array = np.array([[0.5, np.nan], [0.25, 2.0]])
    mirror = Mirror(array, HERE)
    for _ in range(3):
        mirror.follow(array)
    assert len(sent) == 1
    array[1, 0] = 4.0
    mirror.follow(array)
    assert len(sent) == 2
    torch.testing.assert_close(mirror.tensor, torch.from_numpy(array), rtol=0, atol=0, equal_nan=True)


def test_a_mirror_stays_where_it_is():
    """What was captured reads the same place for ever."""
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    mirror = Mirror(array, HERE)
    before = mirror.tensor.data_ptr()
    mirror.follow(array * 2)
    assert mirror.tensor.data_ptr() == before
    assert mirror.tensor.tolist() == [[0, 2, 4], [6, 8, 10]]
    assert mirror.tensor.dtype == torch.int64


def test_a_mirrors_places_are_its_own_memory():
    """A number that is on the device is written into its place there."""
    mirror = Mirror(np.zeros((2, 2)), HERE)
    torch._foreach_copy_([mirror.places[1], mirror.places[2]], [torch.tensor(0.5), torch.tensor(0.25)])
    assert mirror.tensor.tolist() == [[0.0, 0.5], [0.25, 0.0]]


def test_nothing_is_captured_on_a_processor():
    """And it is not asked there: a build of torch without CUDA has no answer."""
    assert not capturing(HERE)


def on_a_gpu(kind, **options):
    """Parameters in three groups on a GPU, and their optimizer after two steps."""
    params = [nn.Parameter(p.detach().cuda()) for p in parameters()]
    optimizer = kind(in_groups(params, (0, 1, 2, 2, 1, 0)), **options)
    for step in range(2):
        give_gradients(params, step, missing=False)
        optimizer.step()
    return params, optimizer


@needs_a_gpu
@pytest.mark.parametrize("options", [{}, {"fused": True}, {"capturable": True}], ids=str)
def test_on_a_gpu_a_step_is_torchs(options):
    """Whatever a group asks for, a GradScaler's scale and overflow included; torch's fused is the oracle."""
    ours, theirs = on_a_gpu(optim.AdamW, **options), on_a_gpu(torch.optim.AdamW, fused=True)
    for step in range(5):
        for params, optimizer in (ours, theirs):
            give_gradients(params, step)
            optimizer.grad_scale = torch.tensor(2.0, device="cuda")
            optimizer.found_inf = torch.tensor(float(step == 2), device="cuda")
            optimizer.step()
    assert served(ours[1]) == len(SHAPES)
    assert_equal(ours, theirs)


@needs_a_gpu
def test_on_a_gpu_a_captured_step_follows_its_groups():
    """A real graph, replayed under numbers that are sent before, does what steps that were not captured do."""
    (params, optimizer), (twins, twin) = (on_a_gpu(optim.AdamW) for _ in range(2))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    for step in range(4):
        for each in (optimizer, twin):
            for group in each.param_groups:
                group.update(lr=0.1 / (1 + step), weight_decay=0.1 * step, betas=(0.5, 0.9 - 0.1 * step))
        optimizer.refresh()
        graph.replay()
        twin.step()
    assert_equal((params, optimizer), (twins, twin), rtol=0.0, atol=0.0)


def test_triton_is_loaded_for_gpus_alone():
    """Neither the package nor a step on the processor brings it: what torch itself may load is not ours."""
    script = """
import sys
import paramgroups as pg
print("triton" in sys.modules)
import torch
weight = torch.nn.Parameter(torch.ones(2))
optimizer = pg.optim.AdamW([weight])
for _ in range(2):
    weight.grad = torch.ones(2)
    optimizer.step()
print([name for name in sys.modules if name in ("paramgroups.kernels.cuda", "paramgroups.kernels.device")])
"""
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert printed == "False\n[]\n"

"""The compiled loops themselves: words, narrow numbers, and where they are kept."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from paramgroups.kernels import cpu
from paramgroups.kernels.algorithm import Algorithm, maximum, sign, where


def kept_or_signed(p, g, most, zero):
    """Every word of the vocabulary that can meet a NaN."""
    return where(p > zero, sign(g), p), maximum(most, g)


def added(p, g, factor):
    """The plainest of updates."""
    return (p + factor * g,)


WORDS = Algorithm(kept_or_signed, lambda step, zero: (zero,), ("most",))
ADDED = Algorithm(added, lambda step, factor: (factor,))


def run(algorithm, tensors, value, dtype):
    """One row through the compiled loops."""
    kernel = cpu.compiled(algorithm, dtype, torch.float32)
    addresses = np.array([[tensor.data_ptr() for tensor in tensors]])
    offsets, scalars = np.zeros(2, dtype=np.int64), np.empty((1, algorithm.numbers))
    status, groups, lengths = np.ones(1, dtype=np.int8), np.zeros(1, dtype=np.int64), np.array([tensors[0].numel()])
    elements = kernel.begin(status, groups, lengths, np.array([[value]]), addresses, offsets, scalars)
    kernel.run(0, elements, offsets, addresses, scalars, 1.0)


def test_words_mean_what_torchs_mean():
    """NaN is handed on by `maximum`, the sign of 0 is 0, and a condition that NaN does not meet is not met."""
    nan = float("nan")
    p, g = torch.tensor([1.0, 1.0, 1.0, -3.0, nan]), torch.tensor([2.0, -2.0, 0.0, 9.0, nan])
    most = torch.tensor([1.0, nan, 3.0, 1.0, 1.0])
    expected = torch.where(p > 0, torch.sign(g), p), torch.maximum(most, g)
    run(WORDS, [p, g, most], 0.0, torch.float32)
    torch.testing.assert_close((p, most), expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_the_sign_of_nan_is_0(dtype):
    """As torch's is: a gradient that is no number moves nothing by its sign."""
    p, g = torch.ones(3, dtype=dtype), torch.tensor([2.0, float("nan"), -2.0], dtype=dtype)
    most, expected = torch.zeros(3, dtype=dtype), torch.sign(g)
    run(WORDS, [p, g, most], 0.0, dtype)
    assert p.tolist() == expected.tolist() == [1.0, 0.0, -1.0]


def test_bfloat16_is_rounded_as_torch_rounds():
    """To the nearest, halves to even, for every number there is; NaN stays NaN, and what overflows is infinite."""
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    for other in (every.flip(0), torch.full_like(every, 1.0), torch.full_like(every, 3e-3)):
        p = every.clone()
        run(ADDED, [p, other], 1.0, torch.bfloat16)
        torch.testing.assert_close(p, every + other, rtol=0, atol=0, equal_nan=True)


FORKED = """
import os
from paramgroups.kernels import cpu

known = cpu._threads()
child = os.fork()
if child == 0:
    os._exit(cpu._threads() is known)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), cpu._threads() is known)
"""


def printed_by(script, **environment):
    """What a fresh interpreter prints that runs the script."""
    own = os.environ | environment
    return subprocess.run([sys.executable, "-c", script], env=own, check=True, capture_output=True, text=True).stdout


def test_threads_are_not_inherited():
    """A forked process makes its own, since its parent's are not there; its parent keeps them."""
    assert printed_by(FORKED) == "0 True\n"


KEPT = """
import numpy as np, torch
from paramgroups.kernels import cpu
from paramgroups.optim.sgd import PLAIN

kernel = cpu.compiled(PLAIN, torch.float64, torch.float32)
p, g = torch.ones(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
addresses = np.array([[p.data_ptr(), g.data_ptr()]])
kernel.run(0, 3, np.array([0, 3]), addresses, np.array([[1.0, 0, 0, 1, 0, 0.5]]), 1.0)
print(p.tolist(), sum(kernel.run.stats.cache_hits.values()))
"""


def test_what_is_compiled_is_kept(tmp_path):
    """A second process finds it on disk."""
    printed = [printed_by(KEPT, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert printed == ["[0.5, 0.5, 0.5] 0\n", "[0.5, 0.5, 0.5] 1\n"]


@pytest.mark.parametrize("elements", [0, 1, 2 * cpu.SHARE - 1, 2 * cpu.SHARE, 7 * cpu.SHARE + 3])
def test_every_element_is_some_threads(monkeypatch, elements):
    """The parts meet, and no thread is woken for less than its share."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    parts = []
    cpu.execute(lambda first, last: parts.append((first, last)), elements)
    parts.sort()
    assert (parts[0][0], parts[-1][1]) == (0, elements)
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(parts))
    assert len(parts) == max(1, min(4, elements // cpu.SHARE))

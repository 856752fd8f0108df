"""The kernel of a GPU: interpreted on the processor against the definition, and compiled, where there is no GPU too."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

import paramgroups as pg
from paramgroups.kernels import cuda
from tables import ALGORITHMS, hold
from workers import interpreted

WORKER = Path(interpreted.__file__)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What came of every situation in one process, whose Triton interprets, and what it printed."""
    file = tmp_path_factory.mktemp("interpreted") / "outcomes.json"
    path = os.pathsep.join([str(WORKER.parents[1]), str(Path(pg.__file__).parents[1])])
    own = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, WORKER, file], env=own, check=False, capture_output=True, text=True)
    return json.loads(file.read_text("utf-8")) if file.exists() else {}, done.stdout + done.stderr


@pytest.mark.parametrize("name", interpreted.situations())
def test_interpreted_it_does_what_the_definition_says(outcomes, name):
    """Every situation of tests/workers/interpreted.py: tables, whole optimizers, and captured steps."""
    results, printed = outcomes
    assert results.get(name, printed or "it was not run") == ""


# Machine code.

SIGNATURE = {
    "places": "*i64",
    "firsts": "*i32",
    "lengths": "*i64",
    "groups": "*i32",
    "values": "*fp64",
    "tickets": "*i32",
    "scale": "*fp32",
    "overflow": "*fp32",
    "rows": "i32",
    "begin": "i32",
    "ALIGNED": "constexpr",
}
DTYPES = sorted(cuda.DTYPES, key=str)
TARGETS = [80, 90]


def assembly_of(algorithm, dtype, target, **constants):
    """The kernel's assembly for an NVIDIA GPU of compute capability `target` / 10, and its machine code."""
    kernel = cuda.compiled(algorithm, dtype, torch.float32)
    signature = SIGNATURE | dict.fromkeys(constants, "constexpr")
    source = ASTSource(kernel, signature, {"ALIGNED": True, **constants})
    made = triton.compile(source, target=GPUTarget("cuda", target, 32), options=cuda.OPTIONS)
    return made.asm["ptx"], made.asm["cubin"]


@pytest.fixture(autouse=True)
def _compiled_anew(tmp_path, monkeypatch):
    """Nothing is taken from what another run has compiled."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "dtype", "target"), [("Adam", torch.bfloat16, 80), ("SGD with momentum", torch.float32, 90)], ids=str
)
def test_it_compiles_without_a_gpu(name, dtype, target):
    """To machine code of the GPU's kind, one kernel that reads and writes sixteen bytes a thread at once."""
    assembly, code = assembly_of(ALGORITHMS[name][0], dtype, target)
    assert code.startswith(b"\x7fELF")
    assert f".target sm_{target}" in assembly
    assert len(re.findall(r"\.entry", assembly)) == 1
    tensors = 2 + len(ALGORITHMS[name][0].kept)
    at_once = dtype.itemsize * 8 // 16  # of a thread's eight elements
    assert assembly.count("ld.global.v4") == assembly.count("st.global.v4") == tensors * at_once


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("algorithm", [case[0] for case in ALGORITHMS.values()], ids=[*ALGORITHMS])
def test_every_kernel_compiles(algorithm, dtype, target):
    """Each algorithm in each dtype for each kind of GPU, aligned or not, under a GradScaler or not."""
    for constants in ({}, {"ALIGNED": False, "scale": None, "overflow": None}):
        assembly, code = assembly_of(algorithm, dtype, target, **constants)
        assert code.startswith(b"\x7fELF")
        assert f".target sm_{target}" in assembly


def test_a_count_is_read_by_every_thread_before_a_ticket_is_taken():
    """In machine code: load, barrier, one ticket with acquire and release, and behind it the stores of one thread."""
    assembly, _ = assembly_of(ALGORITHMS["Adagrad"][0], torch.float32, 80)
    lines = [line.strip() for line in assembly.splitlines()]
    (ticket,) = (at for at, line in enumerate(lines) if "atom.global.gpu.acq_rel.add" in line)
    loads = [at for at in range(ticket) if "ld.global.b32" in lines[at]]
    barriers = [at for at, line in enumerate(lines) if line.startswith("bar.sync")]
    stores = [at for at, line in enumerate(lines) if "st.global" in line]
    assert any(max(loads) < barrier < ticket for barrier in barriers)
    assert min(stores) > min(barrier for barrier in barriers if barrier > ticket)
    assert not any("add.f32" in line for line in lines[ticket : min(stores)])  # what is stored is known before


def test_narrow_numbers_are_rounded_to_nearest_and_to_even():
    """By the machine's own conversion: what Triton's interpreter lacks, and the worker mends."""
    assembly, _ = assembly_of(ALGORITHMS["SGD"][0], torch.bfloat16, 80)
    narrowed = re.findall(r"cvt\.(\w+)(?:\.\w+)*\.bf16\w*\.f32", assembly)
    assert narrowed
    assert set(narrowed) == {"rn"}


def test_arithmetic_is_what_is_written():
    """No product and sum are made one operation of other rounding: where an element stands changes no bit of it."""
    assembly, _ = assembly_of(ALGORITHMS["SGD with momentum"][0], torch.float32, 90)
    assert re.search(r"mul(\.rn)?\.f32", assembly)
    assert "fma.rn.f32" not in assembly


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU; its twin is interpreted, above")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("algorithm", "values"), ALGORITHMS.values(), ids=ALGORITHMS)
def test_on_a_gpu_it_does_what_the_definition_says(algorithm, values, dtype):
    """The same three updates, by the GPU itself."""
    hold(algorithm, values, dtype, interpreted.LONG, "cuda", given=lambda values: torch.from_numpy(values).cuda())

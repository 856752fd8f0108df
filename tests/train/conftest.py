"""A job that takes a blink."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups.train.data import split
from paramgroups.train.devices import Devices
from paramgroups.train.job import Job, Pretraining, Span


def small_model() -> nn.Module:
    """Two layers with noise between them, so that a resumed run has to have the same random numbers."""
    return nn.Sequential(OrderedDict(body=nn.Linear(4, 8), noise=nn.Dropout(0.3), head=nn.Linear(8, 3)))


@pytest.fixture
def job() -> Job:
    """Three classes that a small network can tell apart, everything in a few steps."""
    random = torch.Generator().manual_seed(0)
    targets = torch.arange(120) % 3
    inputs = torch.randn(120, 4, generator=random) + 2 * nn.functional.one_hot(targets, 4)
    return Job(
        model=small_model,
        optimizer=torch.optim.AdamW,
        arguments={},
        plan=pg.Plan(pg.Rule("body.*", lr=pg.Times(0.1)), lr=0.01, weight_decay=0.1),
        schedules={"*": {"lr": pg.Warmup(2).then(pg.Cosine("rest")), "weight_decay": pg.Linear("100%", end=2.0)}},
        data=split((inputs, targets), "small"),
        span=Span(epochs=2),
        batch_size=8,
        pretraining=Pretraining((0, 1), epochs=1, lr=0.01),
        grid=(0.01, 0.1),
    )


@pytest.fixture(scope="session")
def fabric():
    """One process on the CPU."""
    return Devices(accelerator="cpu").launch()


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Threads gain nothing on tensors this small, and lose much where several test runs share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

"""How a run is watched."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

import paramgroups as pg
from paramgroups.cli.progress import Silence, status, watching
from paramgroups.train.data import Examples
from paramgroups.train.job import CONSTANT, Leg, Span

TEN = Examples(torch.zeros(10, 1), torch.zeros(10).long())
LEG = Leg(name="seed 0: plan", plan=pg.Plan(), schedules=CONSTANT, learn=TEN, judge=TEN, span=Span(steps=40), seed=0)
VALUES = {"lr/head": 0.01, "weight_decay/head": 0.5, "lr/body": 0.00123456}


def watched(*, terminal: bool, recorded: bool, first: bool = True) -> str:
    """What is written while a leg of 40 updates is watched."""
    out = io.StringIO()
    leg = LEG if not recorded else Leg(**{**vars(LEG), "recorded": True, "final": True})
    console = Console(file=out, force_terminal=terminal, width=100, markup=False, highlight=False)
    with watching(console, first=first) as watcher:
        training: Any = SimpleNamespace(step=0, horizon=SimpleNamespace(steps=40))  # as much as a watcher looks at
        watcher.started(leg, training)
        for training.step in range(1, 41):
            watcher.updated(leg, training, 0.5, VALUES)
        watcher.finished(leg, 0.75)
    return out.getvalue()


def test_the_status_has_the_loss_and_every_group_s_lr():
    """To three digits; other hyperparameters are in the metrics."""
    assert status(0.5, VALUES) == "loss 0.5000   lr head 0.01   body 0.00123"
    assert status(0.5, {}) == "loss 0.5000"


def test_without_a_terminal_a_recorded_training_has_ten_lines_and_a_result():
    """Sparse, for a log."""
    lines = watched(terminal=False, recorded=True).splitlines()
    assert len(lines) == 11
    assert lines[0] == "seed 0: plan: step 4/40   loss 0.5000   lr head 0.01   body 0.00123"
    assert lines[-1] == "seed 0: plan: 75.00% of 10 held-out examples"


def test_without_a_terminal_another_training_has_its_result():
    """Told apart by what judged it."""
    assert watched(terminal=False, recorded=False) == "seed 0: plan: 75.00% of 10 validation examples\n"


def test_a_terminal_has_a_bar_and_the_result_stays():
    """The bar shows how far, and the status below it."""
    text = watched(terminal=True, recorded=True)
    assert "━" in text
    assert "seed 0: plan: 75.00% of 10 held-out examples" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_another_process_writes_nothing(terminal):
    """One of them is enough."""
    assert watched(terminal=terminal, recorded=True, first=False) == ""
    assert Silence().finished(LEG, 1.0) is None  # type: ignore[func-returns-value]  # that is what is asked

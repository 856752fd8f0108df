"""What lightning-fabric is asked for."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from paramgroups.errors import DisagreementError, MissingExtraError, RunError
from paramgroups.train.devices import Devices, is_first, shards, waiting_for_others


def test_the_options_are_passed_through():
    """In Fabric's own words."""
    fabric = Devices(accelerator="cpu", devices="1", precision="bf16-mixed").launch()
    assert fabric.device.type == "cpu"
    assert fabric.world_size == 1
    assert type(fabric.strategy.precision).__name__ == "MixedPrecision"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accelerator": "cuba"}, "invalid accelerator name"),
        ({"precision": "33"}, "33"),
        ({"strategy": "ddpp"}, "ddpp"),
        ({"accelerator": "cpu", "devices": "-1"}, "-1"),
        ({"accelerator": "cpu", "devices": "two"}, "two"),
    ],
)
def test_what_fabric_refuses_is_explained(options, said):
    """With the options as they were given, and what Fabric said."""
    with pytest.raises(RunError) as caught:
        Devices(**options).launch()
    for name, value in options.items():
        assert f"--{name} {value}" in str(caught.value)
    assert said in str(caught.value)


def test_a_missing_fabric_is_explained(monkeypatch):
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingExtraError, match=r"'lightning-fabric'.*\n.*paramgroups\[train\]"):
        Devices().launch()


@pytest.mark.parametrize(
    ("environment", "first"),
    [({}, True), ({"LOCAL_RANK": "0"}, True), ({"LOCAL_RANK": "1"}, False), ({"RANK": "2", "LOCAL_RANK": "0"}, False)],
)
def test_only_one_process_prints_and_writes(monkeypatch, environment, first):
    """Whoever started the processes says which is which."""
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first() is first


def waiting(error: Exception, processes: int = 2) -> None:
    """Wait for others, as one of so many, until something goes wrong."""
    fabric: Any = SimpleNamespace(world_size=processes, global_rank=1)
    with waiting_for_others(fabric, "Go on."):
        raise error


def test_a_process_that_waits_for_one_that_has_ended_says_so():
    """What torch.distributed said, without the place in its source; which process it is, and what to do."""
    said = "[/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:2. This is typically caused by"
    with pytest.raises(RunError) as caught:
        waiting(RuntimeError(said))
    assert str(caught.value) == (
        "Process 1 of 2 ends, as another one has ended or is cut off: Connection closed by peer [127.0.0.1]:2.\nGo on."
    )
    with pytest.raises(RunError, match=r"cut off: The store is gone\.\nGo on\."):
        waiting(torch.distributed.DistNetworkError("The store is gone"))


@pytest.mark.parametrize(
    ("error", "processes"),
    [
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), 2),
        (RuntimeError("[/gloo/pair.cc:1] Connection closed by peer"), 1),
        (DisagreementError(1, 0, "gloo is 1 on rank 1, 2 on rank 0", 1, 2), 2),
        (ValueError("gloo"), 2),
    ],
    ids=["another error", "one process", "an error of ours", "another class"],
)
def test_other_errors_are_left_as_they_are(error, processes):
    """They have messages of their own."""
    with pytest.raises(type(error)) as caught:
        waiting(error, processes)
    assert caught.value is error


def test_one_process_spreads_nothing(fabric):
    """A model is then set up as it always was."""
    assert not shards(fabric)

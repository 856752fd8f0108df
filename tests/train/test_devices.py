"""What lightning-fabric is asked for."""

import sys

import pytest

from paramgroups.errors import MissingExtraError, RunError
from paramgroups.train.devices import Devices, is_first


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

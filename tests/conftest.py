"""What every test session needs before the first test is collected."""

import os
import warnings

import pytest
from hypothesis import settings

import parity
import processes

os.environ.setdefault("MPLBACKEND", "Agg")  # no test opens a window

# The first call of a torch operator may take longer than any deadline that would catch a slow example.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def together(tmp_path_factory):
    """What two processes under torchrun found in every case of `workers/together.py`, launched once for all tests."""
    folder = tmp_path_factory.mktemp("together")
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "torch.distributed is disabled", UserWarning
        )  # as it should be in one process
        for how in parity.SAVED:
            parity.save_half(how, folder / f"one-{how}")
    return processes.launch("together", folder)

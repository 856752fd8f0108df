"""How torch's schedulers write one after another into one lr, call by call beside torch."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import torch_schedulers
from paramgroups.schedules.dialects.torch.composed import made
from paramgroups.schedules.dialects.torch.live import _clocks
from paramgroups.schedules.dialects.torch.replay import Group

PARTS = st.sampled_from(torch_schedulers.described())


@settings(max_examples=50, deadline=None)
@given(torch_schedulers.composed(PARTS) | PARTS, st.integers(0, 30))
def test_a_twin_counts_and_writes_what_torch_s_scheduler_does(description, steps):
    """The lr at two bases, and the count of every part, after any number of steps."""
    optimizer = torch_schedulers.optimizer_of(0.5, 0.1)
    scheduler = torch_schedulers.theirs(description, optimizer)
    group = Group()
    twin = made(torch_schedulers.ours(description), group)
    for _ in range(steps):
        try:
            torch_schedulers.step(optimizer, scheduler)
        except (ValueError, ZeroDivisionError):
            return  # past the end of a OneCycleLR, or of what torch divides by 0 for
        twin.step()
    for own, base in zip(optimizer.param_groups, (0.5, 0.1), strict=True):
        assert group.lr.factor * base + group.lr.offset == pytest.approx(own["lr"], rel=1e-9, abs=1e-12)
    assert list(twin.clocks()) == list(_clocks(scheduler))

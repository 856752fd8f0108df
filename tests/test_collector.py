"""The garbage collector waits, and no longer than it was told."""

import gc

import pytest

from paramgroups.collector import paused


@pytest.fixture(params=[True, False], ids=["on", "off"])
def enabled(request):
    """Whether the collector runs before."""
    before = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if before else gc.disable)()


def test_the_collector_is_as_it_was_afterwards(enabled):
    """Also after a pause within a pause, an error, and around a function."""
    with paused(), paused():
        assert not gc.isenabled()
    assert gc.isenabled() is enabled
    with pytest.raises(KeyError), paused():
        raise KeyError
    assert gc.isenabled() is enabled
    assert paused()(gc.isenabled)() is False
    assert gc.isenabled() is enabled

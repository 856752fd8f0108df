"""A run's state by name: in memory, and in one file that is whole or not there."""

from paramgroups.state.adoption import adopt
from paramgroups.state.checkpoint import load, save
from paramgroups.state.distributed import Distributed
from paramgroups.state.named import load_named_state, named_state
from paramgroups.state.report import LoadReport

__all__ = ["Distributed", "LoadReport", "adopt", "load", "load_named_state", "named_state", "save"]

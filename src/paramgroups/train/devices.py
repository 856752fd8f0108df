"""Where a run computes: an accelerator, how many devices, their precision and how processes work together.

Knows lightning-fabric's names for these, and `fsdp2`; hands them on, and explains what Fabric refuses, and the end of a
process that the others wait for.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast, final

from torch import nn

from paramgroups.errors import ParamGroupsError, RunError
from paramgroups.extras import needed_for

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
    from torch.distributed.device_mesh import DeviceMesh

FSDP2: Final = "fsdp2"


def is_first() -> bool:
    """Whether this process is the one that others are, or will be, started from: it alone prints and writes."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


@final
@dataclass(frozen=True, kw_only=True)
class Devices:
    """What `Fabric` is asked for, as text in its own words, such as `cpu`, `2` or `0,1`, `bf16-mixed` and `ddp`."""

    accelerator: str = "auto"
    devices: str = "1"
    precision: str = "32-true"
    strategy: str = "auto"

    def launch(self) -> Fabric:
        """Start the other processes, if any, and be one of them.

        Raises:
            RunError: Fabric knows no such thing, or the machine has none.
            MissingExtraError: lightning-fabric is not installed.
        """
        with needed_for("Training"):
            from lightning_fabric import Fabric
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # who is which rank is no news
        count = int(self.devices) if self.devices.removeprefix("-").isdigit() else self.devices
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*GPU available but not used")  # it was asked for
                fabric = Fabric(
                    accelerator=self.accelerator,
                    devices=count,
                    precision=cast("Any", self.precision),  # Fabric checks it against its list
                    strategy=_fsdp2() if self.strategy == FSDP2 else self.strategy,
                )
                fabric.launch()
        except (ValueError, RuntimeError, TypeError) as error:
            asked = f"--accelerator {self.accelerator} --devices {self.devices} --precision {self.precision}"
            raise RunError(
                f"lightning-fabric cannot start {asked} --strategy {self.strategy}: {error}",
                "Leave the options out for one process on the best device there is, at full precision.",
            ) from error
        return fabric


def shards(fabric: Fabric) -> bool:
    """Whether parameters are spread over the processes, so that a model is set up before its optimizer is made."""
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

    return isinstance(fabric.strategy, ModelParallelStrategy)


@contextmanager
def waiting_for_others(fabric: Fabric, remedy: str) -> Iterator[None]:
    """Explain the error of a process that waited for one which has ended.

    Raises:
        RunError: it did.
    """
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or isinstance(error, ParamGroupsError) or not _is_of_a_connection(error):
            raise
        problem = f"Process {fabric.global_rank} of {fabric.world_size} ends, as another one has ended or is cut off"
        said = re.sub(r"^\[.*?\] ", "", str(error))  # gloo begins with a line of its source, and ends with advice
        reason = said.splitlines()[0].partition(". ")[0]
        raise RunError(f"{problem}: {reason}.", remedy) from error


def _is_of_a_connection(error: RuntimeError) -> bool:
    """Whether an error is one of torch.distributed; gloo's have no class of their own."""
    from torch.distributed import DistError

    return isinstance(error, DistError) or "gloo" in str(error).lower()


def _fsdp2() -> ModelParallelStrategy:
    """Fabric's strategy in which a function spreads the model, and ours is `fully_shard`."""
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

    return ModelParallelStrategy(_sharded)


def _sharded(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Each of the model's own modules and the rest, spread over all processes."""
    from torch.distributed import get_world_size
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    everyone = init_device_mesh(mesh.device_type, (get_world_size(),))
    for module in model.children():
        if next(module.parameters(), None) is not None:
            fully_shard(module, mesh=everyone)
    fully_shard(model, mesh=everyone)
    return model

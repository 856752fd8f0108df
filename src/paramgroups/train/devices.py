"""Where a run computes: an accelerator, how many devices, their precision and how processes work together.

Knows lightning-fabric's names for these; hands them on, and explains what Fabric refuses.
"""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, final

from paramgroups.errors import RunError
from paramgroups.extras import needed_for

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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
                    strategy=self.strategy,
                )
                fabric.launch()
        except (ValueError, RuntimeError, TypeError) as error:
            asked = f"--accelerator {self.accelerator} --devices {self.devices} --precision {self.precision}"
            raise RunError(
                f"lightning-fabric cannot start {asked} --strategy {self.strategy}: {error}",
                "Leave the options out for one process on the best device there is, at full precision.",
            ) from error
        return fabric

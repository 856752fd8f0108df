"""The ways of training that libraries have, with several algorithms: Muon for a hidden matrix, AdamW for the rest."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch.optim import AdamW as TorchsAdamW

import paramgroups as pg
from paramgroups.optim import AdamW, Muon
from rigs import PLAN, Situation
from trainers import TENSOR_LR

TWO = {"muon": Muon, "adamw": AdamW}
HIDDEN = pg.Plan(pg.Rule("body.weight", algorithm="muon", name="hidden"), *PLAN.rules, **PLAN.defaults)


TENSORS = pg.Plan(*HIDDEN.rules, lr=torch.tensor(0.01))
IN_PAIRS = (
    *("DDP", "DDP, accumulation 4", "DDP, GradScaler", "FSDP2", "FSDP2, DCP asks"),
    *("accelerate", "accelerate, accumulation 4", "accelerate, FSDP2", "accelerate, FSDP2, save_state/load_state"),
)
"""What two processes are led through again with several algorithms."""


def composed(situations: Mapping[str, Situation]) -> dict[str, Any]:
    """Those of the situations that are not about one class's own options, with several algorithms instead."""
    return {
        name: replace(each, optimizer=TWO, options={"default": "adamw"}, plan=HIDDEN)
        for name, each in situations.items()
        if each.optimizer is TorchsAdamW and not each.options and each.plan is PLAN
    } | {"compiled step": replace(TENSOR_LR, optimizer=TWO, options={"default": "adamw"}, plan=TENSORS)}

"""The ways of training that libraries have, with several algorithms: Muon for a hidden matrix, AdamW for the rest."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch.optim import AdamW as TorchsAdamW

import paramgroups as pg
from paramgroups.optim import AdamW, Muon
from trainers import PLAN, Situation

TWO = {"muon": Muon, "adamw": AdamW}
HIDDEN = pg.Plan(pg.Rule("body.weight", algorithm="muon", name="hidden"), *PLAN.rules, **PLAN.defaults)


def composed(situations: Mapping[str, Situation]) -> dict[str, Any]:
    """Those of the situations that are not about one class's own options, with several algorithms instead."""
    return {
        name: replace(each, optimizer=TWO, options={"default": "adamw"}, plan=HIDDEN)
        for name, each in situations.items()
        if each.optimizer is TorchsAdamW and not each.options and each.plan is PLAN
    }

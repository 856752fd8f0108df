"""torch's optimizers under torch's names: ours where one step can serve all groups at once, else torch's own.

    AdamW(plan.on(model).param_groups())    # as torch.optim.AdamW, in every way but the cost of groups
    Composite(groups, {"muon": Muon, "adamw": AdamW})    # several of them as one

Knows which is which.
"""

from torch.optim import (
    ASGD,
    LBFGS,
    Adadelta,
    Adafactor,
    Adamax,
    NAdam,
    Optimizer,
    RAdam,
    Rprop,
    SparseAdam,
)

from paramgroups.optim.adagrad import Adagrad
from paramgroups.optim.adam import Adam, AdamW
from paramgroups.optim.composite import Composite
from paramgroups.optim.lion import Lion
from paramgroups.optim.muon import Muon
from paramgroups.optim.rmsprop import RMSprop
from paramgroups.optim.sgd import SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Composite",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
]

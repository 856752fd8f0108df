"""Every kind of optimizer with which state by name is tried: a class, and options under which it keeps all it can.

A new class of ours is one line in OURS.
"""

from typing import Any, TypeAlias

import lion_pytorch
import prodigyopt
import schedulefree
import torch
from torch import optim

from paramgroups import optim as ours

Kinds: TypeAlias = dict[str, tuple[type[optim.Optimizer], dict[str, Any]]]

TORCH: Kinds = {
    "ASGD": (optim.ASGD, {"t0": 2.0, "weight_decay": 0.01}),
    "Adadelta": (optim.Adadelta, {"lr": 0.5}),
    "Adafactor": (optim.Adafactor, {}),
    "Adagrad": (optim.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    "Adam": (optim.Adam, {"weight_decay": 0.01}),
    "AdamW, plain": (optim.AdamW, {}),
    "AdamW": (optim.AdamW, {"amsgrad": True}),
    "Adamax": (optim.Adamax, {}),
    "LBFGS": (optim.LBFGS, {"max_iter": 3, "history_size": 4}),
    "Muon": (optim.Muon, {}),
    "NAdam": (optim.NAdam, {}),
    "RAdam": (optim.RAdam, {}),
    "RMSprop": (optim.RMSprop, {"momentum": 0.9, "centered": True}),
    "Rprop": (optim.Rprop, {}),
    "SGD": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "SGD, plain": (optim.SGD, {}),
    "SparseAdam": (optim.SparseAdam, {}),
}
OURS: Kinds = {
    "Adagrad, ours": (ours.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    "Adam, ours": (ours.Adam, {"weight_decay": 0.01}),
    "AdamW, ours": (ours.AdamW, {"amsgrad": True}),
    "Composite, ours": (
        ours.Composite,
        {"algorithms": {"adamw": ours.AdamW, "adam": ours.Adam}, "default": "adamw", "amsgrad": True},
    ),
    "Lion, ours": (ours.Lion, {"weight_decay": 0.01}),
    "Muon, ours": (ours.Muon, {}),
    "RMSprop, ours": (ours.RMSprop, {"momentum": 0.9, "centered": True}),
    "SGD, ours": (ours.SGD, {"momentum": 0.9, "nesterov": True}),
}
FLAGS: Kinds = {
    "Adam, tensor": (optim.Adam, {"lr": torch.tensor(0.01)}),
    **{
        f"{name}, {how}": (kind, {how: True})
        for how, names in {
            "foreach": "ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax NAdam RAdam RMSprop Rprop SGD",
            "fused": "Adagrad Adam AdamW SGD",
        }.items()
        for name in names.split()
        for kind in [getattr(optim, name)]
    },
}
OTHERS: Kinds = {
    "Lion": (lion_pytorch.Lion, {"weight_decay": 0.01}),
    "Prodigy": (prodigyopt.Prodigy, {"use_bias_correction": True, "weight_decay": 0.01}),
    "AdamWScheduleFree": (schedulefree.AdamWScheduleFree, {"warmup_steps": 3}),
    "RAdamScheduleFree": (schedulefree.RAdamScheduleFree, {}),
    "SGDScheduleFree": (schedulefree.SGDScheduleFree, {"foreach": False}),
}
OPTIMIZERS: Kinds = {**TORCH, **OURS, **FLAGS, **OTHERS}
LONG = ("AdamW", "SGD", *OURS)
"""Those that are resumed at many steps."""
ANY_SHAPE = tuple(case for case in LONG if not issubclass(OPTIMIZERS[case][0], optim.Muon))
"""Those of them that take more than matrices: they are regrouped over random models."""

"""Every kind of optimizer with which state by name is tried: a class, and options under which it keeps all it can.

A new class of ours is one line in OURS, and one in LONG where long runs are to prove it, too.
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
    "Adam, tensor": (optim.Adam, {"lr": torch.tensor(0.01)}),
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
OURS: Kinds = {
    "Adagrad, ours": (ours.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    "Adam, ours": (ours.Adam, {"weight_decay": 0.01}),
    "AdamW, ours": (ours.AdamW, {"amsgrad": True}),
    "Lion, ours": (ours.Lion, {"weight_decay": 0.01}),
    "RMSprop, ours": (ours.RMSprop, {"momentum": 0.9, "centered": True}),
    "SGD, ours": (ours.SGD, {"momentum": 0.9, "nesterov": True}),
}
OTHERS: Kinds = {
    "Lion": (lion_pytorch.Lion, {"weight_decay": 0.01}),
    "Prodigy": (prodigyopt.Prodigy, {"use_bias_correction": True, "weight_decay": 0.01}),
    "AdamWScheduleFree": (schedulefree.AdamWScheduleFree, {"warmup_steps": 3}),
    "RAdamScheduleFree": (schedulefree.RAdamScheduleFree, {}),
    "SGDScheduleFree": (schedulefree.SGDScheduleFree, {"foreach": False}),
}
OPTIMIZERS: Kinds = {**TORCH, **OURS, **OTHERS}
LONG = ("AdamW", "SGD", "AdamW, ours", "SGD, ours")
"""Those that are resumed at every step, and regrouped at random."""

"""torch's schedulers, by the same names: all of `torch.optim.lr_scheduler`, and `torch.optim.swa_utils.SWALR`.

    from paramgroups.schedules.dialects import torch as dialect
    lr = dialect.SequentialLR([dialect.LinearLR(0.01, total_iters=5), dialect.CosineAnnealingLR(95)], [5])

Each gives a group of base b what torch's class gives a group of that lr at each step; torch's `last_epoch` is
`.shift(-k)`. `ReduceLROnPlateau` is the native `Plateau`, and `from_torch` makes a schedule of a live scheduler.

torch multiplies what stands in a group by the ratio of two steps, and so adds up roundings; these are the closed forms.
Where there is none, it is said: O(k) means that the value at step k takes k steps to compute.

Knows torch's conventions; the curves are the native ones. Held against torch 2.13; needs no torch but for `from_torch`.
"""

from paramgroups.schedules.dialects.torch.composed import ChainedScheduler, SequentialLR
from paramgroups.schedules.dialects.torch.curves import (
    SWALR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    OneCycleLR,
    Phases,
)
from paramgroups.schedules.dialects.torch.factors import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from paramgroups.schedules.dialects.torch.live import from_torch

__all__ = [
    "SWALR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "Phases",
    "PolynomialLR",
    "SequentialLR",
    "StepLR",
    "from_torch",
]

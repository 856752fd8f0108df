"""timm's schedulers, by the same names.

    from paramgroups.schedules.dialects import timm
    lr = timm.CosineLRScheduler(t_initial=300, lr_min=1e-6, warmup_t=5, warmup_lr_init=1e-6)

Each gives a group of base b what timm's class gives it at each t, before it multiplies by the group's `lr_scale`; here
the scale is in the base. t counts whatever `step` or `step_update` is called with, epochs or updates.

Traps that they share. With `warmup_prefix=False`, which is the default of the cosine, tanh and polynomial ones, the
curve runs on under the warm-up and is met in its middle, with a jump; `Warmup(W).then(...)` is what `True` does.
`lr_min` and `warmup_lr_init` are lrs, the same in every group, however small its base; a native `end=0.01` is a share.
At t = 0 there is neither noise nor a milestone, since nothing has stepped yet.

Knows timm's conventions; the curves are the native ones. Held against timm 1.0.31.
"""

from paramgroups.schedules.dialects.timm.cycles import Cycles
from paramgroups.schedules.dialects.timm.factory import create_scheduler_v2
from paramgroups.schedules.dialects.timm.noise import Noise
from paramgroups.schedules.dialects.timm.schedulers import (
    CosineLRScheduler,
    MultiStepLRScheduler,
    PolyLRScheduler,
    StepLRScheduler,
    TanhLRScheduler,
    WSDLRScheduler,
)

__all__ = [
    "CosineLRScheduler",
    "Cycles",
    "MultiStepLRScheduler",
    "Noise",
    "PolyLRScheduler",
    "StepLRScheduler",
    "TanhLRScheduler",
    "WSDLRScheduler",
    "create_scheduler_v2",
]

"""Hyperparameters as pure functions of the step: `Warmup("5%").then(Cosine("rest", end=0.01))`.

Knows curves, the units of time and how they are put together; knows no optimizer, and does not import torch.
"""

from paramgroups.schedules.arithmetic import Clip, Product
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.function import Function
from paramgroups.schedules.levels import Absolute, Level
from paramgroups.schedules.plateau import Plateau
from paramgroups.schedules.points import MultiStep, Piecewise
from paramgroups.schedules.shapes import Constant, Cosine, Exponential, InverseSqrt, Linear, Polynomial, Warmup
from paramgroups.schedules.timeline import Chain, Repeat, Shift, Stretch
from paramgroups.schedules.units import Duration, Horizon

__all__ = [
    "Absolute",
    "Chain",
    "Clip",
    "Constant",
    "Cosine",
    "Duration",
    "Exponential",
    "Function",
    "Horizon",
    "InverseSqrt",
    "Level",
    "Linear",
    "MultiStep",
    "Piecewise",
    "Plateau",
    "Polynomial",
    "Product",
    "Repeat",
    "Schedule",
    "Shift",
    "Stretch",
    "Warmup",
]

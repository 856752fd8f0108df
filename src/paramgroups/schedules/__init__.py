"""Hyperparameters as pure functions of the step: `Warmup("5%").then(Cosine("rest", end=0.01))`.

Knows curves, the units of time and how they are put together; knows no optimizer, and does not import torch. Other
libraries' curves are in `dialects`, which is loaded at its first use.
"""

from typing import TYPE_CHECKING

from paramgroups.schedules.annealing import Cooldown
from paramgroups.schedules.arithmetic import Clip, Product
from paramgroups.schedules.base import Schedule
from paramgroups.schedules.cycles import CosineRestarts, Cyclic
from paramgroups.schedules.derived import Derived
from paramgroups.schedules.function import Function
from paramgroups.schedules.levels import Absolute, Level
from paramgroups.schedules.noise import Noise
from paramgroups.schedules.phases import InverseSqrt, OneCycle, WarmupStableDecay
from paramgroups.schedules.plateau import Plateau
from paramgroups.schedules.points import MultiStep, Piecewise
from paramgroups.schedules.shapes import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    Logarithmic,
    Polynomial,
    Tanh,
    Warmup,
)
from paramgroups.schedules.table import Table
from paramgroups.schedules.timeline import Chain, Repeat, Shift, Stretch
from paramgroups.schedules.units import Duration, Horizon

__all__ = [
    "Absolute",
    "Chain",
    "Clip",
    "Constant",
    "Cooldown",
    "Cosine",
    "CosineRestarts",
    "Cyclic",
    "Derived",
    "Duration",
    "Exponential",
    "Function",
    "Horizon",
    "InverseSqrt",
    "Level",
    "Linear",
    "Logarithmic",
    "MultiStep",
    "Noise",
    "OneCycle",
    "Piecewise",
    "Plateau",
    "Polynomial",
    "Product",
    "Repeat",
    "Schedule",
    "Shift",
    "Stretch",
    "Table",
    "Tanh",
    "Warmup",
    "WarmupStableDecay",
]

if TYPE_CHECKING:
    from paramgroups.schedules import dialects as dialects
else:  # hidden from type checkers, to which a module's __getattr__ says that every name exists

    def __getattr__(name: str) -> object:
        """Load `dialects` when it is first asked for."""
        from importlib import import_module

        if name != "dialects":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module(f"{__name__}.dialects")

    def __dir__() -> list[str]:
        return sorted({*globals(), "dialects"})

"""Named parameter groups and hyperparameter schedules for any PyTorch optimizer.

Knows the public names and the module each lives in; imports none of them before it is asked for.
"""

from typing import TYPE_CHECKING

__all__ = [
    "ALL",
    "BIASES",
    "EMBEDDINGS",
    "NORMS",
    "Absolute",
    "Constant",
    "Cosine",
    "Exponential",
    "Function",
    "Grouping",
    "Horizon",
    "Kind",
    "LayerDecay",
    "Linear",
    "LoadReport",
    "Matching",
    "Named",
    "Ndim",
    "ParamGroupsError",
    "Piecewise",
    "Plan",
    "Rule",
    "Scheduler",
    "Times",
    "Timetable",
    "Warmup",
    "Where",
    "Within",
    "__version__",
    "check",
    "freeze",
    "groups",
    "load",
    "load_named_state",
    "name_groups",
    "named_state",
    "plot",
    "save",
    "snapshot",
    "thaw",
    "view",
]

if TYPE_CHECKING:
    from paramgroups import errors as errors
    from paramgroups import optim as optim
    from paramgroups import plans as plans
    from paramgroups import regroup as regroup
    from paramgroups import schedules as schedules
    from paramgroups import state as state
    from paramgroups.build import groups
    from paramgroups.errors import ParamGroupsError
    from paramgroups.freezing import freeze, thaw
    from paramgroups.linter import check
    from paramgroups.pictures import plot
    from paramgroups.plan import Grouping, LayerDecay, Plan, Rule, Times
    from paramgroups.scheduler import Scheduler
    from paramgroups.schedules import (
        Absolute,
        Constant,
        Cosine,
        Exponential,
        Function,
        Horizon,
        Linear,
        Piecewise,
        Warmup,
    )
    from paramgroups.selectors import ALL, BIASES, EMBEDDINGS, NORMS, Kind, Matching, Named, Ndim, Where, Within
    from paramgroups.state import LoadReport, load, load_named_state, named_state, save
    from paramgroups.timetable import Timetable
    from paramgroups.views import name_groups, snapshot, view

    __version__: str
else:  # hidden from type checkers, to which a module's __getattr__ says that every name exists
    _SUBMODULES = ("errors", "optim", "plans", "regroup", "schedules", "state")
    _NAMES = {  # module → the public names it defines; the same as the imports above
        "build": ("groups",),
        "errors": ("ParamGroupsError",),
        "freezing": ("freeze", "thaw"),
        "linter": ("check",),
        "pictures": ("plot",),
        "plan": ("Grouping", "LayerDecay", "Plan", "Rule", "Times"),
        "scheduler": ("Scheduler",),
        "schedules": (
            "Absolute",
            "Constant",
            "Cosine",
            "Exponential",
            "Function",
            "Horizon",
            "Linear",
            "Piecewise",
            "Warmup",
        ),
        "selectors": (
            "ALL",
            "BIASES",
            "EMBEDDINGS",
            "NORMS",
            "Kind",
            "Matching",
            "Named",
            "Ndim",
            "Where",
            "Within",
        ),
        "state": ("LoadReport", "load", "load_named_state", "named_state", "save"),
        "timetable": ("Timetable",),
        "views": ("name_groups", "snapshot", "view"),
    }
    _HOME = {name: module for module, names in _NAMES.items() for name in names}

    def __getattr__(name: str) -> object:
        """Find a public name at its first use, and keep it."""
        from importlib import import_module, metadata

        if name == "__version__":
            value = metadata.version(__name__)
        elif name in _SUBMODULES:
            value = import_module(f"{__name__}.{name}")
        elif name in _HOME:
            value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*__all__, *_SUBMODULES, *(name for name in globals() if name.startswith("__"))})

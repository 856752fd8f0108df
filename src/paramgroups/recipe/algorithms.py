"""The optimizer of a recipe: a class, or several under the name Composite.

    optimizer: {name: Composite, algorithms: {muon: Muon, adamw: AdamW}, default: adamw, fused: true}

Knows how they are written, and which classes are meant; makes none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch.optim import Optimizer

from paramgroups.errors import did_you_mean
from paramgroups.hyperparameters import Kinds, check_name, plain
from paramgroups.optim.composite import checked
from paramgroups.recipe.problems import fail_at
from paramgroups.recipe.targets import OPTIMIZERS, Target, check_optimizer, find

COMPOSITE: Final = "Composite"
_FORM: Final = "Write {name: Composite, algorithms: {muon: Muon, adamw: AdamW}, default: adamw}."


def check_optimizers(target: Target) -> Target:
    """A validator: a built-in name has to be known, and to take the arguments; of several, each."""
    if target.name != COMPOSITE:
        checked_target: Target = check_optimizer(target)
        return checked_target
    named = target.arguments.get("algorithms")
    if not isinstance(named, Mapping) or not named or not all(isinstance(each, str) for each in named.values()):
        fail_at([("algorithms", f"{COMPOSITE} needs a mapping from names to classes. {_FORM}")], target.name)
        return target
    problems = [(f"algorithms.{name}", _complaint(check_optimizer, Target(name=kind))) for name, kind in named.items()]
    default = target.arguments.get("default")
    if default is not None and default not in named:
        problems.append(("default", f"{default!r} is none of the algorithms. {did_you_mean(str(default), named)}"))
    known = classes_in({"name": COMPOSITE, "algorithms": named})
    problems += [(key, _complaint(check_name, key, "the optimizer", known)) for key in arguments_of(target)]
    fail_at([(path, problem) for path, problem in problems if problem], target.name)
    return target


def _complaint(check: Callable[..., object], *arguments: object) -> str:
    """What a check says is wrong, or nothing."""
    try:
        check(*arguments)
    except ValueError as error:
        return str(error)
    return ""


def classes_in(optimizer: object) -> Kinds:
    """The built-in classes that data means, before it is validated; None where it is the user's own code, or none."""
    data = optimizer if isinstance(optimizer, Mapping) else {"name": optimizer}
    named = data.get("algorithms")
    if data.get("name") != COMPOSITE or not isinstance(named, Mapping):
        return OPTIMIZERS.get(str(data.get("name")))
    found = {str(name): OPTIMIZERS[kind] for name, kind in named.items() if kind in OPTIMIZERS}
    return found if len(found) == len(named) else None


def classes_of(target: Target) -> type[Optimizer] | Mapping[str, type[Optimizer]]:
    """The class of an optimizer, or the classes of several by name; the user's own are imported.

    Raises:
        ValueError, TypeError: one cannot be found, or is no optimizer, or not one of several.
    """
    if target.name != COMPOSITE:
        return _class(target.name)
    return checked({name: _class(kind) for name, kind in target.arguments["algorithms"].items()})


def arguments_of(target: Target) -> dict[str, Any]:
    """The arguments of the classes, as Python writes them."""
    left = {"algorithms", "default"} if target.name == COMPOSITE else set()
    return {key: plain(value) for key, value in target.arguments.items() if key not in left}


def default_of(target: Target) -> str | None:
    """The algorithm of parameters for which the plan names none."""
    return target.arguments.get("default") if target.name == COMPOSITE else None


def _class(name: str) -> type[Optimizer]:
    found = find(name, OPTIMIZERS)
    if not (isinstance(found, type) and issubclass(found, Optimizer)):
        raise TypeError(f"{name} is {found!r}, no subclass of torch.optim.Optimizer.")
    return found

"""What may stand in a group beside its parameters: names, defaults, ranges, and how a value is read and written.

Knows optimizer classes and single group dicts; knows nothing of models, plans or time.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import re
from collections.abc import Collection, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from paramgroups.errors import HyperparameterValueError, NotAnOptimizerError, UnknownHyperparameterError, nearest

RESERVED: Final = frozenset({"params", "param_names", "name"})
"""Keys of a group that are no hyperparameters."""

REQUIRED: Final = inspect.Parameter.empty
"""Stands for the default of a hyperparameter that has none."""

_ALIASES = {"learning_rate": "lr", "wd": "weight_decay", "epsilon": "eps"}
_SURE = 0.85  # without an optimizer class, only a name this close to a known one is taken for a slip


@final
@dataclass(frozen=True)
class Range:
    """The numbers a hyperparameter may be: `low` to `high`, `high` itself only where `closed`."""

    low: float = -math.inf
    high: float = math.inf
    closed: bool = True

    def __contains__(self, value: float) -> bool:
        return math.isfinite(value) and self.low <= value and (value <= self.high if self.closed else value < self.high)

    def __str__(self) -> str:
        if math.isfinite(self.high):
            return f"a number in [{self.low:g}, {self.high:g}{']' if self.closed else ')'}"
        return f"a finite number of at least {self.low:g}" if math.isfinite(self.low) else "a finite number"


_NOT_NEGATIVE = Range(0.0)
_ANY = Range()
_RANGES = {
    **dict.fromkeys(("lr", "weight_decay", "momentum", "eps", "lr_decay", "momentum_decay"), _NOT_NEGATIVE),
    **dict.fromkeys(("alpha", "initial_accumulator_value", "step_sizes", "etas"), _NOT_NEGATIVE),
    "betas": Range(0.0, 1.0, closed=False),
    "rho": Range(0.0, 1.0),
    "dampening": _ANY,
}


def range_of(name: str) -> Range:
    """The numbers that the hyperparameter `name` (`betas[0]` included) may be, whichever the optimizer."""
    return _RANGES.get(name.partition("[")[0], _ANY)


def of_class(optimizer_class: type[Optimizer]) -> Mapping[str, object]:
    """Every hyperparameter of an optimizer class with its default, `REQUIRED` where it has none.

    Raises:
        NotAnOptimizerError: `optimizer_class` is not a subclass of `torch.optim.Optimizer`.

    Example:
        >>> of_class(torch.optim.SGD)["momentum"]
        0
    """
    if not (isinstance(optimizer_class, type) and issubclass(optimizer_class, Optimizer)):
        raise NotAnOptimizerError(repr(optimizer_class), "a subclass of torch.optim.Optimizer")
    return _read_constructors(optimizer_class)  # type: ignore[arg-type]  # a class is hashable; Optimizer's own __hash__ misleads mypy


@functools.cache
def _read_constructors(optimizer_class: type[Optimizer]) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for base in optimizer_class.__mro__:
        if base is Optimizer:
            break
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        for parameter in parameters:
            if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
                found.setdefault(parameter.name, parameter.default)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break  # what a base takes beyond this cannot be reached
    return {name: default for name, default in found.items() if name not in {"self", "params"}}


@functools.cache
def _of_torch() -> frozenset[str]:
    classes = (value for value in vars(torch.optim).values() if isinstance(value, type))
    return frozenset().union(*(of_class(c) for c in classes if issubclass(c, Optimizer) and c is not Optimizer))


def check_name(name: str, where: str, optimizer_class: type[Optimizer] | None) -> None:
    """Accept `name` if the class has such a hyperparameter; without a class, unless it is a near miss.

    Raises:
        UnknownHyperparameterError: it does not, or is one.
    """
    known: Collection[str] = _of_torch() if optimizer_class is None else of_class(optimizer_class)
    if name in known:
        return
    near = [_ALIASES[name]] if _ALIASES.get(name) in known else nearest(name, known)
    if optimizer_class is not None:
        raise UnknownHyperparameterError(name, where, optimizer_class.__name__, near, sorted(known))
    if name in _ALIASES or (near and difflib.SequenceMatcher(None, name.lower(), near[0]).ratio() >= _SURE):
        raise UnknownHyperparameterError(name, where, "torch's optimizers", near, sorted(known))


def check_value(name: str, value: object, where: str) -> None:
    """Accept a value that an optimizer could use.

    Raises:
        HyperparameterValueError: not a number where one is needed, not finite, or out of range.
    """
    allowed = range_of(name)
    if isinstance(value, (tuple, list)):
        if name not in _RANGES or name in {"betas", "etas", "step_sizes", "eps"}:
            for item in value:
                if not _usable(item, allowed, needed=name == "betas"):
                    raise HyperparameterValueError(name, tuple(value), where, f"made of numbers, each {allowed}")
            return
    elif name == "betas":
        raise HyperparameterValueError(name, value, where, f"a tuple of numbers, each {allowed}")
    elif _usable(value, allowed, needed=name in _RANGES):
        return
    raise HyperparameterValueError(name, value, where, str(allowed))


def _usable(value: object, allowed: Range, *, needed: bool) -> bool:
    """Whether `value` lies in `allowed`; what is no number passes unless one is `needed`."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and (value.is_meta or float(value) in allowed)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) in allowed
    return not needed or value is None


_PATH = re.compile(r"(?P<name>\w+)(\[(?P<index>\d+)\])?")


def split(path: str) -> tuple[str, int | None]:
    """The name and the index in a path such as `betas[0]`.

    Example:
        >>> split("betas[0]"), split("lr")
        (('betas', 0), ('lr', None))
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError(f"{path!r} is no hyperparameter.\nWrite its name, 'lr', or one entry of a tuple, 'betas[0]'.")
    return match["name"], None if match["index"] is None else int(match["index"])


def read(group: Mapping[str, Any], path: str) -> float:
    """The number at `path` in a group, from a tensor too."""
    name, index = split(path)
    value = group[name] if index is None else group[name][index]
    return float(value)


def write(group: MutableMapping[str, Any], path: str, value: float) -> None:
    """Put a number at `path`: a tensor is filled in place, a tuple is replaced by a new one."""
    name, index = split(path)
    present = group[name] if index is None else group[name][index]
    if isinstance(present, Tensor):
        with torch.no_grad():
            present.fill_(value)
    elif index is None:
        group[name] = value
    else:
        items = list(group[name])
        items[index] = value
        group[name] = tuple(items)


def own_copy(value: Any) -> Any:
    """`value`, its tensors cloned, so that no two groups share one.

    Example:
        >>> shared = torch.tensor(0.1)
        >>> own_copy(shared) is shared, own_copy((0.9, 0.999))
        (False, (0.9, 0.999))
    """
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, (tuple, list)):
        return type(value)(own_copy(item) for item in value)
    return value

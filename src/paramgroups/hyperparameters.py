"""What may stand in a group beside its parameters: names, defaults, ranges, and how a value is read and written.

Knows optimizer classes and single group dicts; knows nothing of models, plans or time.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import re
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final, TypeAlias, final

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from paramgroups.errors import (
    HyperparameterValueError,
    NotAnOptimizerError,
    UnknownHyperparameterError,
    described,
    nearest,
)

RESERVED: Final = frozenset({"params", "param_names", "name"})
"""Keys of a group that are no hyperparameters."""

ALGORITHM: Final = "algorithm"
"""Key of a group that names what updates it, where an optimizer has several algorithms."""

Kinds: TypeAlias = type[Optimizer] | Mapping[str, type[Optimizer]] | None
"""Whose hyperparameters are meant: those of a class, of several classes by name, or of any."""

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
        finite = abs(value) <= sys.float_info.max  # false for nan, and exact for an int that no float can hold
        return finite and self.low <= value and (value <= self.high if self.closed else value < self.high)

    def __str__(self) -> str:
        if math.isfinite(self.high):
            return f"a number in [{self.low:g}, {self.high:g}{']' if self.closed else ')'}"
        return f"a finite number of at least {self.low:g}" if math.isfinite(self.low) else "a finite number"


_NOT_NEGATIVE = Range(0.0)
_ANY = Range()
_RANGES = {
    **dict.fromkeys(("lr", "weight_decay", "momentum", "eps", "lr_decay", "momentum_decay"), _NOT_NEGATIVE),
    **dict.fromkeys(("alpha", "initial_accumulator_value", "rho", "step_sizes", "etas"), _NOT_NEGATIVE),
    "betas": Range(0.0, 1.0, closed=False),
    "dampening": _ANY,
}
_TUPLES = frozenset({"betas", "etas", "step_sizes"})
_NUMBERS = _RANGES.keys() - _TUPLES - {"eps"}  # Adafactor's eps is a pair


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
    is_one = isinstance(optimizer_class, type) and issubclass(optimizer_class, Optimizer)
    if not is_one or optimizer_class is Optimizer:
        raise NotAnOptimizerError(described(optimizer_class), is_class=True)
    return _read_constructors(optimizer_class)[0]  # type: ignore[arg-type]  # a class is hashable; Optimizer's own __hash__ misleads mypy


@functools.cache
def _read_constructors(optimizer_class: type[Optimizer]) -> tuple[Mapping[str, object], bool]:
    """The arguments of the constructors that keywords reach, and whether the last of them takes any keyword."""
    found: dict[str, object] = {}
    for base in optimizer_class.__mro__[: optimizer_class.__mro__.index(Optimizer)]:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        if parameters and parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            del parameters[0]  # the model's parameters, whatever they are called
        for parameter in parameters:
            if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
                found.setdefault(parameter.name, parameter.default)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return found, False  # what a base takes beyond this cannot be reached
    return found, True


@functools.cache
def of_torch() -> frozenset[str]:
    """Every hyperparameter that some optimizer of torch has."""
    classes = (value for value in vars(torch.optim).values() if isinstance(value, type))
    return frozenset().union(*(of_class(c) for c in classes if issubclass(c, Optimizer) and c is not Optimizer))


def class_of(optimizer: Optimizer, group: Mapping[str, Any]) -> type[Optimizer]:
    """The class whose hyperparameters a group has: the optimizer's, or of several algorithms the group's.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)])
        >>> class_of(optimizer, optimizer.param_groups[0])
        <class 'torch.optim.sgd.SGD'>
    """
    algorithms = algorithms_of(optimizer)
    return type(optimizer) if algorithms is None else algorithms.get(group.get(ALGORITHM, ""), type(optimizer))


def algorithms_of(optimizer: Optimizer) -> Mapping[str, type[Optimizer]] | None:
    """The classes by name where an optimizer has several algorithms, None where it is one itself."""
    found = getattr(optimizer, "algorithms", None)
    return found if isinstance(found, Mapping) else None


def check_name(name: str, where: str, kinds: Kinds) -> None:
    """Accept `name` if the class, or one of several, has such a hyperparameter.

    Without a class, and for one whose constructor takes any keyword, every name is accepted but a near miss.

    Raises:
        UnknownHyperparameterError: it does not, or is one.
    """
    classes = list(kinds.values()) if isinstance(kinds, Mapping) else [kinds] if kinds else []
    known = {key for kind in classes for key in of_class(kind)}
    known |= {ALGORITHM} if isinstance(kinds, Mapping) else set()
    is_open = not classes or any(_read_constructors(kind)[1] for kind in classes)  # type: ignore[arg-type]  # as above
    if is_open:
        known |= of_torch()
    if name in known:
        return
    near = [_ALIASES[name]] if _ALIASES.get(name) in known else nearest(name, known)
    if not is_open or (near and (name in _ALIASES or _likeness(name, near[0]) >= _SURE)):
        title = " or ".join(dict.fromkeys(kind.__name__ for kind in classes)) or "torch's optimizers"
        raise UnknownHyperparameterError(name, where, title, near, sorted(known))


def _likeness(word: str, other: str) -> float:
    return difflib.SequenceMatcher(None, word.lower(), other.lower()).ratio()


def plain(value: Any) -> Any:
    """A value as Python writes it: lists become tuples, numpy scalars numbers.

    Example:
        >>> import numpy as np
        >>> plain([np.float32(0.5), 0.999])
        (0.5, 0.999)
    """
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return value.item() if isinstance(value, np.generic) else value


def without_tensors(value: Any) -> Any:
    """A value in which tensors are numbers, so that it can be compared and shown, whatever is written into them later.

    Example:
        >>> without_tensors([torch.tensor(0.5), 0.999])
        (0.5, 0.999)
    """
    if isinstance(value, (list, tuple)):
        return tuple(map(without_tensors, value))
    return value.tolist() if isinstance(value, Tensor) else value


def check_value(path: str, value: object, where: str) -> None:
    """Accept a value that some optimizer could use for `lr`, `betas` or `betas[0]`; None where it may mean its default.

    Raises:
        HyperparameterValueError: not a number or tuple where one is needed, not finite, or out of range.
    """
    name, inside, _ = path.partition("[")
    bounds = range_of(name)
    many = isinstance(value, (tuple, list))
    if name in _TUPLES and not inside:
        fits, allowed = many, f"a tuple of numbers, each {bounds}"
    else:
        fits, allowed = not (many and (inside or name in _NUMBERS)), str(bounds)
    items = value if isinstance(value, (tuple, list)) else (value,)
    needed = bool(inside) or name in _RANGES
    if not fits or not all(_usable(item, bounds, needed) or (item is None and name not in _TUPLES) for item in items):
        raise HyperparameterValueError(path, value, where, allowed)


def check_length(name: str, value: object, present: object, where: str) -> None:
    """Accept a tuple only as long as the one it replaces; what replaces no tuple is not looked at.

    Raises:
        HyperparameterValueError: it is longer or shorter.
    """
    if isinstance(value, (tuple, list)) and isinstance(present, (tuple, list)) and len(value) != len(present):
        raise HyperparameterValueError(name, value, where, f"a tuple of {len(present)}, as {present!r} is")


def _usable(value: object, bounds: Range, needed: bool) -> bool:
    """Whether `value` lies in the range; what is no number passes unless one is `needed`."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and (value.is_meta or float(value) in bounds)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value in bounds
    return not needed


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
    """The number at `path` in a group, from a tensor too; NaN where what stands there is none."""
    name, index = split(path)
    value = group[name]
    if index is not None:
        value = value[index] if isinstance(value, (tuple, list)) and index < len(value) else None
    return number(value)


def number(value: object) -> float:
    """`value` as a float, NaN where it is no number: text, None, a switch, a tensor of several.

    Example:
        >>> number(1), number(torch.tensor(0.5)), number("0.1"), number(True)
        (1.0, 0.5, nan, nan)
    """
    if isinstance(value, bool) or not (isinstance(value, Real) or (isinstance(value, Tensor) and value.numel() == 1)):
        return math.nan
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

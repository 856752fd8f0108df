"""How a named state is laid out: its parts, each checked, and the optimizer class as it is told there.

Knows nothing of what a state fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch.optim import Optimizer

from paramgroups.errors import StateMismatchError

VERSION: Final = 1


def class_names(kind: type[Optimizer]) -> tuple[str, ...]:
    """An optimizer class, and those it inherits from, as they are imported; but not what is only mixed in.

    Example:
        >>> import torch
        >>> class_names(torch.optim.AdamW)
        ('torch.optim.adamw.AdamW', 'torch.optim.adam.Adam')
    """
    bases = kind.__mro__[1 : kind.__mro__.index(Optimizer)]
    kinds = [kind, *(base for base in bases if base.__init__ is not Optimizer.__init__)]  # type: ignore[misc]  # of a class
    return tuple(f"{each.__module__}.{each.__qualname__}" for each in kinds)


def checked(saved: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Mapping[str, Any]]]:
    """The parameters of a saved state, and the group of each.

    Raises:
        StateMismatchError: it is none, or a newer one.
    """
    is_one = isinstance(saved, Mapping)
    wrong = [key for key, fits in _PARTS.items() if not is_one or key not in saved or not fits(saved[key])]
    if wrong:
        raise StateMismatchError(
            f"This is no named state: {', '.join(wrong)} is missing or malformed.",
            "Load what named_state() returned; a state_dict() of torch is made one by pg.state.adopt(...).",
        )
    if saved["version"] > VERSION:
        raise StateMismatchError(
            f"The state has version {saved['version']}, and this version of paramgroups reads up to {VERSION}.",
            "Update it: pip install --upgrade paramgroups",
        )
    return saved["parameters"], {name: group for group in saved["groups"] for name in group["parameters"]}


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def _is_shape(value: object) -> bool:
    return value is None or _is_list(value)


def _has(value: object, **parts: Callable[[object], bool]) -> bool:
    return isinstance(value, Mapping) and all(key in value and fits(value[key]) for key, fits in parts.items())


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


_PARTS: Final[dict[str, Callable[[Any], bool]]] = {
    "version": lambda value: isinstance(value, int),
    "optimizer": lambda value: _is_list(value) and bool(value),
    "parameters": lambda value: (
        isinstance(value, Mapping) and all(_has(each, shape=_is_shape, state=_is_mapping) for each in value.values())
    ),
    "groups": lambda value: (
        _is_list(value)
        and all(_has(each, name=bool, parameters=_is_list, settings=_is_mapping, run=_is_mapping) for each in value)
    ),
    "others": _is_mapping,
}
"""What a named state has, and what each part of it is."""

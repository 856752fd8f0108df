"""Which optimizer classes can be one algorithm of several, and why not the others.

Knows classes, and small optimizers that are made and stepped to see what they do; knows no model.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn

import torch
from torch import Tensor
from torch.optim import Optimizer

from paramgroups.errors import GroupRefusedError, UncomposableError
from paramgroups.hyperparameters import of_class, own_copy
from paramgroups.optim.updates import unhooked

_ALONE: Final = "Step it by itself, or choose another algorithm for these groups."
_OWN: Final = frozenset({"state", "param_groups", "defaults"})
"""What is saved, copied and lent; the rest of an optimizer is not."""


def check_class(kind: type[Optimizer]) -> None:
    """Accept a class that does not say of itself that it cannot be one of several.

    Raises:
        NotAnOptimizerError: it is none.
        UncomposableError: it cannot.
    """
    of_class(kind)
    if callable(getattr(kind, "train", None)) and callable(getattr(kind, "eval", None)):
        _refuse(kind, "it has a train() and an eval() mode, and what steps several has neither")
    closure = inspect.signature(kind.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        _refuse(kind, "its step() needs a closure, which it evaluates more than once")


def constructed(kind: type[Optimizer], params: Any, values: Mapping[str, Any], where: str) -> Optimizer:
    """What a class makes of parameters or groups, which it judges by itself: only what its constructor is given.

    Raises:
        GroupRefusedError: it refuses them.
    """
    make: Callable[..., Optimizer] = kind
    try:
        return make(params, **values)
    except Exception as error:  # whatever a foreign constructor raises is its judgement
        title = kind.__name__
        reason = str(error) if isinstance(error, (TypeError, ValueError)) else f"{type(error).__name__}: {error}"
        raise GroupRefusedError("values", values, where, f"one that {title} accepts", title, reason) from error


def check_behaviour(kind: type[Optimizer], like: Tensor, values: Mapping[str, Any]) -> None:
    """Accept a class of which small optimizers do nothing that one of several cannot.

    What cannot be made and stepped on two small tensors, as a class for another device, is not judged.

    Args:
        kind: the class.
        like: a parameter: the small ones have as many dimensions, its dtype and, but for meta, its device.
        values: hyperparameters.

    Raises:
        UncomposableError: it needs a closure or a single group, steps another optimizer, or keeps anything that a step
            changes outside its `state` and groups.
    """
    try:
        with unseen():
            _made(kind, like, values, groups=1)
    except Exception:  # noqa: BLE001 - whatever a foreign class raises: it cannot be tried so
        return
    try:
        with unseen():
            optimizer = _made(kind, like, values, groups=2)
    except Exception as error:  # noqa: BLE001 - as above
        _refuse(kind, f"it takes no two groups ({error})")
    params = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for name, value in _outside(optimizer).items():
        if isinstance(value, Optimizer):
            _refuse(kind, f"it steps another optimizer, its {name}")
        if _holds(value, params):
            _refuse(kind, f"it keeps parameters outside its groups, in {name}, where no edit would reach them")
    before = {name: _content(value) for name, value in _outside(optimizer).items()}
    if not _steps(optimizer):
        if _steps(_made(kind, like, values, groups=2), lambda: torch.zeros(())):
            _refuse(kind, "its step() needs a closure")
        return
    after = {name: _content(value) for name, value in _outside(optimizer).items()}
    changed = [name for name, content in after.items() if content != before.get(name)]
    if changed:
        _refuse(kind, f"it keeps state outside `state`, in {', '.join(changed)}, which no checkpoint would hold")


def _refuse(kind: type[Optimizer], reason: str) -> NoReturn:
    raise UncomposableError(kind.__name__, reason, _ALONE)


def _made(kind: type[Optimizer], like: Tensor, values: Mapping[str, Any], groups: int) -> Optimizer:
    """A small optimizer whose parameters have gradients."""
    device = "cpu" if like.is_meta else like.device
    made = []
    for _ in range(groups):
        parameter = torch.nn.Parameter(
            torch.ones([min(size, 2) for size in like.shape], dtype=like.dtype, device=device)
        )
        parameter.grad = torch.ones_like(parameter)
        made.append({"params": [parameter]})
    return kind(made, **{key: own_copy(value) for key, value in values.items()})


def _steps(optimizer: Optimizer, closure: Callable[[], Any] | None = None) -> bool:
    """Whether a step succeeds."""
    try:
        with unseen():
            unhooked(type(optimizer).step)(optimizer, *([] if closure is None else [closure]))
    except Exception:  # noqa: BLE001 - whatever a foreign class raises
        return False
    return True


def _outside(optimizer: Optimizer) -> dict[str, Any]:
    """What an optimizer has beside what is saved of it, and what torch keeps for itself."""
    plain = vars(Optimizer([torch.zeros(1)], {}))
    return {name: value for name, value in vars(optimizer).items() if name not in _OWN and name not in plain}


def _content(value: Any) -> Any:
    """The numbers and words in a value, that can be compared later; nothing of what is none, as a switch or cache."""
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_content(item) for item in value]
    if isinstance(value, Mapping):
        return [(key if isinstance(key, str) else None, _content(item)) for key, item in value.items()]
    return value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None


def _holds(value: Any, params: set[int]) -> bool:
    """Whether parameters, by identity, are in a value."""
    if isinstance(value, Mapping):
        return any(_holds(item, params) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple)):
        return any(_holds(item, params) for item in value)
    return id(value) in params


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Whatever a foreign class prints, warns of or draws at random leaves no trace."""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield

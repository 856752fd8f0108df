"""What keeps parameters from training: for each the reasons, kept where copies and pickles of a model take them.

Knows parameters and the modules that own them; knows nothing of groups or time.

A parameter trains again when the last of its holds is gone. They are kept in the module that owns it, because torch
copies nothing of a parameter but its values, and wrappers put other parameters in its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from paramgroups.discarding import discard, is_discarded, keep
from paramgroups.errors import FreezeError
from paramgroups.params import Param, named
from paramgroups.pins import has_statistics, is_pinned, pin, unpin

_KEY = "_paramgroups_holds"


@final
@dataclass(frozen=True)
class Hold:
    """Why a parameter is frozen.

    Args:
        reason: in words, after "frozen by".
        batch_norm: whether norms of frozen parameters keep their running statistics.
        for_good: whether the parameter is to be in no group.
    """

    reason: str
    batch_norm: bool = True
    for_good: bool = False


def holds_of(param: Param) -> tuple[Hold, ...]:
    """What keeps a parameter frozen, in order; nothing where somebody made it require gradients by hand."""
    if param.parameter.requires_grad and not is_discarded(param.parameter):
        return ()
    return _record(param)[1]


def hold(params: Iterable[Param], why: Hold, discarded_by: Optimizer | None = None) -> list[Param]:
    """Freeze parameters for a reason, and clear their gradients.

    Args:
        params: those to freeze.
        why: the reason; it counts once.
        discarded_by: where given, they go on requiring gradients, which are gone before its steps.

    Returns:
        Those that were not frozen for this reason before.
    """
    found = []
    for param in params:
        known = holds_of(param)
        before = _record(param)[0] if known else param.parameter.requires_grad
        if why not in known:
            _write(param, (before, (*known, why)))
            found.append(param)
        param.parameter.requires_grad_(False)
        param.parameter.grad = None
        if discarded_by is not None and before and not any(each.for_good for each in (*known, why)):
            param.parameter.requires_grad_(True)
            discard([param.parameter], discarded_by)
    return found


def discarding(params: Iterable[Param], optimizer: Optimizer | None) -> Optimizer | None:
    """What throws gradients away in a run of several processes, which wait for each other's; None in a run of one.

    Raises:
        FreezeError: it is needed, and absent.
    """
    if processes() == 1 or all(map(_is_sharded, params)):
        return None
    if optimizer is None:
        raise FreezeError(
            "In a run of several processes gradients go on being computed, because the others wait for them, and which "
            "optimizer is to throw them away is not said.",
            "Give the one that trains the model: freeze(model, select, optimizer).",
        )
    return optimizer


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def release(params: Iterable[Param], why: Hold) -> None:
    """Take a reason away; what has no other is again as it was before the first."""
    for param in params:
        known = holds_of(param)
        if why in known:
            before, left = _record(param)[0], tuple(each for each in known if each != why)
            _write(param, (before, left))
            if not left:
                _let_go(param, train=before)


def release_all(params: Iterable[Param]) -> None:
    """Take every reason away: these train, whoever froze them. What trains already is left alone."""
    for param in params:
        _write(param, (True, ()))
        if not param.parameter.requires_grad or is_discarded(param.parameter):
            _let_go(param, train=param.parameter.is_floating_point() or param.parameter.is_complex())


def settle(model: nn.Module) -> None:
    """Pin each norm all of whose parameters are held; one without any, when those of the module around it are."""
    modules = dict(model.named_modules())
    norms = {path: module for path, module in modules.items() if has_statistics(module)}
    if not norms:
        return
    still = {id(param.parameter): any(each.batch_norm for each in holds_of(param)) for param in named(model)}
    for path, module in norms.items():
        around = _around(modules, path)
        if around and all(still[id(parameter)] for parameter in around):
            pin(module)
        elif is_pinned(module):
            unpin(module)


def moment(when: int | str) -> str:
    """A moment of the run, in words.

    Example:
        >>> moment(200), moment("2 epochs")
        ('update 200', '2 epochs')
    """
    return when if isinstance(when, str) else f"update {when}"


def told(
    groups: Iterable[tuple[str, Iterable[Param]]], holds: Callable[[Param], Iterable[Hold]] = holds_of
) -> tuple[str, ...]:
    """What is frozen in which group, and why: a line each.

    Example:
        >>> params = named(nn.Linear(2, 2))
        >>> _ = hold(params[:1], Hold("freeze('weight')"))
        >>> told([("default", params)])
        ("default: 1 of 2 tensors frozen by freeze('weight')",)
    """
    found = []
    for name, params in groups:
        own = list(params)
        counts = Counter(each.reason for param in own for each in dict.fromkeys(holds(param)))
        found += [f"{name}: {n:,} of {len(own):,} tensors frozen by {reason}" for reason, n in counts.items()]
    return tuple(found)


def _around(modules: Mapping[str, nn.Module], path: str) -> Sequence[Tensor]:
    """The parameters of a module; where it has none, of the nearest module around it that has some."""
    found = list(modules[path].parameters())
    while not found and path:
        path = path.rpartition(".")[0]
        found = list(modules[path].parameters())
    return found


def _is_sharded(param: Param) -> bool:
    """Whether a parameter is spread over processes by FSDP2, which reads at every pass what requires gradients."""
    return hasattr(param.parameter, "placements")


def _let_go(param: Param, *, train: bool) -> None:
    keep(param.parameter)
    param.parameter.requires_grad_(train)
    param.parameter.grad = None


def _record(param: Param) -> tuple[bool, tuple[Hold, ...]]:
    """Whether the parameter required gradients before it was first held, and its holds."""
    site = param.sites[0]
    found: Any = vars(site.module).get(_KEY, {}).get(site.attribute)
    return found or (param.parameter.requires_grad, ())


def _write(param: Param, record: tuple[bool, tuple[Hold, ...]]) -> None:
    site = param.sites[0]
    known: dict[str, Any] = vars(site.module).setdefault(_KEY, {})
    if record[1]:
        known[site.attribute] = record
    else:
        known.pop(site.attribute, None)
        if not known:
            del vars(site.module)[_KEY]

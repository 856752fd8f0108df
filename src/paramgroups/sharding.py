"""Whether processes train together what they seem to: the model's own parameters, with gradients that are summed up.

Knows what `fully_shard` and DistributedDataParallel do to a model; knows nothing of how tensors are spread.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch._compile import _disable_dynamo  # torch.compiler.disable, but loaded when it is needed
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from paramgroups.errors import FreezeError, ReplacedParametersError, listing
from paramgroups.params import model_of, named, names_of, parameter_names

_SUMMED: weakref.WeakKeyDictionary[DistributedDataParallel, frozenset[int]] = weakref.WeakKeyDictionary()


def watch(optimizer: Optimizer) -> None:
    """See to it that a step is refused that processes would not make together.

    At the first one, where the model's parameters were replaced after the optimizer was made: `fully_shard` does that,
    and the step would move tensors that the model no longer uses. At any, where DistributedDataParallel does not sum up
    the gradients of what trains since the last.
    """
    accepted: frozenset[int] | None = None

    @_disable_dynamo  # it looks at what lives
    def before_step(stepped: Optimizer, *_: Any) -> None:
        nonlocal accepted
        if accepted is None:
            check_parameters(stepped)
        names = names_of(stepped).parameters
        training = {id(p): p for group in stepped.param_groups for p in group["params"] if p.requires_grad}
        new = training.keys() - (accepted or frozenset())
        if new:
            check_summed({training[each]: names.get(training[each], "(unnamed)") for each in new})
            accepted = frozenset(training)

    optimizer.register_step_pre_hook(before_step)


def check_parameters(optimizer: Optimizer) -> None:
    """Accept an optimizer whose parameters are those that its model has by their names.

    Raises:
        ReplacedParametersError: the model has other tensors in their place.
    """
    model = model_of(optimizer)
    if model is None:
        return
    own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    absent = {name for param in named(model) if id(param.parameter) not in own for name in param.names}
    names = [name for group in optimizer.param_groups for name in parameter_names(optimizer, group) or ()]
    replaced = [name for name in names if name in absent]
    if replaced:
        raise ReplacedParametersError(replaced, len(names))


def check_summed(names: Mapping[Tensor, str]) -> None:
    """Accept parameters, by name, whose gradients are summed up over processes, where their model's are.

    DistributedDataParallel takes note of what requires gradients when it wraps a model, and never again.

    Raises:
        FreezeError: one required none then, so that each process trains its own.
    """
    wrappers = _wrappers()
    alone = {id(parameter) for wrapper in wrappers for parameter in wrapper.module.parameters()}
    alone -= {each for wrapper in wrappers for each in _summed(wrapper)}
    found = sorted(name for parameter, name in names.items() if id(parameter) in alone)
    if found:
        raise FreezeError(
            f"{listing(found)} required no gradients when DistributedDataParallel wrapped the model, so each process "
            "would train its own.",
            "Wrap the model first, while they require gradients, and freeze them then: freeze(model, select, "
            "optimizer), or a Timetable. Their gradients are thrown away until they are thawed.",
        )


def _wrappers() -> list[DistributedDataParallel]:
    """Those that live: no module knows what is around it. One without a reducer is not made yet."""
    found = [each for each in gc.get_objects() if issubclass(type(each), DistributedDataParallel)]
    return [each for each in found if "reducer" in vars(each)]


def _summed(wrapper: DistributedDataParallel) -> frozenset[int]:
    """The parameters that a wrapper sums up, by identity; asked once, as torch makes room for all gradients to tell."""
    if wrapper not in _SUMMED:
        buckets = wrapper.reducer._get_zeros_like_grad_buckets()
        _SUMMED[wrapper] = frozenset(id(parameter) for bucket in buckets for parameter in bucket.parameters())
    return _SUMMED[wrapper]

"""Whether processes train together what they seem to: the model's own parameters, with gradients that are summed up.

Knows what `fully_shard` and DistributedDataParallel do to a model; knows nothing of how tensors are spread.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from paramgroups.errors import ReplacedParametersError
from paramgroups.params import model_of, named, parameter_names


def watch(optimizer: Optimizer) -> None:
    """See to it that the first step is refused where the model's parameters were replaced after the optimizer was made.

    `fully_shard` does that; the step would then move tensors that the model no longer uses, without a word.
    """
    accepted = False

    def before_first_step(stepped: Optimizer, *_: Any) -> None:
        nonlocal accepted
        if not accepted:
            check_parameters(stepped)
            accepted = True  # torch runs its hooks in a loop over them, which a hook may not leave

    optimizer.register_step_pre_hook(before_first_step)


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


def trained_alone(parameters: Iterable[Tensor]) -> set[Tensor]:
    """Those of a model in DistributedDataParallel whose gradients it does not sum up: each process trains its own.

    It takes note of what requires gradients when it wraps a model, and never again. Which wrapper a parameter is in, no
    module below it knows: all that live are asked, and for those that miss some, torch makes room for all gradients.
    """
    wrappers = [each for each in gc.get_objects() if issubclass(type(each), DistributedDataParallel)]
    own = list(parameters)
    found = set[Tensor]()
    for wrapper in (each for each in wrappers if "reducer" in vars(each)):  # one without is not made yet
        inside = {id(parameter) for parameter in wrapper.module.parameters()}
        summed = {id(p) for bucket in wrapper.reducer._get_zeros_like_grad_buckets() for p in bucket.parameters()}
        found |= {parameter for parameter in own if id(parameter) in inside - summed}
    return found

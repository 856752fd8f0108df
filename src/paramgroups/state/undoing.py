"""What a load finds, and what it puts back if it fails half way.

Knows an optimizer, its schedulers and a model as they are; knows nothing of what is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn
from torch.optim import Optimizer

from paramgroups.arrangement import standing
from paramgroups.driver import attached
from paramgroups.scheduler import Scheduler
from paramgroups.state.settling import tensors_in


@contextmanager
def all_or_nothing(
    optimizer: Optimizer,
    scheduler: Scheduler | None = None,
    model: nn.Module | None = None,
    keys: Iterable[str] = (),
) -> Iterator[None]:
    """Where an error interrupts what is done here, all is as it was before.

    Args:
        optimizer: its state, its groups, and every scheduler that drives it.
        scheduler: one of these, whose horizon may change, too.
        model: what it holds under `keys`.
        keys: of its `state_dict`.
    """
    with ExitStack() as undo:
        for driver in attached(optimizer):
            undo.callback(standing(driver))
        if scheduler is not None:
            undo.callback(setattr, scheduler, "horizon", scheduler.horizon)
        undo.callback(_of_optimizer(optimizer))
        if model is not None:
            undo.callback(_of_model(model, keys))
        yield
        undo.pop_all()


def _of_optimizer(optimizer: Optimizer) -> Callable[[], None]:
    """What puts an optimizer's state and groups back: the same containers, tensors and numbers."""
    state, groups = optimizer.state, optimizer.param_groups
    contents = [(own, dict(own)) for own in (state, *state.values(), *groups) if isinstance(own, dict)]
    order = list(groups)
    numbers = [(tensor, tensor.detach().clone()) for group in groups for tensor in tensors_in(group)]

    def put_back() -> None:
        optimizer.state, optimizer.param_groups = state, groups
        groups[:] = order
        for own, content in contents:
            own.clear()
            own.update(content)
        for tensor, number in numbers:
            tensor.detach().copy_(number)

    return put_back


def _of_model(model: nn.Module, keys: Iterable[str]) -> Callable[[], None]:
    """What puts back what a model holds; copies of it, on the CPU, where it takes no room on a device."""
    present = model.state_dict()
    former = {key: present[key] for key in keys}
    live = [value for value in former.values() if isinstance(value, Tensor) and not value.is_meta]
    tensors = [(value, value.to("cpu", copy=True)) for value in live]
    others = {key: value for key, value in former.items() if not isinstance(value, Tensor)}

    def put_back() -> None:
        for tensor, value in tensors:
            tensor.copy_(value)
        model.load_state_dict(others, strict=False)

    return put_back

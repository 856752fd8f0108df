"""Optimizers of ours beside torch's, run over the same gradients: what the tests of each of them share."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Options = dict[str, Any]

SHAPES = [(7, 9), (1,), (64,), (3, 2, 5), (33,), ()]
"""Of the parameters: odd and even, longer and shorter than what a processor takes at once."""

LIKE_ONE_BY_ONE: Options = {"foreach": False}


def parameters(dtype: torch.dtype = torch.float32, shapes: Sequence[tuple[int, ...]] = SHAPES) -> list[nn.Parameter]:
    """The same parameters at each call."""
    drawn = torch.Generator().manual_seed(7)
    return [nn.Parameter(torch.randn(shape, generator=drawn, dtype=torch.float64).to(dtype)) for shape in shapes]


def give_gradients(params: Sequence[Tensor], step: int, *, missing: bool = True) -> None:
    """Gradients that depend on the step alone; in each step some parameters have none."""
    drawn = torch.Generator().manual_seed(step)
    for index, parameter in enumerate(params):
        gradient = torch.randn(parameter.shape, generator=drawn, dtype=torch.float64).to(parameter.dtype)
        parameter.grad = None if missing and (step + index) % 5 == 0 else gradient


def in_groups(params: Sequence[nn.Parameter], partition: Sequence[int]) -> list[dict[str, Any]]:
    """The parameters in as many groups as the partition has numbers, in the order of these."""
    return [
        {"params": [parameter for parameter, of in zip(params, partition, strict=True) if of == group]}
        for group in sorted(set(partition))
    ]


def trained(
    make: Callable[..., Optimizer],
    options: Options,
    dtype: torch.dtype = torch.float32,
    *,
    steps: int = 50,
    partition: Sequence[int] = (0, 1, 0, 1, 1, 0),
    edit: Callable[[dict[str, Any], int], None] | None = None,
    missing: bool = True,
) -> tuple[list[nn.Parameter], Optimizer]:
    """Parameters after so many steps, and their optimizer; `edit` changes each group before each step."""
    params = parameters(dtype, SHAPES[: len(partition)])
    optimizer = make(in_groups(params, partition), **options)
    for step in range(steps):
        give_gradients(params, step, missing=missing)
        for group in optimizer.param_groups if edit else ():
            edit(group, step)  # type: ignore[misc]  # there is one: the line above
        optimizer.step()
    return params, optimizer


def assert_steps_are_rounded_once(
    make: Callable[..., Optimizer], theirs: Callable[..., Optimizer], options: Options
) -> None:
    """Each of 20 bfloat16 steps, after the first two, is a float32 step of torch's class from there, rounded."""
    params = parameters(torch.bfloat16)
    optimizer = make(params, **options)
    for step in range(20):
        give_gradients(params, step)
        wide = [nn.Parameter(parameter.detach().float()) for parameter in params]
        known = theirs(wide, **options, foreach=False)
        known.load_state_dict(optimizer.state_dict())
        for parameter, source in zip(wide, params, strict=True):
            parameter.grad = None if source.grad is None else source.grad.float()
        optimizer.step()
        known.step()
        if step > 1:
            assert served(optimizer) == len(SHAPES)
            assert_equal((params, optimizer), (wide, known), check_dtype=False, rtol=2**-8, atol=0.0)


def assert_equal(
    ours: tuple[list[nn.Parameter], Optimizer], theirs: tuple[list[nn.Parameter], Optimizer], **tolerance: Any
) -> None:
    """Parameters and state are the same, to the tolerance of `torch.testing.assert_close`."""
    for own, other in zip(ours[0], theirs[0], strict=True):
        torch.testing.assert_close(own, other, **tolerance)
        state, known = ours[1].state.get(own, {}), theirs[1].state.get(other, {})
        assert state.keys() == known.keys()
        for key, value in known.items():
            torch.testing.assert_close({key: state[key]}, {key: value}, **tolerance)


def served(optimizer: Optimizer) -> int:
    """How many parameters its tables serve: without any, a test would compare torch's step with itself."""
    roster: Any = vars(optimizer).get("_roster")
    return sum(len(places) for _, places in roster._tables) if roster else 0

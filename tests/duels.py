"""An optimizer of ours and torch's, led through the same situation: all that can be seen of both is compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from optims import LIKE_ONE_BY_ONE, Options, in_groups, parameters, served
from paramgroups import optim

PARTITION = (0, 1, 0, 1, 1, 0)
RATES = (0.01, 0.02)


class PlainLion(Optimizer):
    """Lion as torch would write it: one operation after the other, over one parameter after the other."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, *, maximize=False):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, **group)
        return loss

    def _update(self, parameter, gradient, *, lr, betas, weight_decay, maximize, **_):
        state = self.state[parameter]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        if gradient.layout != torch.strided:
            raise RuntimeError("a sparse gradient")
        average, gradient = state["exp_avg"], (-gradient if maximize else gradient).to(parameter.dtype)
        if parameter.is_complex():
            parameter, gradient, average = map(torch.view_as_real, (parameter, gradient, average))
        direction = (betas[0] * average + (1 - betas[0]) * gradient).sign()
        parameter.mul_(1 - lr * weight_decay).sub_(lr * direction)
        average.mul_(betas[1]).add_((1 - betas[1]) * gradient)


@dataclass(frozen=True)
class Kind:
    """One of our optimizers, what it is held against, options under which it keeps all that it can keep, and edits."""

    ours: Any
    theirs: Any
    options: Options
    edits: Options

    @property
    def plain(self) -> Options:
        """What makes torch's update one parameter after the other, as its definition."""
        return {} if self.theirs is PlainLion else LIKE_ONE_BY_ONE


KINDS = {
    "SGD": Kind(
        optim.SGD,
        torch.optim.SGD,
        {"momentum": 0.9, "dampening": 0.1},
        {"momentum": 0.5, "dampening": 0.2, "weight_decay": 0.1, "maximize": True},
    ),
    "Adam": Kind(
        optim.Adam,
        torch.optim.Adam,
        {"amsgrad": True},
        {
            "betas": (0.8, 0.9),
            "eps": 0.1,
            "weight_decay": 0.1,
            "maximize": True,
            "amsgrad": False,
            "decoupled_weight_decay": True,
        },
    ),
    "AdamW": Kind(
        optim.AdamW,
        torch.optim.AdamW,
        {},
        {"betas": (0.8, 0.9), "eps": 0.1, "weight_decay": 0.1, "maximize": True, "decoupled_weight_decay": False},
    ),
    "RMSprop": Kind(
        optim.RMSprop,
        torch.optim.RMSprop,
        {"centered": True, "momentum": 0.5, "eps": 1e-3},
        {"alpha": 0.9, "eps": 0.1, "weight_decay": 0.1, "momentum": 0.2, "maximize": True},
    ),
    "Adagrad": Kind(
        optim.Adagrad,
        torch.optim.Adagrad,
        {"initial_accumulator_value": 0.1},
        {"lr_decay": 0.1, "eps": 0.1, "weight_decay": 0.1, "maximize": True},
    ),
    "Lion": Kind(optim.Lion, PlainLion, {}, {"betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True}),
}

FEW = {name: KINDS[name] for name in ("SGD", "Adam")}
"""One that counts steps and keeps three tensors for each parameter, and one that does not, and keeps one."""


class Side:
    """One of two runs of a situation, and what was seen in it."""

    def __init__(self, kind: Kind, params: Sequence[nn.Parameter], partition: Sequence[int], *, ours: bool) -> None:
        self.kind, self.ours = kind, ours
        self.params = list(params)
        groups = [group | {"lr": lr} for group, lr in zip(in_groups(self.params, partition), RATES, strict=False)]
        self.optimizer = self.make(groups)
        self.seen: list[Any] = []
        self._drawn = torch.Generator().manual_seed(3)

    def make(self, groups: Any) -> Optimizer:
        """An optimizer of this side."""
        made: Optimizer
        if self.ours:
            made = self.kind.ours(groups, **self.kind.options)
        else:
            made = self.kind.theirs(groups, **self.kind.options, **self.kind.plain)
        return made

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The optimizer's."""
        return self.optimizer.param_groups

    def draw(self, like: Tensor) -> Tensor:
        """The next random tensor, the same on both sides; laid out as a gradient would be."""
        drawn = torch.randn(like.shape, generator=self._drawn, dtype=torch.float64).to(like.device, like.dtype)
        if isinstance(like, DTensor):
            return distribute_tensor(drawn, like.device_mesh, like.placements)
        return torch.empty_like(like.detach()).copy_(drawn)

    def give(self) -> None:
        """A gradient to every parameter that takes one."""
        for parameter in self.params:
            parameter.grad = self.draw(parameter) if parameter.requires_grad else None

    def now(self) -> list[Any]:
        """Parameters, gradients and state as they are."""
        return [_kept([p, p.grad, self.optimizer.state.get(p, {})]) for p in self.params]

    def see(self) -> None:
        """Keep them."""
        self.seen.append(self.now())

    def update(self) -> None:
        """A step with the gradients that are there."""
        before = self.now()
        try:
            self.optimizer.step()
        except Exception as error:
            raise RefusalError(type(error), before) from error
        self.see()

    def step(self, times: int = 1) -> None:
        """So many ordinary steps."""
        for _ in range(times):
            self.give()
            self.update()


def _kept(value: Any) -> Any:
    """The same, whatever happens to its tensors afterwards."""
    if isinstance(value, dict):
        return {key: _kept(each) for key, each in value.items()}
    if isinstance(value, list):
        return [*map(_kept, value)]
    if isinstance(value, DTensor):
        return value.to_local().detach().clone()
    return value.detach().clone() if isinstance(value, Tensor) else value


class RefusalError(Exception):
    """A step raised an error of this kind, before which everything was as it says."""

    def __init__(self, kind: type[Exception], before: list[Any]) -> None:
        super().__init__(kind, before)
        self.kind, self.before = kind, before


Act = Callable[[Side], None]


@dataclass(frozen=True)
class Situation:
    """What happens between three ordinary steps and two more.

    Args:
        act: what is done to a side.
        served: how many of the parameters tables serve in the last step; all, if None.
        params: makes them.
        partition: of the parameters into groups.
        before: how many are served before; all, if None.
        tolerance: of the comparison.
        culprits: the places of those parameters that may have changed when a step raises an error.
    """

    act: Act
    served: int | None = None
    params: Callable[[], Sequence[nn.Parameter]] = parameters
    partition: Sequence[int] = PARTITION
    before: int | None = None
    tolerance: Mapping[str, float] = field(default_factory=dict)
    culprits: tuple[int, ...] = ()


def hold(situation: Situation, kind: Kind) -> None:
    """Lead both sides through the situation; whatever was seen must be the same.

    Where torch raises an error, ours raises such an error too, and has changed nothing but what torch could not update.
    """
    sides = [Side(kind, situation.params(), situation.partition, ours=ours) for ours in (True, False)]
    refusals = [_led(side, situation) for side in sides]
    ours, theirs = sides
    assert_same(ours.seen, theirs.seen, **situation.tolerance)
    refusal, expected = refusals
    if refusal is None or expected is None:
        assert refusal is expected, f"ours: {refusal}, torch's: {expected}"
        assert served(ours.optimizer) == (len(ours.params) if situation.served is None else situation.served)
        return
    assert refusal.kind is expected.kind
    for place, (now, before) in enumerate(zip(ours.now(), refusal.before, strict=True)):
        if place not in situation.culprits:
            assert_same(now, before, rtol=0, atol=0)


def _led(side: Side, situation: Situation) -> RefusalError | None:
    """What ended the situation on this side before its end."""
    side.step(3)
    if side.ours:
        assert served(side.optimizer) == (len(side.params) if situation.before is None else situation.before)
    try:
        situation.act(side)
        side.step(2)
    except RefusalError as refusal:
        return refusal
    return None


def assert_same(own: Any, other: Any, **tolerance: Any) -> None:
    """Tensors are close and laid out alike, everything else is equal."""
    if isinstance(other, Tensor):
        torch.testing.assert_close(own, other, check_stride=other.layout == torch.strided, **tolerance)
    elif isinstance(other, (list, tuple)):
        assert len(own) == len(other)
        for one, two in zip(own, other, strict=True):
            assert_same(one, two, **tolerance)
    elif isinstance(other, dict):
        assert own.keys() == other.keys()
        assert_same([own[key] for key in other], list(other.values()), **tolerance)
    else:
        assert own == other

"""Lion (Chen et al., arXiv:2302.06675, algorithm 2): the sign of a momentum, and nothing else.

Knows the update of one element, and how to construct what torch has no class for.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from paramgroups import hyperparameters
from paramgroups.kernels import reference
from paramgroups.kernels.algorithm import Algorithm, sign
from paramgroups.optim.ordinary import Group
from paramgroups.optim.tabled import Tabled


def _scalars(step, lr, beta1, beta2, weight_decay, maximize):
    return 1.0 - 2.0 * maximize, 1.0 - lr * weight_decay, beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr


def _lion(p, g, m, direction, kept, beta1, rest1, beta2, rest2, lr):
    g = direction * g
    return kept * p - lr * sign(beta1 * m + rest1 * g), beta2 * m + rest2 * g


LION: Final = Algorithm(_lion, _scalars, ("exp_avg",))


class Lion(Tabled):
    """Lion, stepping all groups at once.

        p ← (1 - lr · weight_decay) · p - lr · sign(beta1 · m + (1 - beta1) · g)
        m ← beta2 · m + (1 - beta2) · g

    Chen et al., "Symbolic Discovery of Optimization Algorithms" (2023), algorithm 2, arXiv:2302.06675. Every element
    moves by `lr`: a good lr is three to ten times smaller, a good weight decay as many times larger, than AdamW's.

    Args:
        params: parameters, named parameters, or group dicts.
        lr: at least 0.
        betas: of the direction and of the average, each in [0, 1).
        weight_decay: decoupled; at least 0.
        maximize: whether to go uphill.

    Raises:
        HyperparameterValueError: a value is out of its range.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.0]))
        >>> weight.grad = torch.tensor([0.3, -5.0, 0.0])
        >>> Lion([weight], lr=0.25).step()
        >>> weight.tolist()
        [0.75, -1.75, 0.0]
    """

    numbers: ClassVar[tuple[str, ...]] = ("lr", "betas", "weight_decay", "maximize")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay}
        for name, value in defaults.items():
            hyperparameters.check_value(name, value, "Lion")
        hyperparameters.check_length("betas", betas, (0.9, 0.99), "Lion")
        super().__init__(params, {**defaults, "maximize": maximize})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("maximize", False)

    def algorithm(self, group: Group) -> Algorithm:
        return LION

    def _plain_step(self) -> None:
        for group in self.param_groups:
            beta1, beta2 = map(float, group["betas"])
            values = [float(group["lr"]), beta1, beta2, group["weight_decay"], group["maximize"]]
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                if gradient.layout != torch.strided:
                    raise RuntimeError(
                        "Lion takes no sparse gradients: the sign of what is not there is 0, but its average moves."
                    )
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                tensors = [parameter.detach(), gradient, state["exp_avg"]]
                if parameter.is_complex():
                    tensors = [torch.view_as_real(tensor) for tensor in tensors]
                reference.run(LION, tensors[0], tensors[1], tensors[2:], 0.0, values)

"""Stochastic gradient descent, with momentum in torch's form, dampening and Nesterov's step.

Knows the update of one element; everything around it is torch's class and the tables'.
"""

from __future__ import annotations

from typing import ClassVar, Final

import torch

from paramgroups.kernels.algorithm import Algorithm, where
from paramgroups.optim.ordinary import Group
from paramgroups.optim.tabled import Tabled


def _scalars(step, lr, momentum, dampening, weight_decay, nesterov, maximize):
    rest = where(momentum != 0.0, 1.0 - dampening, 1.0)
    return 1.0 - 2.0 * maximize, weight_decay, momentum, rest, 1.0 * nesterov, lr


def _sgd(p, g, b, sign, decay, momentum, rest, nesterov, lr):
    g = sign * g
    g = where(decay != 0.0, g + decay * p, g)
    b = momentum * b + rest * g
    return p - lr * where(nesterov != 0.0, g + momentum * b, b), b


MOMENTUM: Final = Algorithm(_sgd, _scalars, ("momentum_buffer",))
PLAIN: Final = MOMENTUM.without("momentum_buffer")


class SGD(Tabled, torch.optim.SGD):
    """torch's SGD, stepping all groups at once."""

    numbers: ClassVar[tuple[str, ...]] = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
    deciding: ClassVar[frozenset[str]] = frozenset({"momentum"})

    def algorithm(self, group: Group) -> Algorithm:
        return MOMENTUM if group["momentum"] != 0 else PLAIN

"""RMSprop (Hinton, 2012, lecture 6e), centered (Graves, arXiv:1308.0850) or not, with momentum or without.

Knows the update of one element; everything around it is torch's class and the tables'.
"""

from __future__ import annotations

from typing import ClassVar, Final

import torch

from paramgroups.kernels.algorithm import Algorithm, sqrt, where
from paramgroups.optim.ordinary import Group
from paramgroups.optim.tabled import Tabled


def _scalars(step, lr, alpha, eps, weight_decay, momentum, centered, maximize):
    return 1.0 - 2.0 * maximize, weight_decay, alpha, 1.0 - alpha, 1.0 * centered, eps, momentum, lr


def _rmsprop(p, g, v, b, a, sign, decay, alpha, rest, centered, eps, momentum, lr):
    g = sign * g
    g = where(decay != 0.0, g + decay * p, g)
    v = alpha * v + rest * (g * g)
    a = a + rest * (g - a)
    b = momentum * b + g / (sqrt(where(centered != 0.0, v - a * a, v)) + eps)
    return p - lr * b, v, b, a


FULL: Final = Algorithm(_rmsprop, _scalars, ("square_avg", "momentum_buffer", "grad_avg"), counts=True)


class RMSprop(Tabled, torch.optim.RMSprop):
    """torch's RMSprop, stepping all groups at once."""

    numbers: ClassVar[tuple[str, ...]] = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize")
    deciding: ClassVar[frozenset[str]] = frozenset({"momentum", "centered"})

    def algorithm(self, group: Group) -> Algorithm:
        absent = [*([] if group["momentum"] > 0 else ["momentum_buffer"]), *([] if group["centered"] else ["grad_avg"])]
        return FULL.without(*absent)

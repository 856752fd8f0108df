"""Adagrad (Duchi, Hazan & Singer, 2011, JMLR 12).

Knows the update of one element; everything around it is torch's class and the tables'.
"""

from __future__ import annotations

from typing import ClassVar, Final

import torch

from paramgroups.kernels.algorithm import Algorithm, sqrt, where
from paramgroups.optim.ordinary import Group
from paramgroups.optim.tabled import Tabled


def _scalars(step, lr, lr_decay, eps, weight_decay, maximize):
    return 1.0 - 2.0 * maximize, weight_decay, eps, lr / (1.0 + (step - 1.0) * lr_decay)


def _adagrad(p, g, total, sign, decay, eps, lr):
    g = sign * g
    g = where(decay != 0.0, g + decay * p, g)
    total = total + g * g
    return p - lr * (g / (sqrt(total) + eps)), total


ADAGRAD: Final = Algorithm(_adagrad, _scalars, ("sum",), counts=True)


class Adagrad(Tabled, torch.optim.Adagrad):
    """torch's Adagrad, stepping all groups at once."""

    numbers: ClassVar[tuple[str, ...]] = ("lr", "lr_decay", "eps", "weight_decay", "maximize")

    def algorithm(self, group: Group) -> Algorithm:
        return ADAGRAD

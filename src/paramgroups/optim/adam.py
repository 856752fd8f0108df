"""Adam (Kingma & Ba, arXiv:1412.6980), its AMSGrad variant (arXiv:1904.09237), and AdamW (arXiv:1711.05101).

Knows the update of one element; everything around it is torch's class and the tables'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import torch

from paramgroups.kernels.algorithm import Algorithm, maximum, power, sqrt, where
from paramgroups.optim.ordinary import Group
from paramgroups.optim.tabled import Tabled


def _scalars(step, lr, beta1, beta2, eps, weight_decay, maximize, decoupled):
    sign = 1.0 - 2.0 * maximize
    kept, coupled = 1.0 - decoupled * lr * weight_decay, (1.0 - decoupled) * weight_decay
    size, root = lr / (1.0 - power(beta1, step)), 1.0 / sqrt(1.0 - power(beta2, step))
    return sign, kept, coupled, 1.0 - beta1, beta2, 1.0 - beta2, root, eps, size


def _adam(p, g, m, v, most, sign, kept, coupled, rest1, beta2, rest2, root, eps, size):
    p = kept * p
    g = sign * g
    g = where(coupled != 0.0, g + coupled * p, g)
    m = m + rest1 * (g - m)
    v = beta2 * v + rest2 * (g * g)
    most = maximum(most, v)  # v itself, where no greatest is kept: it is never less than 0
    return p - size * (m / (sqrt(most) * root + eps)), m, v, most


AMSGRAD: Final = Algorithm(_adam, _scalars, ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"), counts=True)
ADAM: Final = AMSGRAD.without("max_exp_avg_sq")


class _OfBoth(Tabled):
    numbers: ClassVar[tuple[str, ...]] = ("lr", "betas", "eps", "weight_decay", "maximize", "decoupled_weight_decay")

    def algorithm(self, group: Group) -> Algorithm:
        return AMSGRAD if group["amsgrad"] else ADAM


class Adam(_OfBoth, torch.optim.Adam):
    """torch's Adam, stepping all groups at once."""

    assumed: ClassVar[Mapping[str, float]] = {"decoupled_weight_decay": False}


class AdamW(_OfBoth, torch.optim.AdamW):
    """torch's AdamW, stepping all groups at once."""

    assumed: ClassVar[Mapping[str, float]] = {"decoupled_weight_decay": True}

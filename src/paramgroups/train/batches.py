"""Which examples are in which batch: a pure function of the step, so that a resumed run needs no position.

Knows counts and seeds; knows no data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from paramgroups.errors import DataError


@final
@dataclass(frozen=True)
class Batches:
    """Every epoch in another order; the examples left over at its end sit it out, so that batches are equal.

    Args:
        count: how many examples there are.
        size: how many make a batch, over all processes.
        seed: of the order.

    Raises:
        DataError: there are too few examples for one batch.

    Example:
        >>> batches = Batches(count=5, size=2, seed=0)
        >>> batches.per_epoch, batches.at(0).tolist(), batches.at(0, rank=1, of=2).tolist()
        (2, [2, 4], [4])
    """

    count: int
    size: int
    seed: int

    def __post_init__(self) -> None:
        if self.count < self.size:
            problem = f"of {self.size} is more than the {self.count} examples to train on"
            raise DataError("A batch", problem, f"Set batch_size to {self.count} or less.")

    @property
    def per_epoch(self) -> int:
        """How many whole batches one pass over the examples has."""
        return self.count // self.size

    def at(self, step: int, *, rank: int = 0, of: int = 1) -> Tensor:
        """The indices of the batch of update `step`, or every `of`-th of them, from `rank` on."""
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng((self.seed, epoch)).permutation(self.count)  # torch's seeds have only 32 bits
        return torch.from_numpy(order[place * self.size : (place + 1) * self.size][rank::of].copy())

"""A callable of the epoch that a tutorial's loop sets the lr by, as plain facts.

Knows how such a loop goes: it asks at the end of an epoch, and sets every group's lr to the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from types import MethodType
from typing import TypeVar, final

from paramgroups.hyperparameters import number

CalledT = TypeVar("CalledT")


@final
@dataclass(frozen=True, eq=False)
class Loop:
    """Such a loop, before it starts.

    Args:
        path: the hyperparameter that it sets.
        standing: what stands there in each group.
        first: what it will be set to for epoch 0.
        second: and for epoch 1.
        remembers: whether the callable answers the same question otherwise when it is asked again.
    """

    path: str
    standing: Mapping[str, float]
    first: float
    second: float
    remembers: bool

    @property
    def places(self) -> list[str]:
        """What it sets."""
        return [self.path]

    @property
    def highest(self) -> float:
        """The greatest value that stands."""
        return max(self.standing.values())

    @property
    def warms_up(self) -> bool:
        """Whether the callable rises, from below what stands."""
        return self.first < self.second and self.first < self.highest


def loop_of(function: Callable[[int], object], path: str, standing: Mapping[str, float]) -> Loop:
    """What a callable says of the first two epochs; copies of it are asked, so that it remembers nothing of this."""
    again = own_call(function)
    answers = [number(again(0)) for _ in range(2)]
    return Loop(path, standing, answers[0], number(own_call(function)(1)), answers[0] != answers[1])


def own_call(function: CalledT) -> CalledT:
    """A copy of a callable that may remember its calls; a method stays, since what it is of may be anything."""
    return function if isinstance(function, MethodType) else deepcopy(function)

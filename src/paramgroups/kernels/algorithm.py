"""An optimizer's update of one element, written once and bound to whoever computes it.

Knows the two functions that make an algorithm and the words they may use; computes nothing itself.
"""

from __future__ import annotations

import builtins
import hashlib
import inspect
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

Function = Callable[..., Any]


@final
@dataclass(frozen=True)
class Algorithm:
    """What happens to one element of a parameter in one step, and the numbers that this needs.

    Both functions are pure, and free of all names but their arguments and the vocabulary: `sqrt`, `where`, `maximum`,
    `sign`, `power`, as this module has them for single numbers. An executor gives them its own by `bound`.

    Args:
        update: `(p, g, *state, *scalars) -> (p, *state)`, for one element of parameter, gradient and state.
        scalars: `(step, *hyperparameters) -> scalars`, all floats, for one parameter; `step` is the number of this
            update, from 1, or 0 where the algorithm does not count.
        state: the keys, in `optimizer.state[p]`, of the state that has an element for each of the parameter's.
        counts: whether `optimizer.state[p]["step"]` is counted up in each update.
        absent: the keys of state that is not kept: the update is given 0 for it, and what it returns is dropped.

    Example:
        >>> def heavy_ball(p, g, velocity, momentum, lr):
        ...     velocity = momentum * velocity + g
        ...     return p - lr * velocity, velocity
        >>> algorithm = Algorithm(heavy_ball, lambda step, momentum, lr: (momentum, lr), ("velocity",))
        >>> algorithm.numbers, algorithm.without("velocity").kept
        (2, ())
        >>> algorithm.update(1.0, 2.0, 0.5, 0.5, 0.25)
        (0.4375, 2.25)
    """

    update: Function
    scalars: Function
    state: tuple[str, ...] = ()
    counts: bool = False
    absent: frozenset[str] = frozenset()

    def without(self, *keys: str) -> Algorithm:
        """The same, without keeping some of its state."""
        return replace(self, absent=self.absent | {*keys})

    @property
    def kept(self) -> tuple[str, ...]:
        """The keys of the state that is kept."""
        return tuple(key for key in self.state if key not in self.absent)

    @property
    def numbers(self) -> int:
        """How many scalars an update takes."""
        return len(inspect.signature(self.update).parameters) - 2 - len(self.state)

    @property
    def hyperparameters(self) -> int:
        """How many hyperparameters its scalars are made from."""
        return len(inspect.signature(self.scalars).parameters) - 1

    @property
    def fingerprint(self) -> str:
        """A name that changes when the code does: what is compiled is kept under it."""
        codes = [(f.__code__.co_code, f.__code__.co_consts, f.__code__.co_names) for f in (self.update, self.scalars)]
        digest = hashlib.sha256(repr((codes, self.kept)).encode()).hexdigest()
        return f"{self.update.__name__}_{digest[:12]}"


# The vocabulary, for Python's own numbers: so that an algorithm can be read, called and typed as it stands.

sqrt = math.sqrt
power = math.pow


def where(condition: Any, then: Any, otherwise: Any) -> Any:
    """`then` where the condition holds, `otherwise` elsewhere; both are computed."""
    return then if condition else otherwise


def maximum(a: Any, b: Any) -> Any:
    """The greater of two; NaN if one of them is."""
    return a if a > b or a != a else b  # noqa: PLR0124 - true for NaN


def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return (x > 0) - (x < 0)


def bound(function: Function, vocabulary: Mapping[str, object]) -> types.FunctionType:
    """The same code with other meanings for its words."""
    return types.FunctionType(function.__code__, {"__builtins__": builtins, **vocabulary}, function.__name__)

"""torch's schedulers that are made of others: one after the other, and several at once.

Knows where they are the native operators, and where they lean on each other; how they do is replayed elsewhere.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice, pairwise
from operator import mul
from typing import Any, final

import numpy as np

from paramgroups.errors import CompositionError
from paramgroups.schedules.arguments import Arguments
from paramgroups.schedules.base import Schedule, require_schedule
from paramgroups.schedules.dialects.conventions import Endless, Until
from paramgroups.schedules.dialects.torch.replay import GOES_ON, OVERWRITES, SETS, Group, InTurn, Leaf, Together, Twin
from paramgroups.schedules.levels import Array, Line
from paramgroups.schedules.units import Horizon


class Composed(Schedule):
    """A scheduler of several schedulers, each the curve of one of torch's."""

    schedulers: Sequence[Schedule]

    def _take(self, given: object) -> None:
        """Keep the schedulers, where they are some, and torch could be handed each."""
        where = type(self).__name__
        arguments = Arguments(where)
        schedulers = tuple(
            require_schedule(each, "schedulers", where) for each in arguments.several("schedulers", given)
        )
        if not schedulers:
            raise arguments.refused("schedulers", given, "at least one schedule")
        object.__setattr__(self, "schedulers", schedulers)
        for each in schedulers:
            if each.driven_by_metric:
                problem = f"{where} knows steps and no metrics, as torch's does not take a ReduceLROnPlateau"
                raise CompositionError(
                    [repr(each)], problem, "Multiply the whole by the Plateau: schedule * Plateau()."
                )

    def _check_replay(self) -> None:
        """A replay is one of lines in the base."""
        for each in self.schedulers:
            if self._native is None and not each.affine:
                problem = (
                    f"{type(self).__name__} needs a line in the base here, and it mixes factors and Absolute levels"
                )
                raise CompositionError([repr(each)], problem, "Put them together natively: a.then(b), or a * b.")

    @property
    @abstractmethod
    def _native(self) -> Schedule | None:
        """The native composition that has the same values, if there is one."""

    @abstractmethod
    def _twin(self, group: Group) -> Twin:
        """The torch scheduler, made."""

    def _children(self) -> tuple[Schedule, ...]:
        return tuple(self.schedulers)

    @property
    def affine(self) -> bool:
        """Whether all of its schedulers are."""
        return all(each.affine for each in self.schedulers)

    def _resolve(self, horizon: Horizon, rest: int) -> Schedule:
        whole: Any = {"schedulers": tuple(each._resolve(horizon, rest) for each in self.schedulers)}
        return replace(self, **whole)

    def _line(self, times: Array, base: float) -> Line:
        if self._native is not None:
            return self._native._line(times, base)
        steps = times.astype(np.int64)
        lrs = list(islice(self._replayed(), int(steps.max(initial=0)) + 1))
        factors, offsets = np.array(lrs, dtype=np.float64).T
        return Line(factors[steps], offsets[steps])

    def _replayed(self) -> Iterator[Line]:
        """The lr at each step, for ever."""
        group = Group()
        twin = self._twin(group)
        while True:
            yield group.lr
            twin.step()


@final
@dataclass(frozen=True, repr=False)
class SequentialLR(Composed):
    """Schedulers one after the other, each from its own step 0 at its milestone. Native: `a.then(b)`.

        v(t) = schedulers[i](t - milestones[i - 1]),   i = number of milestones <= t

    Each starts from the group's base again, whatever the lr was. In these cases torch's has other values, and so has
    this, at O(k):

    - `MultiplicativeLR` and `SWALR` go on from the lr that they find;
    - a `OneCycleLR`, or a `CyclicLR` that is the first, leaves its own first lr for the base of those after it, and for
      the lr that the first of all starts from; and of several `OneCycleLR` all have the lrs of the last;
    - in a first scheduler that is itself composed, torch takes a step too many: an `ExponentialLR` starts with `gamma`,
      a cosine above its base, a polynomial below, and a sequence is a step ahead of its own milestones.

    A composed scheduler that is not the first makes torch raise at its milestone.

    Args:
        schedulers: Schedules. A native one is taken for the torch scheduler that has its curve, and where torch has
            none, for one that multiplies what it finds.
        milestones: The step at which each but the first starts, in increasing order.

    Raises:
        ScheduleArgumentError: If `schedulers` is no list of schedules, or `milestones` not as many steps but one.
        CompositionError: If one that is not the first is composed, or one is driven by a metric, or cannot be replayed.

    Example:
        >>> from paramgroups.schedules.dialects.torch import CosineAnnealingLR, LinearLR
        >>> schedule = SequentialLR([LinearLR(0.5, total_iters=2), CosineAnnealingLR(4)], milestones=[2])
        >>> schedule.values(7, base=1.0).round(3)
        array([0.5  , 0.75 , 1.   , 0.854, 0.5  , 0.146, 0.   ])
    """

    schedulers: Sequence[Schedule]
    milestones: Sequence[int]

    def __post_init__(self) -> None:
        self._take(self.schedulers)
        given, count = Arguments("SequentialLR"), len(self.schedulers) - 1
        steps = given.moments("milestones", self.milestones)
        if len(steps) != count:
            raise given.refused("milestones", self.milestones, f"{count} steps, one fewer than schedulers")
        object.__setattr__(self, "milestones", tuple(steps))
        for each in self.schedulers[1:]:
            if isinstance(each, Composed):
                problem = "it is composed, and not the first, so torch's SequentialLR raises at its milestone"
                raise CompositionError([repr(each)], problem, "Put them together natively: a.then(b).")
        self._check_replay()

    @property
    def _native(self) -> Schedule | None:
        first, *others = self.schedulers
        leaning = any(isinstance(each, GOES_ON) for each in others)
        spoilt = others and any(isinstance(each, OVERWRITES) for each in self.schedulers)
        if leaning or spoilt or isinstance(first, Composed):
            return None
        spans = [end - start for start, end in pairwise((0, *self.milestones))]
        cut = [Until(part, span) for part, span in zip(self.schedulers, spans, strict=False)]
        return reduce(Schedule.then, [*cut, self.schedulers[-1]])

    def _twin(self, group: Group) -> Twin:
        return InTurn([made(each, group) for each in self.schedulers], self.milestones, group)

    @property
    def _open_ended(self) -> bool:
        return self.schedulers[-1]._open_ended

    @property
    def _length(self) -> int:
        return sum(self.milestones[-1:]) + self.schedulers[-1]._length


@final
@dataclass(frozen=True, repr=False)
class ChainedScheduler(Composed):
    """Schedulers at once, each of which changes the lr as the one before left it. Native: `a * b`.

        v(t) = a(t) * b(t) / base   where each only multiplies

    Each moves the lr as its own curve moves from the last step to this one. Where all of them multiply the base, that
    is their product. A cosine with an `eta_min`, or past its `T_max`, and `SWALR` do not; and `LambdaLR`,
    `CosineAnnealingWarmRestarts`, `CyclicLR` and `OneCycleLR` set the lr anew, which wipes out what stands before them.
    With any of these torch's has other values, and so has this, at O(k). A native product is what it says.

    Args:
        schedulers: Schedules. A native one is taken for the torch scheduler that has its curve, and where torch has
            none, for one that multiplies what it finds.

    Raises:
        ScheduleArgumentError: If it is no list of schedules.
        CompositionError: If one is driven by a metric, or cannot be replayed.

    Example:
        >>> from paramgroups.schedules.dialects.torch import ConstantLR, CosineAnnealingLR, ExponentialLR
        >>> ChainedScheduler([ConstantLR(0.1, total_iters=2), ExponentialLR(0.9)]).values(4, base=1.0)
        array([0.1  , 0.09 , 0.81 , 0.729])
        >>> ChainedScheduler([ConstantLR(0.5, total_iters=5), CosineAnnealingLR(10, eta_min=0.2)])(1, base=1.0)
        0.4926584774...
    """

    schedulers: Sequence[Schedule]

    def __post_init__(self) -> None:
        self._take(self.schedulers)
        self._check_replay()

    @property
    def _native(self) -> Schedule | None:
        def multiplies(part: Schedule) -> bool:
            return part.pure_factor and not isinstance(part, (*SETS, Composed, Endless))

        alone = len(self.schedulers) == 1
        return reduce(mul, self.schedulers) if alone or all(map(multiplies, self.schedulers)) else None

    def _twin(self, group: Group) -> Twin:
        return Together([made(each, group) for each in self.schedulers])

    @property
    def _open_ended(self) -> bool:
        return any(each._open_ended for each in self.schedulers)

    @property
    def _length(self) -> int:
        wiped = any(isinstance(each, SETS) for each in self.schedulers)  # a last factor is, by the step that follows
        return max(each._length for each in self.schedulers) + wiped


def made(schedule: Schedule, group: Group) -> Twin:
    """The torch scheduler that a schedule is the curve of, made."""
    return schedule._twin(group) if isinstance(schedule, Composed) else Leaf(schedule, group)

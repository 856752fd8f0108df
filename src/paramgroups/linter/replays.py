"""What a scheduler of torch comes to as curves: run ahead on a stand-in, and read for what its class is known to do.

Knows torch's classes, and steps a copy, whose groups are numbers; neither the scheduler nor its optimizer is touched.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, final

import numpy as np
from torch.optim import Optimizer
from torch.optim import lr_scheduler as theirs

from paramgroups.hyperparameters import number, own_copy
from paramgroups.linter.curves import Curve, Floor, Join, Time
from paramgroups.linter.loops import own_call
from paramgroups.params import labels
from paramgroups.schedules.levels import Array

_TICKS: Final = 100_000  # that are run ahead at most, some microseconds each
_NUMBERS: Final = 1_000_000  # of all groups together
_FLAT: Final = 1e-9  # of a value: a change by less is none


@final
@dataclass(frozen=True)
class Known:
    """What the class of a scheduler says of its curve, whatever the values; fields as in `Curve`."""

    length: int | None = None
    after: Literal["holds", "rises", "raises"] = "holds"
    stepwise: bool = False
    coming_back: bool = False
    metric: bool = False
    milestones: tuple[tuple[int, ...], ...] = ()
    phases: tuple[int, ...] = ()
    floors: tuple[float, ...] = ()


@final
@dataclass(frozen=True)
class Stepped:
    """A scheduler of torch that has been stepped.

    Args:
        name: its class.
        ticks: how often.
        trained: whether anything says that its optimizer has made an update.
    """

    name: str
    ticks: int
    trained: bool

    @property
    def places(self) -> list[str]:
        """What it is."""
        return [self.name]


def run_on(scheduler: theirs.LRScheduler, time: Time) -> list[Curve]:
    """The curve of each group's lr, from where it stands; groups of the same share one."""
    known, now = known_of(scheduler), ticks_of(scheduler)
    run = time.ticks if time.ticks is not None else known.length or now + 1
    most = min(_TICKS, _NUMBERS // len(scheduler.optimizer.param_groups))
    ahead = 0 if known.metric else max(0, min(run - now, most))
    values = run_ahead(scheduler, ahead)
    over = now + len(values) - 1
    early = over < now + ahead  # it has raised an error there
    template = Curve(
        path="lr",
        time=time,
        length=over if early else known.length,
        after="raises" if early else known.after,
        stepwise=known.stepwise,
        coming_back=known.coming_back,
        metric=known.metric,
        milestones=known.milestones,
        phases=known.phases,
    )
    ticks = np.arange(now, over + 1, dtype=np.float64)
    groups = scheduler.optimizer.param_groups
    bases = [number(group.get("initial_lr", group["lr"])) for group in groups]
    together: dict[tuple[float, tuple[float, ...]], list[str]] = {}
    for place, (base, label) in enumerate(zip(bases, labels(scheduler.optimizer), strict=True)):
        together.setdefault((base, tuple(values[:, place].tolist())), []).append(label.name)
    return [
        _with_values(replace(template, base=base, groups=tuple(names)), ticks, np.array(column), known.floors)
        for (base, column), names in together.items()
    ]


def _with_values(curve: Curve, ticks: Array, values: Array, floors: Iterable[float]) -> Curve:
    found = replace(curve, ticks=ticks, values=values, floors=tuple(Floor(each, curve.base or 0.0) for each in floors))
    return replace(found, last=found.at(curve.length), joins=tuple(_joins(found)))


def _joins(curve: Curve) -> Iterator[Join]:
    """Where phases meet, judged by the values on both sides; none where both are flat, or it starts again."""
    starts = [0, *sorted(curve.phases), int(curve.ticks[-1]) + 1]
    for since, tick, until in zip(starts, starts[1:], starts[2:], strict=False):
        before, after = (
            curve.values[(curve.ticks >= a) & (curve.ticks < b)] for a, b in ((since, tick), (tick, until))
        )
        if min(len(before), len(after)) > 1 and curve.peak:
            slopes = float(before[-1] - before[-2]), float(after[1] - after[0])
            flat = max(map(abs, slopes)) <= _FLAT * curve.peak
            end = float(before[-1]) + slopes[0]  # where it would have gone on to
            again = slopes[0] <= 0 > slopes[1] and before[0] >= after[0] > end
            if not (flat or again):
                yield Join(tick, abs(float(after[0]) - end) / curve.peak)


def run_ahead(scheduler: theirs.LRScheduler, ticks: int) -> Array:
    """The lr of each group, a column, from now on; as far as it goes without an error."""
    stand_in = _stand_in(scheduler.optimizer)
    twin = _twin(scheduler, stand_in)
    rows = [[number(group["lr"]) for group in stand_in.param_groups]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the scheduler's own tell of a loop, and this is none
        for _ in range(ticks):
            try:
                twin.step()
            except Exception:  # noqa: BLE001 - whatever a scheduler raises at its end, its curve is over there
                break
            rows.append([number(group["lr"]) for group in stand_in.param_groups])
    return np.array(rows)


def known_of(scheduler: theirs.LRScheduler) -> Known:
    """What the class says; nothing for one that is not torch's."""
    return next((read(scheduler) for kind, read in _KNOWN.items() if isinstance(scheduler, kind)), Known())


def _sequence(schedulers: Sequence[theirs.LRScheduler], milestones: Sequence[int]) -> Known:
    """One after the other; the last decides how it ends."""
    parts, starts = [known_of(each) for each in schedulers], [0, *milestones]
    moved = [
        [tuple(start + m for m in own) for own in part.milestones] for part, start in zip(parts, starts, strict=True)
    ]
    last = parts[-1]
    return replace(
        last,
        length=None if last.length is None else starts[-1] + last.length,
        milestones=tuple(own for each in moved for own in each),
        phases=tuple(milestones),
        coming_back=any(part.coming_back for part in parts),
        floors=tuple(floor for part in parts for floor in part.floors),
    )


def _product(parts: Sequence[Known]) -> Known:
    """All at once; how it ends is known where each part's end is, and none goes on."""
    ends = [part.length for part in parts if part.after == "holds" and part.length is not None]
    whole = len(ends) == len(parts)
    return Known(
        length=max(ends) if whole else None,
        stepwise=all(part.stepwise for part in parts),
        coming_back=any(part.coming_back for part in parts),
        milestones=tuple(own for part in parts for own in part.milestones),
        floors=tuple(floor for part in parts for floor in part.floors),
    )


_KNOWN: Final[dict[type, Callable[[Any], Known]]] = {
    theirs.SequentialLR: lambda each: _sequence(each._schedulers, each._milestones),
    theirs.ChainedScheduler: lambda each: _product([known_of(part) for part in each._schedulers]),
    theirs.MultiStepLR: lambda each: Known(stepwise=True, milestones=(tuple(each.milestones.elements()),)),
    theirs.StepLR: lambda each: Known(stepwise=True, milestones=((each.step_size,),)),
    theirs.ConstantLR: lambda each: Known(each.total_iters, stepwise=True, milestones=((each.total_iters,),)),
    theirs.LinearLR: lambda each: Known(each.total_iters),
    theirs.PolynomialLR: lambda each: Known(each.total_iters),
    theirs.CosineAnnealingLR: lambda each: Known(each.T_max, "rises", floors=(each.eta_min,)),
    theirs.CosineAnnealingWarmRestarts: lambda each: Known(coming_back=True, floors=(each.eta_min,)),
    theirs.OneCycleLR: lambda each: Known(each.total_steps, "raises"),
    theirs.CyclicLR: lambda _: Known(coming_back=True),
    theirs.ReduceLROnPlateau: lambda _: Known(metric=True),
}


def ticks_of(scheduler: theirs.LRScheduler) -> int:
    """How often it was stepped."""
    parts = getattr(scheduler, "_schedulers", None)
    if isinstance(scheduler, theirs.ChainedScheduler) and parts:
        return max(ticks_of(part) for part in parts)
    return int(scheduler.last_epoch)


def stepped(scheduler: theirs.LRScheduler) -> Stepped:
    """How often it was stepped, and whether its optimizer was, too."""
    return Stepped(type(scheduler).__name__, ticks_of(scheduler), _trained(scheduler.optimizer, ticks_of(scheduler)))


def _trained(optimizer: Optimizer, ticks: int) -> bool:
    """Whether anything speaks for so many updates: state, gradients, or so many writes into the parameters.

    Where an optimizer keeps no state, and none of its steps was seen, nothing speaks against a run that goes on from a
    checkpoint; and a fused step leaves no mark in the count of writes.
    """
    groups = optimizer.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    if optimizer.state or any(parameter.grad is not None for parameter in parameters):
        return True
    if any(group.get("momentum", 1) == 0 for group in groups):
        silent = not getattr(optimizer, "_opt_called", False) or any(group.get("fused") for group in groups)
        return silent or all(parameter._version >= ticks for parameter in parameters)
    return False


def _stand_in(optimizer: Optimizer) -> Optimizer:
    """An optimizer with the same numbers in its groups, and no parameters."""
    made: Any = Optimizer.__new__(Optimizer)
    made.defaults, made.state = dict(optimizer.defaults), {}
    made.param_groups = [
        {"params": [], **{key: own_copy(value) for key, value in group.items() if key != "params"}}
        for group in optimizer.param_groups
    ]
    made._opt_called = True
    return made  # type: ignore[no-any-return]  # as it was made


def _twin(scheduler: theirs.LRScheduler, optimizer: Optimizer) -> theirs.LRScheduler:
    """A copy that drives another optimizer; its own lists and callables are copies, too."""
    twin = copy.copy(scheduler)
    twin.optimizer = optimizer
    for name, value in vars(scheduler).items():
        if name == "_schedulers":
            setattr(twin, name, [_twin(each, optimizer) for each in value])
        elif isinstance(value, (list, dict)):
            setattr(twin, name, copy.copy(value))
    if isinstance(twin, (theirs.LambdaLR, theirs.MultiplicativeLR)):
        copies = {id(each): own_call(each) for each in twin.lr_lambdas}  # groups may share one
        twin.lr_lambdas = [copies[id(each)] for each in twin.lr_lambdas]
    return twin

"""What a schedule of ours comes to as a curve.

Knows the tree that a schedule is, and what each kind of node is there for; judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

import numpy as np

from paramgroups.errors import DurationError
from paramgroups.linter.curves import Curve, Floor, Join, Time
from paramgroups.schedules import (
    Absolute,
    Chain,
    Clip,
    Constant,
    CosineRestarts,
    Cyclic,
    Derived,
    Horizon,
    MultiStep,
    Noise,
    Piecewise,
    Plateau,
    Product,
    Repeat,
    Schedule,
    Shift,
    Stretch,
    Table,
)
from paramgroups.schedules.levels import Array, Level, Line
from paramgroups.schedules.units import REST

Node: TypeAlias = tuple[Schedule, int | None]
"""A part of a schedule, and the tick at which its own time starts; None where no one tick is."""

_SAMPLES: Final = 513
_PARTS: Final = 1_000_000  # of a run, to which percentages are rounded where they are added up
_SMALL: Final = 1e-4  # a factor below it looks like a value
_LOW: Final = 1e-2  # and so does all of a curve that never gets above it
_COMING_BACK: Final = (Repeat, Cyclic, CosineRestarts, Noise)


def curve_of(schedule: Schedule, path: str, base: float | None, time: Time, *, horizon: Horizon | None = None) -> Curve:
    """The facts of a schedule.

    Args:
        schedule: as it is written.
        path: the hyperparameter.
        base: what its factors multiply. Without one they are shares of it, unless there are other levels, too.
        time: how long the run is.
        horizon: of its durations, where any waits for one.

    Raises:
        ScheduleError: a duration waits for a horizon, and cannot be resolved.
    """
    percent = max((_percent(node) for node, _ in nodes(schedule) if isinstance(node, Chain)), default=0.0)
    resolved = schedule if horizon is None else schedule.resolve(horizon)
    resolved._require_resolved()
    parts, length = list(nodes(resolved)), resolved.length
    curve = Curve(
        path=path,
        base=base,
        time=time,
        length=length,
        stepwise=all(is_flat(node) for node in _ends(resolved)),
        coming_back=any(isinstance(node, _COMING_BACK) for node, _ in parts),
        metric=resolved.driven_by_metric,
        milestones=tuple(_milestones(node, start) for node, start in parts if isinstance(node, MultiStep)),
        percent=percent,
    )
    if base is None and not (resolved.absolute or resolved.pure_factor):
        return replace(curve, small=tuple(_small_levels(parts)))
    unit = 1.0 if base is None else base
    ticks = _ticks(time, length, [start for _, start in parts if start is not None])
    values = resolved.values(ticks, unit)
    return replace(
        curve,
        ticks=ticks,
        values=values,
        last=None if length is None else resolved(length, unit),
        joins=tuple(_joins(parts, unit)),
        floors=() if base is None else tuple(_floors(parts, base)),
        small=tuple(_small(resolved, parts, time)),
    )


def curves_of(
    schedule: Schedule, path: str, bases: Iterable[float], time: Time, *, horizon: Horizon | None = None
) -> Iterator[Curve]:
    """The same from each base; a schedule of factors alone is looked at once, whatever their number."""
    shares = curve_of(schedule, path, None, time, horizon=horizon)
    for base in bases:
        if schedule.pure_factor:
            last = None if shares.last is None else shares.last * base
            yield replace(shares, base=base, values=shares.values * base, last=last)
        else:
            yield curve_of(schedule, path, base, time, horizon=horizon)


def nodes(schedule: Schedule, start: int | None = 0) -> Iterator[Node]:
    """A schedule and all that it is made of."""
    yield schedule, start
    match schedule:
        case Chain(parts):
            starts: Iterable[int | None] = [None] * len(parts)
            if start is not None and schedule.resolved:
                starts = accumulate((part.length or 0 for part in parts[:-1]), initial=start)
            for part, own in zip(parts, starts, strict=True):
                yield from nodes(part, own)
        case Shift(inner, steps):
            yield from nodes(inner, start + steps if start is not None and isinstance(steps, int) else None)
        case Repeat(inner) | Stretch(inner):
            yield from nodes(inner, None)
        case Product() | Clip() | Derived():
            for child in schedule._children():
                yield from nodes(child, start)


def is_flat(node: Schedule) -> bool:
    """Whether it is flat but for jumps."""
    in_steps = isinstance(node, (Piecewise, Table)) and node.interpolation == "constant"
    return in_steps or isinstance(node, (Constant, MultiStep, Plateau))


def _ends(schedule: Schedule) -> list[Schedule]:
    """The parts, not made of others, that are over when the schedule is."""
    match schedule:
        case Chain(parts):
            return _ends(parts[-1])
        case Product(left, right):
            return [end for part in (left, right) if part.length == schedule.length for end in _ends(part)]
        case Shift(inner) | Repeat(inner) | Stretch(inner) | Clip(inner) | Derived(inner):
            return _ends(inner)
    return [schedule]


def _percent(chain: Chain) -> float:
    """What the percentages of a chain add up to; 0 where one part takes the rest, which cannot be less than nothing."""
    if any(REST in part._texts() for part in chain.parts):
        return 0.0
    texts = [(part, list(part._texts())) for part in chain.parts]
    measured = [part for part, own in texts if own and all("%" in text for text in own)]
    return round(100.0 * sum(map(_parts, measured)) / _PARTS, 3)


def _parts(measured: Schedule) -> int:
    """How many parts of a run it takes; none where it has steps as well, and so fits into some runs only."""
    try:
        return measured.resolve(Horizon(_PARTS)).length or 0
    except DurationError:
        return 0


def _ticks(time: Time, length: int | None, starts: Iterable[int]) -> Array:
    """The moments at which a schedule is looked at."""
    run = time.ticks
    end = float(run if run is not None else length or 1)
    wanted = [0, 1, end - 1, *starts, *(moment for moment in (length, time.epochs, (time.steps or 0) // 10) if moment)]
    found = np.unique(np.concatenate([np.linspace(0.0, end, _SAMPLES), np.array(wanted, dtype=np.float64)]).round())
    return found[(found >= 0.0) & (found <= end)]


def _milestones(steps: MultiStep, start: int | None) -> tuple[int, ...]:
    """When its steps are due; none where that is not one tick each."""
    return () if start is None else tuple(start + int(moment) for moment in steps.milestones)


def _joins(parts: Iterable[Node], base: float) -> Iterator[Join]:
    """Where the parts of each chain meet, unless both are flat there, or it is one more cycle of the same."""
    for chain, start in parts:
        if not isinstance(chain, Chain) or start is None:
            continue
        peak = max(float(np.abs(_sampled(part, part.length or 1, base)).max()) for part in chain.parts)
        tick = start
        for before, after in pairwise(chain.parts):
            own = before.length or 0
            tick += own
            flat = is_flat(before) and is_flat(after)
            if own and peak and not flat and not _starts_again(before, after, base):
                yield Join(tick, abs(after(0, base) - before(own, base)) / peak)


def _sampled(part: Schedule, end: int, base: float) -> Array:
    """Some values of a part, from its start on."""
    return part.values(np.unique(np.linspace(0.0, end, _SAMPLES).round()), base)


def _starts_again(before: Schedule, after: Schedule, base: float) -> bool:
    """Whether the second is the first once more, from no higher: both fall, and it jumps up between them."""
    top, bottom = before(0, base), before(before.length or 0, base)
    again, then = after(0, base), after(after.length or 1, base)
    return type(before) is type(after) and top >= again > bottom and again > then


def _floors(parts: Iterable[Node], base: float) -> Iterator[Floor]:
    """The levels of their own unit to which something is to fall that starts at the base or above it."""
    for node, _ in parts:
        levels = {name: level for name, kind, level in node._typed() if kind == "Level"}
        top, low = levels.get("peak", levels.get("start")), levels.get("end")
        if isinstance(node, Cyclic):
            low = levels["start"]
        if isinstance(node, Clip):
            top, low = 1.0, levels.get("low")
        if isinstance(low, Absolute) and isinstance(top, float) and top >= 1.0:
            yield Floor(low.value, float(Line.of(top).at(base)))


def _small(resolved: Schedule, parts: Iterable[Node], time: Time) -> Iterator[float]:
    """Factors that look like values: tiny ones, or the greatest, if that is small."""
    found = list(_small_levels(parts))
    yield from found
    end = resolved.length if resolved.length is not None else time.ticks
    if not found and resolved.pure_factor and end is not None:
        greatest = float(np.abs(_sampled(resolved, end, 1.0)).max())
        yield from [greatest] if 0.0 < greatest < _LOW else []


def _small_levels(parts: Iterable[Node]) -> Iterator[float]:
    """The factors, but for those that nobody wrote, that are more than 0 by very little."""
    for node, _ in parts:
        default = {field.name: field.default for field in fields(node)}
        own: list[tuple[str, Level]] = [(name, level) for name, kind, level in node._typed() if kind == "Level"]  # type: ignore[misc]  # as the kind says
        if isinstance(node, Piecewise):
            own += [("points", level) for _, level in node.points]
        yield from (
            level
            for name, level in own
            if isinstance(level, float) and 0.0 < abs(level) < _SMALL and level != default[name]
        )

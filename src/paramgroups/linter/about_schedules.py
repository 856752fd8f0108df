"""Checks of one curve over its run: where it starts and ends, its joins, milestones, floors and factors.

Knows plain facts, whoever computes the curve; pure functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from paramgroups.linter.about_clocks import counts_epochs, counts_steps
from paramgroups.linter.curves import Curve, Floor
from paramgroups.linter.findings import Said, finds
from paramgroups.tables import number

_LITTLE: Final = 0.01  # of the run, or of the peak
_MUCH: Final = 0.1  # of the peak
_EXACT: Final = 1e-9  # of the peak
_TINY: Final = float(np.finfo(np.float64).tiny)
_WHOLE: Final = 100.0  # percent
_SHOWN: Final = 4  # milestones in a sentence


@finds("PG101", "warning", "first step at lr 0", Curve)
def first_at_zero(curve: Curve) -> Iterator[Said]:
    """The first batch is read for nothing.

    `Warmup(W)` is (k + 1) / (W + 1). Not told: an lr that is held at 0 for longer, as for a group that joins later.
    """
    if curve.path == "lr" and curve.at(0) == 0.0 and (curve.at(1) or 0.0) > 0.0:
        yield Said("the first update has lr 0, and changes nothing", "Start above 0, as Warmup(W) does")


@finds("PG102", "warning", "schedule shorter than the run", Curve)
def shorter(curve: Curve) -> Iterator[Said]:
    """What it has come down to holds for the rest of the run; torch's OneCycleLR raises an error.

    Not told: one that ends in the last hundredth of the run, steps, a tail that is a part of its own, and no lr at all.
    """
    run, length, share = curve.time.ticks, curve.length, curve.share(curve.last)
    if run is None or length is None or counts_epochs(curve):
        return
    if curve.after == "raises" and length < run:
        yield Said(f"it raises an error after {curve.time.noun} {length} of {run}", "Make it as long as the run")
    early = length < run - max(1, _LITTLE * run) and not curve.stepwise
    if curve.path == "lr" and curve.after == "holds" and early and share is not None and share < 1 - _EXACT:
        yield Said(
            f"it ends at {curve.time.noun} {length} of {run}, and stays at {_percent(share)} of its peak",
            'Let it end with the run, "rest" or "100%", or give the tail a part of its own, .then(Constant(0.1))',
        )


def is_cut_off(curve: Curve) -> bool:
    """Whether the run is over before the curve is, and elsewhere than that would be."""
    run, length = curve.time.ticks, curve.length
    if run is None or length is None or length <= run or curve.stepwise or counts_steps(curve):
        return False
    here, end = curve.at(run), curve.last
    return here is None or end is None or abs(here - end) > _LITTLE * max(curve.peak, abs(end))


@finds("PG103", "warning", "schedule longer than the run", Curve)
def longer(curve: Curve) -> Iterator[Said]:
    """The run stops in the middle of it.

    Not told where that makes less than a hundredth of the peak.
    """
    if is_cut_off(curve) and curve.percent <= _WHOLE:
        share = curve.share(curve.at(curve.time.ticks))
        there = "" if share is None else f", at {_percent(share)} of its peak"
        yield Said(
            f"it ends at {curve.time.noun} {curve.length}, and the run at {curve.time.ticks}{there}",
            'Let it end with the run, "rest" or "100%"',
        )


@finds("PG104", "warning", "a chain of percentages longer than the run", Curve)
def more_than_all(curve: Curve) -> Iterator[Said]:
    """Each part of a chain is measured against the whole run, so that `Warmup("10%").then(Cosine("100%"))` is cut off.

    What the other parts leave is `"rest"`.
    """
    if curve.percent > _WHOLE:
        yield Said(f"its parts add up to {curve.percent:g} % of the run", 'Give the last of them the "rest"')


@finds("PG105", "warning", "milestone unreachable", Curve)
def unreachable(curve: Curve) -> Iterator[Said]:
    """The run is over before that step is due.

    Not told: one at the very end.
    """
    run = curve.time.ticks
    late = {moment for moment in curve.moments if run is not None and moment > run}
    if late and not counts_steps(curve):
        yield Said(
            f"{_named(late)} beyond the end of the run, {curve.time.noun} {run}",
            'Move it into the run, or give it as a share of the run, "75%"',
        )


@finds("PG106", "error", "milestones unsorted", Curve)
def unsorted(curve: Curve) -> Iterator[Said]:
    """SequentialLR of torch takes them in any order, and then leaves schedulers out.

    Schedules of ours refuse them, and torch's MultiStepLR counts them whatever their order.
    """
    if any(later < earlier for earlier, later in pairwise(curve.phases)):
        yield Said(f"its milestones {list(curve.phases)} are not in order", "Sort them, and the schedulers with them")


@finds("PG107", "warning", "milestone repeated", Curve)
def repeated(curve: Curve) -> Iterator[Said]:
    """One that is given twice counts twice: the lr falls by gamma squared; a scheduler between two has no time."""
    lists = (*curve.milestones, curve.phases)
    found = {moment for own in lists for moment, count in Counter(own).items() if count > 1}
    if found:
        yield Said(f"{_named(found)} given more than once, and counted as often", "Give it once")


@finds("PG108", "warning", "milestone already consumed", Curve)
def consumed(curve: Curve) -> Iterator[Said]:
    """A milestone at 0 is due before the first update, so that the value before it is never used.

    Those that a run has behind it are no mistake, unless it never ran: see PG404.
    """
    if any(moment == 0 for moment in curve.moments) and curve.whole:
        yield Said("it has a milestone at 0, and what stands before it is never used", "Leave that milestone out")


@finds("PG109", "warning", "a jump at a join", Curve)
def jump(curve: Curve) -> Iterator[Said]:
    """Where one part gives way to the next, the value jumps by more than a tenth of the peak.

    Not told: a change from one constant to another, and a cycle of the same shape that starts again.
    """
    run = curve.time.ticks
    for join in curve.joins:
        if join.share > _MUCH + _EXACT and (run is None or join.tick < run):
            yield Said(
                f"at {curve.time.noun} {join.tick} it jumps by {_percent(join.share)} of its peak",
                "Start each part at the level at which the one before it ends",
            )


@finds("PG110", "warning", "rising after the end", Curve)
def rising(curve: Curve) -> Iterator[Said]:
    """It falls, and climbs back while the run goes on, as torch's CosineAnnealingLR does after `T_max`.

    Schedules of ours hold their end. Not told: what cycles on purpose, `Cyclic`, `CosineRestarts` and `.repeat()`.
    """
    turn = turn_of(curve)
    if turn is not None and not counts_epochs(curve):
        yield Said(
            f"after {curve.time.noun} {turn} of {curve.time.ticks} it climbs back",
            "Let it end with the run, or use one that holds its end, as Cosine(steps) does",
        )


def turn_of(curve: Curve) -> int | None:
    """When a curve that is not meant to turns, and climbs back."""
    run, length = curve.time.ticks, curve.length
    if run is None or curve.coming_back or curve.metric:
        return None
    if curve.after == "rises" and length is not None:
        return length if length < run - max(1, _LITTLE * run) else None
    return _valley(curve) if length is None else None


def _valley(curve: Curve) -> int | None:
    """When a curve that falls turns for good, to rise by more than a tenth of its peak by the end of the run."""
    if not curve.values.size or curve.at(curve.time.ticks) is None:
        return None
    top = int(curve.values.argmax()) if curve.values[-1] < curve.peak else 0
    seen, little = curve.values[top:], _EXACT * curve.peak
    low = int(seen.argmin())
    changes = np.diff(seen)
    steady = bool((changes[:low] <= little).all() and (changes[low:] >= -little).all())
    much = min(float(seen[0] - seen[low]), float(seen[-1] - seen[low])) > _MUCH * curve.peak
    return int(curve.ticks[top + low]) if steady and much else None


@finds("PG111", "warning", "an absolute floor above a group's base", Curve)
def high_floor(curve: Curve) -> Iterator[Said]:
    """A group with a small lr rises to the floor that was meant for the others.

    A floor as a factor, `end=0.01`, is in proportion to each group's own.
    """
    for floor in high_floors(curve):
        yield Said(
            f"its floor of {number(floor.level)} is above {number(floor.top)}, from which it is to fall",
            "Write the floor as a factor, end=0.01, or give the group a schedule of its own",
        )


def high_floors(curve: Curve) -> list[Floor]:
    """The floors of an lr that lie above what it is to fall from."""
    return [each for each in dict.fromkeys(curve.floors) if curve.path == "lr" and 0.0 < each.top < each.level]


@finds("PG112", "warning", "a factor that looks like an absolute", Curve)
def small_factor(curve: Curve) -> Iterator[Said]:
    """A plain level multiplies what stands in each group: `end=1e-6` is a millionth of it, and `Constant(3e-4)` no lr.

    Told are factors below 1e-4, and curves that never get above a hundredth. Not told: at a base of 1 or more.
    """
    if curve.small and (curve.base is None or 0.0 < curve.base < 1.0):
        yield Said(
            f"the factor {', '.join(map(number, curve.small))} looks like a value, and multiplies each group's own",
            f"If it is a value, write Absolute({number(curve.small[0])})",
        )


@finds("PG113", "note", "lr above a tenth of its peak at the end", Curve)
def high_end(curve: Curve) -> Iterator[Said]:
    """Much of what a decay wins, it wins at its end.

    Not told: an lr that never changes, and one that follows a metric.
    """
    run = curve.time.ticks
    if run is None or curve.path != "lr" or curve.metric or _goes_wrong(curve):
        return
    ends = [value for value in (curve.at(run - 1), curve.at(run)) if value is not None]  # a cycle may start anew there
    share = curve.share(min(ends, default=None))
    moves = curve.values.size > 0 and float(np.ptp(curve.values)) > _EXACT * curve.peak
    if moves and share is not None and share > _MUCH + _EXACT:
        yield Said(
            f"the run ends at {_percent(share)} of the peak",
            'Let it fall further, end=0.1 or less, or end it by .then(schedules.Cooldown("20%"))',
        )


@finds("PG114", "warning", "warm-up longer than half the run", Curve)
def long_warmup(curve: Curve) -> Iterator[Said]:
    """The lr reaches its peak when most of the run is over.

    A warm-up begins when the lr is above 0. Not told: a curve that rises to the very end, as in a search for an lr, and
    one that comes back.
    """
    run = curve.time.ticks
    if curve.path != "lr" or run is None or not (curve.whole and curve.peak) or _goes_wrong(curve):
        return
    begins, top = (_first(curve, curve.values >= least) for least in (_TINY, curve.peak * (1 - _EXACT)))
    goes_on = top < run or (curve.length is not None and curve.length > top)
    if top - begins > run / 2 and goes_on and not curve.coming_back:
        yield Said(
            f"the lr reaches its peak at {curve.time.noun} {top} of {run}",
            'Shorten the warm-up to a few percent of the run, Warmup("5%")',
        )


def _first(curve: Curve, here: npt.NDArray[np.bool_]) -> int:
    """The first tick of those."""
    return int(curve.ticks[np.flatnonzero(here)[0]])


def _goes_wrong(curve: Curve) -> bool:
    """Whether another check tells already why it is not where it should be."""
    of_time = is_cut_off(curve) or counts_steps(curve) or counts_epochs(curve)
    return of_time or turn_of(curve) is not None or bool(high_floors(curve))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _named(moments: Iterable[int]) -> str:
    """`milestone 30 is`, or `milestones 30, 60 are`."""
    found = sorted(moments)
    shown = ", ".join(map(str, found[:_SHOWN])) + (", … are" if len(found) > _SHOWN else " are")
    return f"milestone {found[0]} is" if len(found) == 1 else f"milestones {shown}"

"""Checks of what tutorials teach wrongly: when a loop asks for the lr, and what asking costs.

Knows plain facts; pure functions. The loops are those of Dive into Deep Learning, "Learning Rate Scheduling", and kin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from paramgroups.linter.findings import Said, finds
from paramgroups.linter.loops import Loop
from paramgroups.linter.replays import Stepped
from paramgroups.tables import number

_SHOWN: Final = 3  # groups in a sentence


@finds("PG401", "warning", "one epoch late", Loop)
def late(loop: Loop) -> Iterator[Said]:
    """A loop that asks at the end of an epoch trains epoch 0 at the optimizer's lr, and epoch e at the value of e - 1.

    `Scheduler` has the first value in place once it is made. Not told where the optimizer has that value.
    """
    if loop.first not in loop.standing.values() and not loop.warms_up:
        yield Said(
            f"epoch 0 is trained at the {number(loop.highest)} of the optimizer, not at {number(loop.first)}, "
            "and every later one at the value of the epoch before",
            "Ask before the epoch, or let a Scheduler do it: lr=Function(f, absolute=True), clock='manual'",
        )


@finds("PG402", "warning", "a warm-up that is none", Loop)
def no_warmup(loop: Loop) -> Iterator[Said]:
    """The optimizer has the lr of the peak, and the loop asks for the first time when epoch 0 was trained at that."""
    if loop.warms_up:
        yield Said(
            f"epoch 0 is trained at {number(loop.highest)}, before the warm-up starts at {number(loop.first)}",
            "Ask before the epoch, or make the optimizer with the first value of the warm-up",
        )


@finds("PG403", "warning", "one lr for every group", Loop)
def one_for_all(loop: Loop) -> Iterator[Said]:
    """A loop that sets every group to the same number loses the ratios between them."""
    if len(set(loop.standing.values())) > 1:
        shown = ", ".join(f"{name} at {number(value)}" for name, value in list(loop.standing.items())[:_SHOWN])
        yield Said(
            f"the groups differ ({shown}), and are all set to the same",
            "Let a Scheduler do it: its factors multiply each group's own",
        )


@finds("PG404", "error", "steps consumed without training, as by plotting", Stepped)
def consumed_by_plotting(scheduler: Stepped) -> Iterator[Said]:
    """Whoever steps a scheduler to see its values has spent them: its milestones are behind it when training starts.

    That it never trained is read off its optimizer: no state, no gradient, fewer writes to the parameters than steps.
    """
    if scheduler.ticks > 0 and not scheduler.trained:
        yield Said(
            f"it has been stepped {scheduler.ticks} times, and its optimizer has made no update",
            "Make it anew, and draw what has no position: pg.plot(schedule)",
        )


@finds("PG405", "warning", "a schedule that counts its own calls", Loop)
def remembers(loop: Loop) -> Iterator[Said]:
    """Drawing it, or going on from a checkpoint, changes the run."""
    if loop.remembers:
        yield Said("asked again for the same epoch, it gives another value", "Compute it from the epoch alone")

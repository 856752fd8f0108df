"""Checks of what a tick is: the unit that a schedule counts against the one that is counted; who has none.

Knows one curve and its time, or all groups; pure functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from paramgroups.hyperparameters import number
from paramgroups.linter.curves import Curve
from paramgroups.linter.findings import Said, finds
from paramgroups.linter.layouts import Layout

_MANY: Final = 4  # steps in an epoch, from which the two can be told apart
_GONE: Final = 1e-6  # of the peak: nothing is left


@finds("PG301", "warning", "a group no schedule drives while others are driven", Layout)
def undriven(layout: Layout) -> Iterator[Said]:
    """Its lr stays as it is while the others warm up and decay.

    Not told where that is said: `{"head": {"lr": None}}`.
    """
    driven = [group for group in layout.groups if "lr" in group.curves]
    for group in layout.groups if driven else ():
        if group not in driven and number(group.values.get("lr")) > 0 and group.name not in layout.left_alone:
            yield Said(
                "no schedule drives its lr, and others are driven",
                f'Give one to every group, lr=..., or say that it is left alone, {{"{group.name}": {{"lr": None}}}}',
                *group.places,
            )


def counts_epochs(curve: Curve) -> bool:
    """Whether a curve that is ticked once a step looks like one that counts epochs."""
    steps, epochs, peak = curve.time.steps, curve.time.epochs, curve.peak
    if curve.time.tick != "step" or not (steps and epochs and peak) or curve.time.batches < _MANY or epochs <= 1:
        return False
    over = curve.length if curve.length is not None else curve.last_milestone
    if 0 < over <= epochs and (curve.at(over) or 0.0) < peak and not curve.metric:
        return True
    soon = curve.at(steps // 10) if curve.length is None else None
    return soon is not None and 0.0 < soon < _GONE * peak and not curve.coming_back


@finds("PG302", "error", "an epoch schedule ticked per step", Curve)
def epochs_for_steps(curve: Curve) -> Iterator[Said]:
    """It is over within as many steps as the run has epochs, and the rest of the run gets what is left.

    A length in epochs is written as one, `"30 epochs"`.
    """
    if counts_epochs(curve):
        yield Said(
            f"it is over within a few of {curve.time.steps} steps, as if it counted the {curve.time.epochs:g} epochs",
            'Write lengths as "30 epochs" or as a share of the run; tick one of torch\'s once an epoch',
        )


def counts_steps(curve: Curve) -> bool:
    """Whether a curve that is ticked once an epoch looks like one that counts steps."""
    steps, length = curve.time.steps, curve.length if curve.length is not None else curve.last_milestone
    return bool(curve.time.tick == "epoch" and steps and curve.time.batches >= _MANY and length >= steps / 2)


@finds("PG303", "error", "a step schedule ticked per epoch", Curve)
def steps_for_epochs(curve: Curve) -> Iterator[Said]:
    """It gets through the first few of its ticks, and hardly moves."""
    if counts_steps(curve):
        yield Said(
            f"it is made for the {curve.time.steps} steps of the run, and is ticked {curve.time.ticks} times",
            "Tick it after every update, or make it as long as the run has epochs",
        )

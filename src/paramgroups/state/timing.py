"""A saved scheduler held against a live one: its position, and which schedules, bases and horizon differ.

Knows lanes and the journal; changes nothing before all of it is known to fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from paramgroups import expressions
from paramgroups.claims import lanes_for, read_back, written
from paramgroups.errors import ExpressionError, StateMismatchError
from paramgroups.inheritance import Past, continued, from_state
from paramgroups.lanes import Lane
from paramgroups.params import labels, parameter_names
from paramgroups.scheduler import Scheduler
from paramgroups.schedules import Horizon
from paramgroups.state.matching import Hyperparameters
from paramgroups.state.report import Difference
from paramgroups.tables import show


@final
@dataclass(frozen=True)
class Timed:
    """A saved position that fits a scheduler, not yet put into it."""

    scheduler: Scheduler
    step: int
    lanes: list[list[Lane]]
    pasts: list[Past | None]
    assignments: Any
    horizon: Horizon | None
    differences: tuple[Difference, ...]

    def apply(self) -> None:
        """Go there; every value follows."""
        driver = self.scheduler._driver
        driver.assignments = self.assignments
        driver.go_to(self.step, self.lanes, self.pasts)
        self.scheduler.horizon = self.horizon


def match_scheduler(
    scheduler: Scheduler, saved: Mapping[str, Any], renamed: Mapping[str, str], policy: Hyperparameters
) -> Timed:
    """What a saved scheduler comes to in a live one: the position is the saved one, whatever the policy.

    Args:
        scheduler: the live one.
        saved: what `Scheduler.state_dict` gave.
        renamed: saved name of a parameter -> present name.
        policy: whose schedules, bases and horizon hold; the journal's entries come after either's bases.

    Raises:
        StateMismatchError: it does not fit.
        ClockError: the live one was detached.
    """
    driver = scheduler._driver
    driver.check_attached()
    driver.follow()
    saved = _renamed(saved, renamed)
    former = saved.get("schedules", written(driver.assignments))
    assignments = driver.assignments
    if policy == "saved" and former != written(assignments):
        try:
            assignments = read_back(former)
        except ExpressionError as error:
            raise StateMismatchError(
                f"The saved schedules cannot be put back: {error}",
                "Keep those in your code: hyperparameters='current'.",
            ) from error
    present = [{lane.path: lane.first.base for lane in own} for own in driver.lanes]
    lanes = [
        [lane.after(bases, ()) for lane in own]
        for bases, own in zip(present, lanes_for(driver.optimizer, assignments), strict=True)
    ]
    step, pasts = from_state(saved, driver.optimizer, present if policy == "current" else None)
    mine, theirs = scheduler.horizon, saved.get("horizon")
    if policy == "saved" and "horizon" in saved:
        horizon = None if theirs is None else expressions.read(theirs)
    else:
        horizon = continued(mine, pasts)
    differences = [
        *_differences(_by_key(former), _by_key(written(driver.assignments)), policy),
        *_differences({"horizon": saved.get("horizon", repr(horizon))}, {"horizon": mine and repr(horizon)}, policy),
        *_base_differences(scheduler, saved, present, policy),
    ]
    return Timed(scheduler, step, lanes, pasts, assignments, horizon, tuple(differences))


def _renamed(saved: Mapping[str, Any], renamed: Mapping[str, str]) -> Mapping[str, Any]:
    groups = saved.get("groups")
    if not isinstance(groups, list):
        return saved  # whoever reads it says what is wrong
    return {
        **saved,
        "groups": [
            {**group, "parameters": own and [renamed.get(name, name) for name in own]}
            for group in groups
            for own in [group.get("parameters")]
        ],
    }


def _by_key(schedules: list[list[Any]]) -> dict[str, str | None]:
    """Each schedule by where it was given for: `hyperparameter/group`, `*` for every group."""
    return {f"{path}/{'*' if key is None else key}": code for key, own in schedules for path, code in own.items()}


def _differences(saved: Mapping[str, Any], current: Mapping[str, Any], policy: Hyperparameters) -> Iterator[Difference]:
    for where in dict.fromkeys((*saved, *current)):
        one, other = saved.get(where), current.get(where)
        if one != other:
            yield Difference(where, one, other, one if policy == "saved" else other)


def _base_differences(
    scheduler: Scheduler, saved: Mapping[str, Any], present: list[dict[str, float]], policy: Hyperparameters
) -> Iterator[Difference]:
    optimizer = scheduler.optimizer
    homes = {name: group["bases"] for group in saved["groups"] for name in group["parameters"] or ()}
    for label, group, bases in zip(labels(optimizer), optimizer.param_groups, present, strict=True):
        own = [homes[name] for name in parameter_names(optimizer, group) or () if name in homes]
        for path, base in bases.items():
            theirs = sorted({each[path] for each in own if path in each})
            if theirs and theirs != [base]:
                one = ", ".join(map(show, theirs))
                yield Difference(f"base of {path}/{label.name}", one, base, one if policy == "saved" else base)

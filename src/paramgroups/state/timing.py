"""A saved scheduler held against a live one: its position, and which schedules, bases and horizon differ.

Knows lanes and the journal; changes nothing before all of it is known to fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from torch.optim import SGD, Optimizer

from paramgroups import expressions
from paramgroups.claims import Assignments, lanes_for, read_back, separate, written
from paramgroups.driver import attached
from paramgroups.errors import ExpressionError, StateMismatchError
from paramgroups.inheritance import Past, continued, from_state, saved_pasts
from paramgroups.journal import Stretch
from paramgroups.lanes import Lane
from paramgroups.params import labels, register
from paramgroups.scheduler import Scheduler
from paramgroups.schedules import Horizon
from paramgroups.state.matching import Hyperparameters
from paramgroups.state.report import Difference
from paramgroups.tables import show

Names = Sequence[Sequence[str]]
"""Of an optimizer's parameters, group by group."""


def driven_paths(optimizer: Optimizer, timed: Timed | None = None) -> list[set[str]]:
    """For each group the hyperparameters that schedules have, `"betas[0]"` for one of a tuple.

    Args:
        optimizer: whose groups are meant.
        timed: what one of its schedulers is to become.
    """
    lanes = [driver.lanes for driver in attached(optimizer) if timed is None or driver is not timed.scheduler._driver]
    lanes += [] if timed is None else [timed.lanes]
    return [{lane.path for own in lanes for lane in own[index]} for index in range(len(optimizer.param_groups))]


def state_by_name(scheduler: Scheduler, names: Names) -> dict[str, Any]:
    """A scheduler's state, its groups known by the names of their parameters, whoever gave these."""
    state = scheduler.state_dict()
    groups = [{**group, "parameters": list(own)} for group, own in zip(state["groups"], names, strict=True)]
    return {**state, "groups": groups}


@final
@dataclass(frozen=True)
class Timed:
    """A saved position that fits a scheduler, not yet put into it."""

    scheduler: Scheduler
    step: int
    lanes: list[list[Lane]]
    pasts: list[Past | None]
    assignments: Assignments
    horizon: Horizon | None
    differences: tuple[Difference, ...]

    def apply(self) -> None:
        """Go there; every value follows."""
        driver = self.scheduler._driver
        driver.assignments = self.assignments
        separate(driver.optimizer, self.lanes)
        driver.go_to(self.step, self.lanes, self.pasts)
        self.scheduler.horizon = self.horizon


def match_scheduler(
    scheduler: Scheduler, saved: Mapping[str, Any], names: Names, renamed: Mapping[str, str], policy: Hyperparameters
) -> Timed:
    """What a saved scheduler comes to in a live one: the position is the saved one, whatever the policy.

    Args:
        scheduler: the live one.
        saved: what `state_by_name` gave.
        names: of the optimizer's parameters.
        renamed: saved name of a parameter -> present name.
        policy: whose schedules, bases and horizon hold; the journal's entries come after either's bases.

    Raises:
        StateMismatchError: it does not fit.
        ClockError: the live one was detached.
        ClaimError, GroupNameError, UnknownHyperparameterError: the saved schedules drive what they cannot here.
    """
    driver = scheduler._driver
    driver.check_attached()
    saved = _renamed(saved, renamed)
    present = [{lane.path: lane.first.base for lane in own} for own in driver.lanes]
    step, pasts = from_state(saved, _stand_in(driver.optimizer, names), present if policy == "current" else None)
    own = written(driver.assignments)
    former = saved.get("schedules", own)
    differ = policy == "saved" and former != own
    assignments = _read(former) if differ else driver.assignments
    fresh = lanes_for(driver.optimizer, assignments)
    driver._check_claims(fresh)
    lanes = [[lane.after(bases, ()) for lane in own] for bases, own in zip(present, fresh, strict=True)]
    mine = _horizon(scheduler, pasts, policy)
    theirs = saved.get("horizon", mine and repr(mine))
    horizon = mine if policy == "current" else theirs and expressions.read(theirs)
    differences = (
        *_differences(_by_key(former), _by_key(own), policy),
        *_differences({"horizon": theirs}, {"horizon": mine and repr(mine)}, policy),
        *_base_differences(driver.optimizer, names, saved, present, pasts),
    )
    return Timed(scheduler, step, lanes, pasts, assignments, horizon, differences)


def _stand_in(optimizer: Optimizer, names: Names) -> Optimizer:
    """The same groups under these names, whatever names the optimizer itself knows."""
    groups = [{"params": group["params"]} for group in optimizer.param_groups]
    found = SGD(groups)
    pairs = [pair for own, group in zip(names, groups, strict=True) for pair in zip(group["params"], own, strict=True)]
    register(found, dict(pairs), [])
    return found


def _read(schedules: Any) -> Assignments:
    """The schedules that were written.

    Raises:
        StateMismatchError: one cannot be read.
    """
    try:
        return read_back(schedules)
    except ExpressionError as error:
        raise StateMismatchError(
            f"The saved schedules cannot be put back: {error}",
            "Keep those in your code: hyperparameters='current'.",
        ) from error


def _horizon(scheduler: Scheduler, pasts: list[Past | None], policy: Hyperparameters) -> Horizon | None:
    """The horizon that the live scheduler was made with, and then made longer as the saved journal says.

    Raises:
        StateMismatchError: the journal makes another one longer, and the present one is to hold.
    """
    own = next((entry for entry in scheduler.journal if isinstance(entry, Stretch)), None)
    first = scheduler.horizon if own is None else Horizon(own.old)
    try:
        return continued(first, pasts)
    except StateMismatchError:
        if policy == "current":
            raise
        return first


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
    optimizer: Optimizer,
    names: Names,
    saved: Mapping[str, Any],
    present: list[dict[str, float]],
    pasts: Iterable[Past | None],
) -> Iterator[Difference]:
    """Of each base set otherwise what it was in the end, what it is set to, and what holds after the journal."""
    step = saved["step"]
    groups = zip(saved["groups"], saved_pasts(saved), strict=True)
    homes = {name: past for group, past in groups for name in group["parameters"] or ()}
    for label, own, bases, past in zip(labels(optimizer), names, present, pasts, strict=True):
        sources = list({id(homes[name]): homes[name] for name in own if name in homes}.values())
        for path, base in bases.items():
            if any(source.bases.get(path, base) != base for source in sources):
                theirs = sorted({source.in_force(step)[path][0] for source in sources if path in source.bases})
                one = theirs[0] if len(theirs) == 1 else ", ".join(map(show, theirs))
                used = base if past is None else past.in_force(step)[path][0]
                yield Difference(f"base of {path}/{label.name}", one, base, used)

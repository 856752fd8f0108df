"""Schedules, a clock and a journal that together drive the hyperparameters of an optimizer's groups.

Knows which schedule drives what, and when; how a value comes about is the lanes' work.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from paramgroups.claims import Schedules, check_not_in_sequence, resolve, written
from paramgroups.clock import ClockKind
from paramgroups.driver import Driver, EditWarning, OnEdit
from paramgroups.errors import ClockError, HyperparameterValueError, UndrivenError
from paramgroups.hyperparameters import range_of, read
from paramgroups.inheritance import continued, from_state, to_state
from paramgroups.journal import Entry, Observe, Override, Rebase, Release, Reschedule, Restart, Stretch, history
from paramgroups.lanes import Lane
from paramgroups.params import chain_of
from paramgroups.schedules import Horizon, Linear, Schedule
from paramgroups.tables import Table, show

__all__ = ["EditWarning", "Scheduler"]

_NOT_0 = (
    "other than 0, for factors to multiply: write levels of its own, Linear(1000, start=Absolute(0.1), "
    "end=Absolute(0.0)), or go through the schedule once more, scheduler.restart()"
)


class Scheduler(LRScheduler):
    """Drives any numeric hyperparameter of any group of any optimizer by schedules.

    It ticks by the optimizer's own step hooks: the update number k, from 0, uses each schedule's value at k, which
    multiplies the group's own base (what stood in the group when the scheduler was made). A value written by hand
    between two updates is an edit: it is used by the next update, and solved for the base.

    Args:
        optimizer: any `torch.optim.Optimizer`.
        schedules: group (its name, a rule's name or a glob) -> hyperparameter -> schedule; later entries win over
            earlier ones and over the keywords; None leaves a hyperparameter alone. `"betas[0]"` is one entry of a
            tuple.
        horizon: how long the run is; needed where a duration is written as text.
        clock: `"optimizer"` counts optimizer steps that really happened; with `"manual"`, `step()` counts.
        on_edit: `"rebase"` solves edits for the base, `"raise"` forbids them.
        adopt: drive the optimizer although a torch scheduler was attached to it, which must no longer be stepped. A
            schedule that goes on from it, as that of `schedules.dialects.torch.from_torch`, has its base for its own:
            each group's `initial_lr`.
        stall_limit: `step()` calls without an optimizer step between after which the clock is taken to be dead.
        **hyperparameters: schedules for every group that has the hyperparameter.

    Raises:
        ClaimError: another scheduler drives one of these, or a torch scheduler is attached.
        GroupNameError, UnknownHyperparameterError: nothing is called so.
        HyperparameterValueError: what is to be driven is no number.
        ScheduledValueError: a schedule leads out of the hyperparameter's range.
        ScheduleError: a duration needs a horizon.

    Example:
        >>> import torch
        >>> from paramgroups.schedules import Linear, Warmup
        >>> net = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        >>> scheduler = Scheduler(optimizer, lr=Warmup(1).then(Linear(4)))
        >>> for _ in range(3):
        ...     print(optimizer.param_groups[0]["lr"])
        ...     optimizer.step()
        0.05
        0.1
        0.07500000000000001
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedules: Schedules | None = None,
        *,
        horizon: Horizon | None = None,
        clock: ClockKind = "optimizer",
        on_edit: OnEdit = "rebase",
        adopt: bool = False,
        stall_limit: int = 1000,
        **hyperparameters: Schedule | None,
    ) -> None:
        # torch's constructor is not called: it patches the optimizer's step. What it sets up is below, as properties.
        chain = chain_of(optimizer)
        if on_edit not in {"rebase", "raise"}:
            raise ValueError(f"on_edit={on_edit!r} is unknown.\nChoose 'rebase' or 'raise'.")
        _check_horizon(horizon)
        assignments = resolve(schedules or {}, hyperparameters, horizon)
        self.horizon = horizon
        self._driver = Driver(chain, assignments, clock, stall_limit, on_edit, adopt=adopt)
        lanes = self._driver.every_lane()
        if not lanes:
            raise TypeError("No schedule was given.\nGive one: Scheduler(optimizer, lr=Cosine(1000)).")
        for lane in {(lane.path, lane.first.schedule, lane.first.base): lane for lane in lanes}.values():
            ends = (lane.first.schedule.length, horizon.steps if horizon else None)
            lane.check(max((end for end in ends if end is not None), default=0))
        self._driver.attach()

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def optimizer(self) -> Optimizer:  # type: ignore[override]
        """The optimizer that is driven.

        Raises:
            ClockError: this is a copy, and was made without its optimizer; or torch's SequentialLR asks.
        """
        check_not_in_sequence(sys._getframe(1).f_code)
        return self._driver.optimizer

    @property
    def journal(self) -> tuple[Entry, ...]:
        """What was not planned, in order: edits, overrides, releases, rebases."""
        self._driver.notice()
        return tuple(self._driver.journal)

    def values(self) -> dict[str, float]:
        """What each driven hyperparameter is at the next update, by `hyperparameter/group`."""
        self._driver.notice()
        driven = zip(self.optimizer.param_groups, self._driver.lanes, strict=True)
        return {lane.name: read(group, lane.path) for group, own in driven for lane in own}

    def preview(self, steps: int | Iterable[int]) -> dict[str, NDArray[np.float64]]:
        """What each driven hyperparameter was and will be, as things stand now.

        Args:
            steps: how many updates from the first, or which ones (numbered from 0).

        Returns:
            `hyperparameter/group` -> one value an update.
        """
        self._driver.notice()
        wanted = np.arange(steps) if isinstance(steps, int) else np.asarray(list(steps), dtype=np.int64)
        return {lane.name: lane.values(wanted) for lane in self._driver.every_lane()}

    def get_last_lr(self) -> list[float]:  # type: ignore[override]  # torch may return tensors, we always floats
        """The lr of each group at the next update."""
        self._driver.notice()
        return [read(group, "lr") for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:  # type: ignore[override]  # as above
        """The same as `get_last_lr`: time is not moved by asking."""
        return self.get_last_lr()

    @property
    def base_lrs(self) -> list[float]:  # type: ignore[override]
        """The base of each group's lr; its lr where no schedule drives it."""
        self._driver.notice()
        driven = [{lane.path: lane.last.base for lane in own} for own in self._driver.lanes]
        groups = self.optimizer.param_groups
        return [bases.get("lr", read(group, "lr")) for bases, group in zip(driven, groups, strict=True)]

    @property
    def last_epoch(self) -> int:
        """How many updates have happened: k."""
        return self._driver.clock.step

    @last_epoch.setter
    def last_epoch(self, epoch: int) -> None:
        raise ClockError(
            f"scheduler.last_epoch = {epoch} tells the time, which is counted.",
            "To continue from another step, load a state. Schedules are chained, not schedulers: "
            "Warmup(500).then(Cosine(9500)).",
        )

    @property
    def _step_count(self) -> int:
        return self._driver.clock.step + 1

    @_step_count.setter
    def _step_count(self, count: int) -> None:
        """Torch's and accelerate's wrappers count up by hand: here updates are counted, whatever they say."""

    @property
    def _last_lr(self) -> list[float]:  # type: ignore[override]
        return self.get_last_lr()

    # --- changing -----------------------------------------------------------------------------------------------

    def step(self, epoch: int | None = None) -> None:
        """Check the clock (`clock="optimizer"`), or move it by one (`clock="manual"`).

        Raises:
            ClockStalledError: the optimizer makes no steps.
            ClockError: an `epoch` was given: time is counted, not told.
        """
        if epoch is not None:
            raise ClockError(
                f"scheduler.step({epoch}) tells the time, which is counted.",
                "Call scheduler.step(), or load a state to continue from another step.",
            )
        self._driver.check_attached()
        self._driver.check_alone()
        self._driver.notice()
        if self._driver.clock.kind == "manual":
            self._driver.clock.advance()
        else:
            self._driver.clock.checked()

    def override(
        self,
        group: str = "*",
        *,
        steps: int | None = None,
        until: int | None = None,
        scale: Mapping[str, float] | None = None,
        **values: float,
    ) -> None:
        """Put values in place of the schedules', or multiples of them, from the next update on.

        Args:
            group: a group's name, a rule's name or a glob.
            steps: for so many updates; until `release` where absent.
            until: up to, and without, this update.
            scale: hyperparameter -> what the schedule's value is multiplied by meanwhile.
            **values: hyperparameter -> value.

        Raises:
            UndrivenError, HyperparameterValueError, GroupNameError, ValueError: nothing is changed then.
        """
        now = self.last_epoch
        whole = all(each is None or (isinstance(each, int) and not isinstance(each, bool)) for each in (steps, until))
        end = until if steps is None or not whole else now + steps
        if not whole or (steps is not None and until is not None) or (end is not None and end <= now):
            raise ValueError(
                f"override(steps={steps!r}, until={until!r}) at step {now} does not say when it ends.\n"
                "Give one of them, a whole number: steps > 0, or a later update."
            )
        if scale is not None and not isinstance(scale, Mapping):
            raise TypeError(f"scale={scale!r} does not say of what.\nName it: scale={{'lr': {scale!r}}}.")
        scales = scale or {}
        if not values.keys() ^ scales.keys() or values.keys() & scales.keys():
            raise ValueError(
                f"override({group!r}, scale={scale!r}, **{values!r}) does not say what is to stand there.\n"
                "Give each hyperparameter a value, lr=1e-3, or a scale, scale={'lr': 0.5}."
            )
        found: list[tuple[Lane, Entry]] = []
        for lane in self._driver.lanes_of(group, {**values, **scales}):
            if lane.path in values:
                entry = Override(**lane.at(now), value=_check(lane, values[lane.path]), until=end)
            else:
                entry = Override(**lane.at(now), scale=_real(lane, scales[lane.path]), until=end)
                lane.after({}, [*lane.entries, entry]).check(end or now + (lane.last.schedule.length or 0))
            found.append((lane, entry))
        self._driver.enter(found)

    def release(self, group: str = "*", *hyperparameters: str) -> None:
        """Let the schedules have their values again, from the next update on.

        Args:
            group: a group's name, a rule's name or a glob.
            *hyperparameters: which; all that are driven where absent.

        Raises:
            UndrivenError, GroupNameError: nothing is changed then.
        """
        now = self.last_epoch
        self._driver.enter([(lane, Release(**lane.at(now))) for lane in self._driver.lanes_of(group, hyperparameters)])

    def restart(self, group: str = "*", *hyperparameters: str) -> None:
        """Start the schedules from their beginning, at the next update: for a group that was added later, say.

        Args:
            group: a group's name, a rule's name or a glob.
            *hyperparameters: which; all that are driven where absent.

        Raises:
            UndrivenError, GroupNameError: nothing is changed then.
        """
        now = self.last_epoch
        self._driver.enter([(lane, Restart(**lane.at(now))) for lane in self._driver.lanes_of(group, hyperparameters)])

    def rebase(self, group: str = "*", **bases: float) -> None:
        """Set what the schedules multiply, from the next update on.

        Args:
            group: a group's name, a rule's name or a glob.
            **bases: hyperparameter -> base.

        Raises:
            UndrivenError, HyperparameterValueError, GroupNameError: nothing is changed then.
            ScheduledValueError, UndefinedValueError: nor where the schedule has no value for it, now or later.
        """
        if not bases:
            raise ValueError("rebase() sets nothing.\nGive a base: scheduler.rebase('head', lr=1e-3).")
        now = self.last_epoch
        found: list[tuple[Lane, Entry]] = []
        for lane in self._driver.lanes_of(group, bases):
            base = _check(lane, bases[lane.path])
            entry = Rebase(**lane.at(now), old=lane.last.base, new=base)
            lane.after({}, [*lane.entries, entry]).check(lane.last.origin + (lane.last.schedule.length or 0))
            found.append((lane, entry))
        self._driver.enter(found)

    def observe(self, metric: float | Tensor) -> None:
        """Let every `Plateau` know of a metric, which counts from the next update on; NaN and inf are no improvement.

        Raises:
            UndrivenError: no schedule has a `Plateau`.
            TypeError: `metric` is no number.
        """
        self._driver.notice()
        lanes = [lane for lane in self._driver.every_lane() if lane.last.schedule.driven_by_metric]
        if not lanes:
            driven = [lane.name for lane in self._driver.every_lane()]
            way_out = "A Plateau multiplies what it is to reduce: Scheduler(optimizer, lr=Cosine(1000) * Plateau())."
            raise UndrivenError("anything by a metric, as no schedule has a Plateau", driven, way_out)
        one = isinstance(metric, Tensor) and metric.numel() == 1
        if isinstance(metric, bool) or not (one or isinstance(metric, Real)):
            raise TypeError(f"observe({metric!r}) is given no number.\nGive a loss or a score: observe(0.25).")
        now = self.last_epoch
        value = float(metric.item() if isinstance(metric, Tensor) else metric)
        self._driver.enter([(lane, Observe(**lane.at(now), metric=value)) for lane in lanes])

    def reschedule(self, group: str = "*", *, horizon: Horizon | None = None, **schedules: Schedule) -> None:
        """Change what is to come, from the next update on, without a jump.

        With a new `horizon`, what was due at the end of the old is due at the end of the new: what is left of each
        schedule takes longer, or less long. With schedules, each counts from here and multiplies the present value;
        its `"rest"` is what the horizon leaves.

        Args:
            group: a group's name, a rule's name or a glob; a new horizon is for all.
            horizon: how long the whole run is now.
            **schedules: hyperparameter -> what comes next; made of shapes that can be written down, so no `Function`.

        Raises:
            UndrivenError, GroupNameError, ScheduleError, ExpressionError, ScheduledValueError: nothing is changed then.
        """
        if horizon is None and not schedules:
            raise ValueError("reschedule() changes nothing.\nGive a new horizon=, or schedules: lr=Linear(1000).")
        _check_horizon(horizon)
        for path, given in schedules.items():
            if not isinstance(given, Schedule):
                raise TypeError(f"{path} is given {given!r}, which is no schedule.\nWrite a shape: Linear(1000).")
        now = self.last_epoch
        total = horizon or self.horizon
        left = None if total is None else Horizon(steps=max(total.steps - now, 1))
        tails = {path: schedule if left is None else schedule.resolve(left) for path, schedule in schedules.items()}
        lanes = self._driver.lanes_of(group, tails) if tails else []
        found = self._stretched(now, horizon, apart_from=lanes) if horizon else []
        for lane in lanes:
            if lane.scheduled(now) == 0.0 and not tails[lane.path].absolute:
                raise HyperparameterValueError(
                    lane.path, 0.0, f"group {lane.group!r}, where update {now} stands", _NOT_0
                )
            tail = Reschedule(**lane.at(now), schedule=repr(tails[lane.path]), base=lane.scheduled(now))
            lane.after({}, [*lane.entries, tail]).check(now + (tails[lane.path].length or 0))
            found.append((lane, tail))
        self._driver.enter(found)
        self.horizon = total

    def cooldown(self, steps: int, group: str = "*", *, end: float = 0.0, hyperparameter: str = "lr") -> None:
        """Start the decay of a warmup-stable-decay run now: a line from the present value to `end` times it.

        Args:
            steps: how long, in updates.
            group: a group's name, a rule's name or a glob.
            end: the fraction of the present value that is reached.
            hyperparameter: what decays.

        Raises:
            UndrivenError, GroupNameError, ScheduleError: nothing is changed then.
        """
        schedules: dict[str, Any] = {hyperparameter: Linear(steps, end=end)}
        self.reschedule(group, **schedules)

    def history(self) -> Table:
        """What was not planned, as a table: when, where and what.

        Example:
            >>> import torch
            >>> from paramgroups.schedules import Linear
            >>> scheduler = Scheduler(torch.optim.SGD([torch.zeros(1)], lr=0.1), lr=Linear(4))
            >>> scheduler.rebase(lr=0.2)
            >>> print(scheduler.history())
            step  hyperparameter  what
               0  lr/group0       rebase old 0.1, new 0.2
        """
        return history(self.journal)

    def detach(self, *, restore: bool = False) -> None:
        """Stop driving, and give up every claim.

        Args:
            restore: put back the bases, so that another scheduler may start from them; else the groups keep their
                present values, which another would take for its bases.
        """
        self._driver.detach(restore=restore)

    def table(self) -> Table:
        """What is driven: each hyperparameter of each group, its value at the next update, its base, its schedule."""
        values = self.values()
        lanes = self._driver.every_lane()
        rows = [(e.name, show(values[e.name]), show(e.last.base), repr(e.last.schedule)) for e in lanes]
        return Table(("hyperparameter", "now", "base", "schedule"), tuple(rows), f"Before update {self.last_epoch}")

    def __str__(self) -> str:
        return str(self.table())

    def __rich__(self) -> Any:
        return self.table().__rich__()

    # --- saving -------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The position, the bases and the journal, as JSON could hold them.

        Schedules and horizon are written beside, to be compared by: what is loaded are position, bases and journal.
        """
        self._driver.notice()
        state = to_state(self.optimizer, self.last_epoch, self._driver.lanes, self._driver.journal)
        horizon = None if self.horizon is None else repr(self.horizon)
        return {**state, "schedules": written(self._driver.assignments), "horizon": horizon}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go to the position of `state_dict`, with its bases and journal; every value follows at once.

        Groups are found by the names of their parameters, so that they may have been split, renamed or reordered; by
        position where parameters have no names. It does not matter whether the optimizer is loaded before or after.

        Raises:
            StateMismatchError: the state does not fit, or is none of ours; nothing is changed then.
        """
        self._driver.check_attached()
        self._driver.follow()
        step, pasts = from_state(state_dict, self.optimizer)
        horizon = continued(self.horizon, pasts)
        self._driver.go_to(step, [[lane.after({}, ()) for lane in own] for own in self._driver.lanes], pasts)
        self.horizon = horizon

    # --- parts of the above -------------------------------------------------------------------------------------

    def _stretched(self, now: int, horizon: Horizon, apart_from: Sequence[Lane]) -> list[tuple[Lane, Entry]]:
        old = self.horizon.steps if self.horizon else None
        if old is None or not now < old or not now < horizon.steps:
            problem = "the scheduler was made without one" if old is None else f"update {now} of {old} is next"
            raise ClockError(
                f"The run cannot be made {horizon.steps} updates long: {problem}.",
                "Both the old and the new end must lie ahead. To go through the schedules once more: "
                "scheduler.restart(); for others, scheduler.reschedule(lr=Linear(1000)), or where the value is 0, "
                "scheduler.reschedule(lr=Linear(1000, start=Absolute(0.1), end=Absolute(0.0))).",
            )
        ends = {"old": old, "new": horizon.steps}
        lanes = [lane for lane in self._driver.every_lane() if lane not in apart_from]
        return [(lane, Stretch(**lane.at(now), **ends)) for lane in lanes]


def beneath(scheduler: object) -> Scheduler | None:
    """The scheduler of ours in what wraps it, as accelerate does; None where there is none."""
    while not isinstance(scheduler, Scheduler) and hasattr(scheduler, "scheduler"):
        scheduler = scheduler.scheduler
    return scheduler if isinstance(scheduler, Scheduler) else None


def _check(lane: Lane, value: float) -> float:
    """`value` as a float, where the hyperparameter could have it.

    Raises:
        HyperparameterValueError: it could not.
    """
    if _real(lane, value) not in range_of(lane.path):
        raise HyperparameterValueError(lane.path, value, f"group {lane.group!r}", str(range_of(lane.path)))
    return float(value)


def _real(lane: Lane, value: object) -> float:
    """`value` as a float, where it is a finite number.

    Raises:
        HyperparameterValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise HyperparameterValueError(lane.path, value, f"group {lane.group!r}", str(range_of(lane.path)))
    return float(value)


def _check_horizon(horizon: object) -> None:
    if horizon is not None and not isinstance(horizon, Horizon):
        raise TypeError(f"horizon={horizon!r} is no Horizon.\nWrite how long the run is: Horizon(steps=1000).")

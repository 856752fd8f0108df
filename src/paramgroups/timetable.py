"""What is frozen when: parameters thawed and frozen at moments of a run, on its scheduler's clock.

Knows moments, selections and groups; what freezing is, `holds` knows, and what a warm-up does to a value, a lane.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from paramgroups.announcements import taken
from paramgroups.driver import Driver
from paramgroups.errors import FreezeError, StateMismatchError, described, listing
from paramgroups.freezing import check_grouped, check_leaves_out, check_synchronised
from paramgroups.holds import Hold, discarding, hold, holds_of, release, settle
from paramgroups.journal import Entry, Thaw
from paramgroups.lanes import Lane
from paramgroups.moments import Event, Given, dues, of_entry, of_plan, stages
from paramgroups.params import known, labels, named, unwrapped
from paramgroups.scheduler import Scheduler, beneath
from paramgroups.schedules import Horizon
from paramgroups.tables import Table

VERSION = 1


@final
class Timetable:
    """Thaws and freezes parameters at moments of the run, by the clock of its scheduler.

    What is thawed first is frozen until then; it is in its group all the while, and keeps the state it has. An event
    counts before the update whose number it names, from 0, wherever the run was resumed. When the scheduler is given
    another horizon, events that lie ahead move with its schedules.

    Args:
        model: whose parameters they are; the wrapped one, where it is wrapped.
        optimizer: the one that trains them.
        scheduler: by whose clock it goes, and whose lr a warm-up multiplies.
        events: a selection, `"thaw"` or `"freeze"`, and when: an update's number, or text such as `"2 epochs"` or
            `"10%"`; for a thaw then perhaps a warm-up: updates, such text, or a schedule of factors. Those that a plan
            announced, `Rule(..., frozen=True, thaw=...)`, come of themselves.

    Raises:
        FreezeError: there is no event, one changes nothing, or what it selects cannot be frozen and thawed.
        NothingSelectedError: a selection finds nothing.
        DurationError, UnresolvedDurationError: a moment is none, or needs the scheduler's horizon.

    Example:
        >>> import torch
        >>> from paramgroups.plan import Plan, Rule
        >>> from paramgroups.schedules import Constant
        >>> net = nn.ModuleDict({"stem": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
        >>> optimizer = Plan(Rule("stem.*", name="stem"), lr=0.1).build(net, torch.optim.SGD)
        >>> timetable = Timetable(net, optimizer, Scheduler(optimizer, lr=Constant()), [("stem.*", "thaw", 20, 4)])
        >>> print(timetable)
        At update 0, frozen: 2 of 4 tensors
        before update  what  parameters  tensors  warm-up    stands
                   20  thaw  'stem.*'          2  Warmup(4)  ahead
    """

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, scheduler: Scheduler, events: Iterable[Given] = ()
    ) -> None:
        self._model = model
        self._optimizer = unwrapped(optimizer)
        self._scheduler = _ours(scheduler, self._optimizer)
        self._driver.check_attached()
        if any(isinstance(getattr(each, "__self__", None), Timetable) for each in self._driver.followers):
            raise FreezeError("The scheduler has a timetable already.", "Let that one go first: its detach().")
        check_leaves_out(self._optimizer)
        known(self._optimizer, model)
        params = named(model)
        found = [*of_plan(self._scheduler), *(of_entry(each, params, self._scheduler) for each in events)]
        if not found:
            raise FreezeError(
                "A timetable has no event.",
                "Say what happens when, Timetable(..., [('stem.*', 'thaw', 1000)]), or in the plan: Rule(..., "
                "frozen=True, thaw=1000).",
            )
        self.events = tuple(sorted(found, key=lambda event: event.step))
        self._moments = sorted({event.step for event in self.events})
        self._stages = stages(self.events)
        for event in self.events:
            self._warming(event, event.step)
        timed = frozenset[str]().union(*(event.names for event in self.events))
        own = [param for param in params if param.name in timed]
        check_grouped(own, self._optimizer)
        check_synchronised(own)
        self._discards = discarding(own, self._optimizer)
        taken(self._optimizer)
        self._stage = 0
        for param in own:
            if not holds_of(param):
                param.parameter.requires_grad_(
                    True
                )  # where it was frozen by hand, the events say from now on until when
            if param.name in self._stages[0]:
                hold([param], self._stages[0][param.name], self._discards)
        settle(model)
        self._attach()

    # --- looking ------------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> Horizon | None:
        """How long the run is, as the scheduler knows."""
        return self._scheduler.horizon

    def table(self) -> Table:
        """Every event: before which update it is due, what it does, and whether it lies ahead."""
        step = self._driver.clock.step
        rows = [
            (
                str(due),
                event.what,
                event.source,
                f"{len(event.names):,}",
                repr(event.warmup) if event.warmup else "—",
                "ahead" if due > step else "done",
            )
            for event, due in zip(self.events, self._due(event.step for event in self.events), strict=True)
        ]
        params = known(self._optimizer, self._model)
        still = sum(bool(holds_of(param)) for param in params)
        title = f"At update {step:,}, frozen: {still:,} of {len(params):,} tensors"
        return Table(("before update", "what", "parameters", "tensors", "warm-up", "stands"), tuple(rows), title)

    def __str__(self) -> str:
        return str(self.table())

    def __rich__(self) -> Any:
        return self.table().__rich__()

    def preview(self, steps: int | Iterable[int]) -> dict[str, NDArray[np.float64]]:
        """As `Scheduler.preview`, with the warm-ups of thaws that lie ahead.

        Args:
            steps: how many updates from the first, or which ones (numbered from 0).

        Returns:
            `hyperparameter/group` -> one value an update.
        """
        found = self._scheduler.preview(steps)
        wanted = np.arange(steps) if isinstance(steps, int) else np.asarray(list(steps), dtype=np.int64)
        ahead: dict[str, tuple[Lane, list[Entry]]] = {}
        for event in self.events:
            due = self._due([event.step])[0]
            for lane, entry in self._warming(event, due) if due > self._driver.clock.step else ():
                ahead.setdefault(lane.name, (lane, []))[1].append(entry)
        for name, (lane, entries) in ahead.items():
            found[name] = lane.after({}, [*lane.entries, *entries]).values(wanted)
        return found

    def frozen(self, steps: int | Iterable[int]) -> dict[str, NDArray[np.float64]]:
        """Of each group, which share of its parameters the timetable holds frozen at these updates.

        Args:
            steps: how many updates from the first, or which ones (numbered from 0).
        """
        wanted = np.arange(steps) if isinstance(steps, int) else np.asarray(list(steps), dtype=np.int64)
        places = np.searchsorted(self._due(self._moments), wanted, side="right")
        found = {}
        for name, own in self._names().items():
            shares = np.array([sum(each in stage for each in own) / len(own) for stage in self._stages])
            found[name] = shares[places]
        return found

    # --- saving -------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What is frozen and why, by name, as JSON could hold it: parameters frozen and thawed by hand, too."""
        now, frozen = self._stages[self._stage], {}
        for param in named(self._model):
            held = [each for each in holds_of(param) if not each.for_good]
            if held:
                frozen[param.name] = [[each.reason, each.batch_norm, each == now.get(param.name)] for each in held]
        return {"version": VERSION, "events": self._written(), "stage": self._stage, "frozen": frozen}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Freeze and thaw what was, before or after the scheduler is loaded.

        Where the events are others by now, these say what is due when, and only what was done by hand is taken over.

        Raises:
            StateMismatchError: it is no state of ours, or names parameters that are not here. Nothing is changed then.
        """
        events, stage, frozen = _checked(state_dict)
        params = {param.name: param for param in named(self._model)}
        foreign = frozen.keys() - params.keys()
        if foreign:
            raise StateMismatchError(
                f"The timetable froze {listing(sorted(foreign))}, which this model does not have.",
                "Load it into the model it was made for, or do without: the events say what is due when.",
            )
        same = events == self._written()
        self._stage = stage if same else self._stage
        now = {} if same else self._stages[self._stage]
        for name, param in params.items():
            wanted = [why for why, is_timed in frozen.get(name, ()) if same or not is_timed]
            wanted += [now[name]] if name in now else []
            for each in holds_of(param):
                if each not in wanted and not each.for_good:
                    release([param], each)
            for each in wanted:
                hold([param], each, self._discards)
        settle(self._model)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._attach()

    def detach(self) -> None:
        """Let go of the clock: what is frozen stays so, and nothing more happens."""
        self._driver.followers = [each for each in self._driver.followers if each != self._follow]

    # --- parts of the above -------------------------------------------------------------------------------------

    @property
    def _driver(self) -> Driver:
        return self._scheduler._driver

    def _attach(self) -> None:
        self._known: tuple[Sequence[Entry], int, list[int]] = ((), 0, [])
        self._driver.followers.append(self._follow)
        self._follow()

    def _follow(self) -> None:
        """Do what has become due since the clock was last looked at; undo it where it was set back."""
        step, journal = self._driver.clock.step, self._driver.journal
        if self._known[0] is not journal or self._known[1] != len(journal):
            self._known = journal, len(journal), self._due(self._moments)
        stage = bisect_right(self._known[2], step)
        if stage != self._stage:
            self._go_to(stage, step)

    def _go_to(self, stage: int, step: int) -> None:
        warming = [self._warming(event, step) for event in self.events if self._due([event.step]) == [step]]
        before, now = self._stages[self._stage], self._stages[stage]
        params = {param.name: param for param in named(self._model)}
        for name, why in before.items():
            if now.get(name) != why:
                release([params[name]], why)
        for name, why in now.items():
            if before.get(name) != why:
                hold([params[name]], why, self._discards)
        settle(self._model)
        self._stage = stage
        entered = [(lane, entry) for each in warming for lane, entry in each if entry not in lane.entries]
        if entered:
            self._driver.enter(entered)

    def _due(self, steps: Iterable[int]) -> list[int]:
        """Before which updates it is due what was planned for these."""
        return dues(steps, self._driver.journal)

    def _warming(self, event: Event, step: int) -> list[tuple[Lane, Entry]]:
        """The entries by which the lr of what is thawed warms up, each for its lane.

        Raises:
            FreezeError: a group holds other parameters too, or its lr follows no schedule.
        """
        found: list[tuple[Lane, Entry]] = []
        for index, (group, own) in enumerate(self._names().items()) if event.warmup else ():
            others = [name for name in own if name not in event.names]
            if len(others) < len(own):
                lane = _lane(event, group, others, self._driver.lanes[index])
                found.append((lane, Thaw(**lane.at(step), warmup=repr(event.warmup))))
        return found

    def _names(self) -> dict[str, list[str]]:
        """The names of each group's parameters."""
        names = {id(param.parameter): param.name for param in named(self._model)}
        groups = zip(labels(self._optimizer), self._optimizer.param_groups, strict=True)
        return {label.name: [names[id(parameter)] for parameter in group["params"]] for label, group in groups}

    def _written(self) -> list[list[Any]]:
        """The events, as JSON could hold them."""
        return [[each.source, each.what, each.step, repr(each.warmup), sorted(each.names)] for each in self.events]


def _lane(event: Event, group: str, others: list[str], lanes: Iterable[Lane]) -> Lane:
    """The lane whose lr warms up.

    Raises:
        FreezeError: the group holds other parameters too, or its lr follows no schedule.
    """
    if others:
        raise FreezeError(
            f"Group {group!r} holds {listing(others, most=3)} besides what {event.source} thaws, and would warm up "
            "as a whole.",
            "Put what is thawed into a group of its own: Rule(..., name=...) in the plan, or "
            "pg.regroup.split(optimizer, ..., name=...).",
        )
    for lane in lanes:
        if lane.path == "lr":
            return lane
    raise FreezeError(
        f"The lr of group {group!r} follows no schedule, so that nothing would warm up.",
        "Give it one: Scheduler(optimizer, lr=Constant()).",
    )


def _ours(scheduler: object, optimizer: Optimizer) -> Scheduler:
    """The scheduler, beneath what wraps it, if it drives the optimizer.

    Raises:
        TypeError: it is none of ours.
        FreezeError: it drives another optimizer.
    """
    found = beneath(scheduler)
    if found is None:
        raise TypeError(
            f"{described(scheduler)} is given for a paramgroups Scheduler.\n"
            "First model, then optimizer, then scheduler: Timetable(model, optimizer, scheduler, events)."
        )
    if found.optimizer is not optimizer:
        raise FreezeError("The scheduler drives another optimizer.", "Give the one it was made for.")
    return found


def _checked(state: Mapping[str, Any]) -> tuple[Any, int, dict[str, list[tuple[Hold, bool]]]]:
    """Of a saved timetable the events, how many moments were over, and what was frozen: why, and if they say so."""
    try:
        if state["version"] != VERSION:
            raise StateMismatchError(
                f"The state has version {state['version']}, and this version of paramgroups reads {VERSION}.",
                "Load it with the version that wrote it.",
            )
        frozen = {
            str(name): [(Hold(str(reason), bool(norm)), bool(is_timed)) for reason, norm, is_timed in own]
            for name, own in state["frozen"].items()
        }
        return state["events"], int(state["stage"]), frozen
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateMismatchError(
            f"This is no state of a timetable: {type(error).__name__} {error}.",
            "Load what Timetable.state_dict() returned.",
        ) from error

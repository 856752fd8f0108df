"""Schedules, a clock and a journal that together drive the hyperparameters of an optimizer's groups.

Knows which schedule drives what, and when; how a value comes about is the lanes' work.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import is_
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from paramgroups.clock import Clock, ClockKind
from paramgroups.errors import (
    ClaimError,
    ClockError,
    EditError,
    HyperparameterValueError,
    StateMismatchError,
    UndrivenError,
    UnknownHyperparameterError,
    nearest,
)
from paramgroups.hyperparameters import RESERVED, own_copy, range_of, read, split
from paramgroups.journal import Entry, Override, Rebase, Release, from_json, to_json
from paramgroups.lanes import Bank, Course, Lane
from paramgroups.params import Label, labels, parameter_names, register
from paramgroups.schedules import Horizon, Schedule
from paramgroups.views import lookup, view

Schedules: TypeAlias = Mapping[str, Mapping[str, Schedule | None]]

_VERSION = 1
_UNBOUNDED = 10_000  # steps over which an open-ended schedule is tried before it drives anything
_GROWTH = 10.0  # an edit that multiplies the base by more than this is worth a word

_ATTACHED: weakref.WeakKeyDictionary[Optimizer, list[weakref.ref[Scheduler]]] = weakref.WeakKeyDictionary()


class EditWarning(UserWarning):
    """An edit by hand came to something that may not have been meant."""


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
        adopt: drive the optimizer although a torch scheduler was attached to it, which must no longer be stepped.
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
        on_edit: Literal["rebase", "raise"] = "rebase",
        adopt: bool = False,
        stall_limit: int = 1000,
        **hyperparameters: Schedule | None,
    ) -> None:
        # torch's constructor is not called: it patches the optimizer's step. What it sets up is below, as properties.
        view(optimizer)
        if on_edit not in {"rebase", "raise"}:
            raise ValueError(f"on_edit={on_edit!r} is unknown.\nChoose 'rebase' or 'raise'.")
        self.optimizer = optimizer
        self.horizon = horizon
        self.on_edit = on_edit
        self._courses = _resolved(schedules or {}, hyperparameters, horizon)
        if hasattr(optimizer.step, "_wrapped_by_lr_sched") and not adopt:
            raise ClaimError(
                "The optimizer",
                "a scheduler of torch",
                "Two schedulers would overwrite each other: use one. If torch's is no longer stepped, pass adopt=True.",
            )
        self._lanes: list[list[Lane]] = []
        self._journal: list[Entry] = []
        lanes = self._claims(optimizer.param_groups, [label.name for label in labels(optimizer)])
        if not any(lanes):
            raise ClaimError("Nothing", "this scheduler", "Give it a schedule: Scheduler(optimizer, lr=Cosine(1000)).")
        self._check_claims(lanes)
        for lane in (lane for own in lanes for lane in own):
            lane.check(self._last_step(lane.course.schedule))
        self._separate(lanes)
        self._lanes = lanes
        self._attach(clock, stall_limit)

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def journal(self) -> tuple[Entry, ...]:
        """What was not planned, in order: edits, overrides, releases, rebases."""
        self._notice()
        return tuple(self._journal)

    def values(self) -> dict[str, float]:
        """What each driven hyperparameter is at the next update, by `hyperparameter/group`."""
        self._notice()
        return {lane.name: lane.value(self.last_epoch) for lane in self._all()}

    def preview(self, steps: int | Iterable[int]) -> dict[str, NDArray[np.float64]]:
        """What each driven hyperparameter was and will be, as things stand now.

        Args:
            steps: how many updates from the first, or which ones (numbered from 0).

        Returns:
            `hyperparameter/group` -> one value an update.
        """
        self._notice()
        wanted = np.arange(steps) if isinstance(steps, int) else np.asarray(list(steps), dtype=np.int64)
        return {lane.name: lane.values(wanted) for lane in self._all()}

    def get_last_lr(self) -> list[float]:  # type: ignore[override]  # torch may return tensors, we always floats
        """The lr of each group at the next update."""
        self._notice()
        return [read(group, "lr") for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:  # type: ignore[override]  # as above
        """The same as `get_last_lr`: time is not moved by asking."""
        return self.get_last_lr()

    @property
    def base_lrs(self) -> list[float]:  # type: ignore[override]
        """The base of each group's lr; its lr where no schedule drives it."""
        driven = [{lane.path: lane.base for lane in own} for own in self._lanes]
        return [bases.get("lr", read(group, "lr")) for bases, group in zip(driven, self._groups, strict=True)]

    @property
    def last_epoch(self) -> int:  # type: ignore[override]
        """How many updates have happened: k."""
        return self._clock.step

    @property
    def _step_count(self) -> int:  # type: ignore[override]
        return self._clock.step + 1

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
        if self._clock.kind == "manual":
            self._clock.advance()
        else:
            self._clock.checked()

    def override(self, group: str = "*", *, steps: int | None = None, **values: float) -> None:
        """Put values in place of the schedules', from the next update on.

        Args:
            group: a group's name, a rule's name or a glob.
            steps: for so many updates; until `release` where absent.
            **values: hyperparameter -> value.

        Raises:
            UndrivenError, HyperparameterValueError, GroupNameError: nothing is changed then.
        """
        now = self.last_epoch
        until = None if steps is None else now + steps
        self._enter(group, values, lambda lane, value: Override(
            step=now, group=lane.group, hyperparameter=lane.path, value=value, until=until
        ))  # fmt: skip

    def release(self, group: str = "*", *hyperparameters: str) -> None:
        """Let the schedules have their values again, from the next update on.

        Args:
            group: a group's name, a rule's name or a glob.
            *hyperparameters: which; all that are driven where absent.

        Raises:
            UndrivenError, GroupNameError: nothing is changed then.
        """
        now = self.last_epoch
        paths = hyperparameters or dict.fromkeys(
            lane.path for index in lookup(self.optimizer, group) for lane in self._lanes[index]
        )
        self._enter(group, dict.fromkeys(paths, 0.0), lambda lane, _: Release(
            step=now, group=lane.group, hyperparameter=lane.path
        ))  # fmt: skip

    def rebase(self, group: str = "*", **bases: float) -> None:
        """Set what the schedules multiply, from the next update on.

        Args:
            group: a group's name, a rule's name or a glob.
            **bases: hyperparameter -> base.

        Raises:
            UndrivenError, HyperparameterValueError, GroupNameError: nothing is changed then.
        """
        now = self.last_epoch
        self._enter(group, bases, lambda lane, value: Rebase(
            step=now, group=lane.group, hyperparameter=lane.path, old=lane.base, new=value
        ))  # fmt: skip

    def detach(self) -> None:
        """Stop driving, and give up every claim; the groups keep their present values."""
        self._notice()
        self._clock.stop()
        others = [ref for ref in _ATTACHED.get(self.optimizer, []) if ref() is not self]
        _ATTACHED[self.optimizer] = others

    # --- saving -------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The position, the bases and the journal, as JSON could hold them; schedules are not state."""
        self._notice()
        saved = []
        for label, group, lanes in zip(labels(self.optimizer), self._groups, self._lanes, strict=True):
            saved.append(
                {
                    "name": label.name,
                    "parameters": parameter_names(self.optimizer, group),
                    "size": len(group["params"]),
                    "bases": {lane.path: lane.first_base for lane in lanes},
                }
            )
        return {
            "version": _VERSION,
            "step": self.last_epoch,
            "groups": saved,
            "journal": [to_json(entry) for entry in self._journal],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go to the position of `state_dict`, with its bases and journal; every value follows at once.

        Groups are found by the names of their parameters, so that they may have been split, renamed or reordered; by
        position where parameters have no names. It does not matter whether the optimizer is loaded before or after.

        Raises:
            StateMismatchError: the state does not fit, or is none of ours; nothing is changed then.
        """
        step, bases, journal = _fitted(state_dict, self.optimizer, labels(self.optimizer))
        for index, own in enumerate(self._lanes):
            fresh = []
            for lane in own:
                new = Lane(lane.group, lane.path, lane.course, bases[index].get(lane.path, lane.first_base))
                for entry in journal:
                    if (entry.group, entry.hyperparameter) == (lane.group, lane.path):
                        new.add(entry)
                fresh.append(new)
            self._lanes[index] = fresh
        self._journal = journal
        self._clock.step = step
        self._rewrite()

    def __getstate__(self) -> dict[str, Any]:
        self._notice()
        table = [parameter_names(self.optimizer, group) for group in self._groups]
        kept = {"optimizer", "horizon", "on_edit", "_courses", "_lanes", "_journal"}
        return {
            **{key: value for key, value in self.__dict__.items() if key in kept},
            "clock": (self._clock.kind, self._clock.stall_limit, self._clock.step),
            "names": table,
            "labels": labels(self.optimizer),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        kind, stall_limit, step = state.pop("clock")
        names: list[list[str] | None] = state.pop("names")
        known: list[Label] = state.pop("labels")
        self.__dict__.update(state)
        groups = self.optimizer.param_groups
        if all(own is not None for own in names):
            by_tensor = {
                p: n for g, own in zip(groups, names, strict=True) for p, n in zip(g["params"], own or (), strict=True)
            }
            register(self.optimizer, by_tensor, [(g["params"], label) for g, label in zip(groups, known, strict=True)])
        self._attach(kind, stall_limit, step)

    # --- parts of the above -------------------------------------------------------------------------------------

    def _all(self) -> Iterable[Lane]:
        return (lane for own in self._lanes for lane in own)

    def _claims(self, groups: list[dict[str, Any]], names: list[str]) -> list[list[Lane]]:
        """A lane for each hyperparameter of each group that a schedule drives."""
        wanted: list[dict[str, Course | None]] = [{} for _ in groups]
        for key, courses in self._courses:
            found = range(len(groups)) if key is None else lookup(self.optimizer, key)
            for path, course in courses.items():
                name = split(path)[0]
                having = [index for index in found if name in groups[index] and name not in RESERVED]
                if not having:
                    known = sorted({k for group in groups for k in group} - RESERVED)
                    where = "the scheduler" if key is None else f"the scheduler's {key!r}"
                    kind = type(self.optimizer).__name__
                    raise UnknownHyperparameterError(path, where, kind, nearest(name, known), known)
                for index in having:
                    wanted[index][path] = course
        return [
            [Lane(name, path, course, _base(group, path, name)) for path, course in own.items() if course is not None]
            for name, group, own in zip(names, groups, wanted, strict=True)
        ]

    def _check_claims(self, lanes: list[list[Lane]]) -> None:
        for other in filter(None, (ref() for ref in _ATTACHED.get(self.optimizer, []))):
            held = {(i, lane.path) for i, own in enumerate(other._lanes) for lane in own}
            for index, own in enumerate(lanes):
                for lane in own:
                    if (index, lane.path) in held:
                        raise ClaimError(
                            f"{lane.path} of group {lane.group!r}",
                            f"another Scheduler (at step {other.last_epoch})",
                            "Let that one go first, its detach(), or leave this out: two would overwrite each other.",
                        )

    def _separate(self, lanes: list[list[Lane]]) -> None:
        """One tensor a group: torch shares a default tensor between all of them."""
        seen: set[int] = set()
        for group, own in zip(self.optimizer.param_groups, lanes, strict=True):
            for name in {split(lane.path)[0] for lane in own}:
                if id(group[name]) in seen and not isinstance(group[name], (int, float)):
                    group[name] = own_copy(group[name])
                seen.add(id(group[name]))

    def _last_step(self, schedule: Schedule) -> int:
        ends = [schedule.length, self.horizon.steps if self.horizon else None]
        return max((end for end in ends if end is not None), default=_UNBOUNDED)

    def _attach(self, kind: ClockKind, stall_limit: int, step: int = 0) -> None:
        self._clock = Clock(
            self.optimizer,
            kind,
            before=self._before,
            after=self._after,
            loaded=self._rewrite,
            stall_limit=stall_limit,
        )
        self._clock.step = step
        _ATTACHED.setdefault(self.optimizer, []).append(weakref.ref(self))
        self._rewrite()

    def _before(self) -> None:
        """Before an update: take in groups that were added, removed or replaced since the last."""
        groups = self.optimizer.param_groups
        if len(groups) != len(self._groups) or not all(map(is_, groups, self._groups)):
            self._regroup()

    def _after(self) -> None:
        """After an update: the values it used are those of the step before; then write the next."""
        self._notice(self._clock.step - 1)
        for bank in self._banks:
            bank.write(self._clock.step)

    def _notice(self, step: int | None = None) -> None:
        """Enter what was written by hand since the last look; all of it, or nothing where one value is wrong."""
        edits = [edit for bank in self._banks for edit in bank.edits()]
        if not edits:
            return
        now = self._clock.step if step is None else step
        entries = []
        for lane, value, expected in edits:
            if self.on_edit == "raise":
                raise EditError(lane.name, value, expected, now, "on_edit='raise' forbids it")
            entry = lane.edited(now, value)
            _warn(lane, entry)
            entries.append((lane, entry))
        for lane, entry in entries:
            lane.add(entry)
            self._journal.append(entry)
        self._rebuild()

    def _enter(self, group: str, values: Mapping[str, float], entry: Callable[[Lane, float], Entry]) -> None:
        self._notice()
        found = []
        for index in lookup(self.optimizer, group):
            lanes = {lane.path: lane for lane in self._lanes[index]}
            for path, value in values.items():
                if path not in lanes:
                    what = f"{path} of group {labels(self.optimizer)[index].name!r}"
                    raise UndrivenError(what, [lane.name for lane in self._all()])
                if float(value) not in range_of(path):
                    raise HyperparameterValueError(path, value, f"group {lanes[path].group!r}", str(range_of(path)))
                found.append((lanes[path], entry(lanes[path], float(value))))
        for lane, made in found:
            lane.add(made)
            self._journal.append(made)
        self._rewrite()

    def _regroup(self) -> None:
        """Lanes follow their parameters to where the groups are now; a new group gets lanes of its own."""
        before = {group["params"][0]: own for group, own in zip(self._groups, self._lanes, strict=True)}
        groups = self.optimizer.param_groups
        names = [label.name for label in labels(self.optimizer)]
        fresh = self._claims(groups, names)
        lanes = [before.get(group["params"][0], new) for group, new in zip(groups, fresh, strict=True)]
        self._separate(lanes)
        self._lanes = lanes
        self._rewrite()

    def _rebuild(self) -> None:
        """Put lanes of one course and hyperparameter into one bank."""
        self._groups = list(self.optimizer.param_groups)
        together: dict[tuple[str, int], tuple[list[Lane], list[dict[str, Any]]]] = {}
        for group, own in zip(self._groups, self._lanes, strict=True):
            for lane in own:
                lanes, groups = together.setdefault((lane.path, id(lane.course)), ([], []))
                lanes.append(lane)
                groups.append(group)
        self._banks = [Bank(lanes, groups) for lanes, groups in together.values()]

    def _rewrite(self) -> None:
        """Put what the present step is due into the groups, whatever stands there."""
        self._rebuild()
        for bank in self._banks:
            bank.write(self._clock.step)


def _resolved(
    schedules: Schedules, keywords: Mapping[str, Schedule | None], horizon: Horizon | None
) -> list[tuple[str | None, dict[str, Course | None]]]:
    """The schedules in the order in which they apply, keywords first, each resolved."""
    given: list[tuple[str | None, Mapping[str, Schedule | None]]] = [(None, keywords), *schedules.items()]
    found: list[tuple[str | None, dict[str, Course | None]]] = []
    for key, own in given:
        courses: dict[str, Course | None] = {}
        for path, schedule in own.items():
            if schedule is not None and not isinstance(schedule, Schedule):
                raise TypeError(
                    f"{path} is given {schedule!r}, which is no schedule.\n"
                    "Write a shape such as Cosine(1000); a number is Constant(Absolute(0.1)), a callable Function(f)."
                )
            if schedule is not None and horizon is not None:
                schedule = schedule.resolve(horizon)  # noqa: PLW2901  # the same schedule, its durations whole
            if schedule is not None:
                schedule.values([0.0], 1.0)  # raises where a duration is not resolved
            courses[path] = None if schedule is None else Course(schedule)
        if courses:
            found.append((key, courses))
    return found


def _base(group: Mapping[str, Any], path: str, name: str) -> float:
    key, index = split(path)
    value = group[key]
    if index is not None and isinstance(value, (tuple, list)) and index < len(value):
        value = value[index]
    one_number = isinstance(value, Tensor) and value.numel() == 1
    if isinstance(value, bool) or not (isinstance(value, (int, float)) or one_number):
        raise HyperparameterValueError(path, value, f"group {name!r}", "a number for a schedule to drive it")
    return float(value)


def _warn(lane: Lane, entry: Entry) -> None:
    if isinstance(entry, Override) and lane.override_at(entry.step) is None:
        warnings.warn(
            f"{lane.name} was set to {entry.value!r} by hand, and no valid base puts its schedule there: the value "
            f"stands until scheduler.release({lane.group!r}, {lane.path!r}).",
            EditWarning,
            stacklevel=2,
        )
    elif not isinstance(entry, (Override, Release)) and entry.new > _GROWTH * entry.old > 0:
        warnings.warn(
            f"{lane.name} was set by hand where its schedule is low, so its base grows from {entry.old!r} to "
            f"{entry.new!r}. If another was meant: scheduler.rebase({lane.group!r}, {lane.path}=...).",
            EditWarning,
            stacklevel=2,
        )


def _fitted(
    state: Mapping[str, Any], optimizer: Optimizer, known: list[Label]
) -> tuple[int, list[dict[str, float]], list[Entry]]:
    """Step, bases of each present group, and journal in the present groups' names; checked whole."""
    if not isinstance(state, Mapping) or not {"version", "step", "groups", "journal"} <= state.keys():
        raise StateMismatchError(
            f"This is no state of a paramgroups Scheduler: it holds {sorted(map(str, state))}.",
            "A torch scheduler's state holds a position only: build the Scheduler, and load one of its own.",
        )
    if state["version"] != _VERSION:
        raise StateMismatchError(f"The state has version {state['version']!r}, not {_VERSION}.", "Update paramgroups.")
    step = state["step"]
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise StateMismatchError(f"The state's step is {step!r}.", "It must be a whole number of at least 0.")
    saved = [{**group, "bases": {k: float(v) for k, v in group["bases"].items()}} for group in state["groups"]]
    entries = [from_json(entry) for entry in state["journal"]]
    sources = _sources(saved, optimizer)
    bases: list[dict[str, float]] = []
    journal: list[Entry] = []
    for label, found in zip(known, sources, strict=True):
        contents = [(group["bases"], [e for e in entries if e.group == group["name"]]) for group in found]
        plain = [(own, [replace(entry, group=label.name) for entry in mine]) for own, mine in contents]
        if any(each != plain[0] for each in plain):
            raise StateMismatchError(
                f"Group {label.name!r} holds parameters whose saved bases differ, of groups "
                f"{', '.join(repr(group['name']) for group in found)}.",
                "Keep them in groups of their own, or set the base after loading: scheduler.rebase(...).",
            )
        bases.append(plain[0][0] if plain else {})
        journal += plain[0][1] if plain else []
    return step, bases, sorted(journal, key=lambda entry: entry.step)


def _sources(saved: list[dict[str, Any]], optimizer: Optimizer) -> list[list[dict[str, Any]]]:
    """For each present group the saved ones that hold its parameters."""
    names = [parameter_names(optimizer, group) for group in optimizer.param_groups]
    if all(own is not None for own in names) and all(group["parameters"] is not None for group in saved):
        home = {name: index for index, group in enumerate(saved) for name in group["parameters"]}
        return [[saved[i] for i in sorted({home[n] for n in own or () if n in home})] for own in names]
    sizes = [len(group["params"]) for group in optimizer.param_groups]
    if sizes != [group["size"] for group in saved]:
        raise StateMismatchError(
            f"The state has groups of {[group['size'] for group in saved]} parameters, the optimizer of {sizes}.",
            "Parameters without names are found by position: build the same groups, or name them before saving and "
            "loading, pg.name_groups(optimizer, model).",
        )
    return [[group] for group in saved]

"""Schedules, a clock and a journal that together drive the hyperparameters of an optimizer's groups.

Knows which schedule drives what, and when; how a value comes about is the lanes' work.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from paramgroups.claims import Schedules, lanes_for, resolve, separate
from paramgroups.clock import Clock, ClockKind
from paramgroups.errors import ClaimError, ClockError, EditError, HyperparameterValueError, UndrivenError
from paramgroups.hyperparameters import range_of, read
from paramgroups.inheritance import Past, check_sizes, from_state, inherit, past_of, to_state
from paramgroups.journal import Edit, Entry, Override, Rebase, Release
from paramgroups.lanes import Bank, Lane
from paramgroups.params import Label, labels, parameter_names, register
from paramgroups.schedules import Horizon, Schedule
from paramgroups.views import lookup, view

_PICKLED = ("horizon", "on_edit", "_assignments", "_lanes", "_journal")
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
        if hasattr(optimizer.step, "_wrapped_by_lr_sched") and not adopt:
            way_out = "Two would overwrite each other: use one. If torch's is no longer stepped, pass adopt=True."
            raise ClaimError("The optimizer", "a scheduler of torch", way_out)
        self._optimizer: Optimizer | weakref.ref[Optimizer] = optimizer
        self.horizon = horizon
        self.on_edit = on_edit
        self._assignments = resolve(schedules or {}, hyperparameters, horizon)
        lanes = lanes_for(optimizer, self._assignments)
        if not any(lanes):
            raise ClaimError("Nothing", "this scheduler", "Give it a schedule: Scheduler(optimizer, lr=Cosine(1000)).")
        self._check_claims(lanes)
        for lane in {(id(lane.schedule), lane.path, lane.first_base): lane for own in lanes for lane in own}.values():
            lane.check(self._last_step(lane.schedule))
        self._lanes = lanes
        self._journal: list[Entry] = []
        self._attach(clock, stall_limit)

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def optimizer(self) -> Optimizer:  # type: ignore[override]
        """The optimizer that is driven.

        Raises:
            ClockError: this is a copy, and was made without its optimizer.
        """
        found = self._optimizer() if isinstance(self._optimizer, weakref.ref) else self._optimizer
        if found is None:
            raise ClockError(
                "This scheduler was copied or pickled without its optimizer, so nothing it does would reach yours.",
                "Copy both at once, copy.deepcopy((optimizer, scheduler)), or save its state_dict().",
            )
        self._optimizer = found
        return found

    @property
    def journal(self) -> tuple[Entry, ...]:
        """What was not planned, in order: edits, overrides, releases, rebases."""
        self._notice()
        return tuple(self._journal)

    def values(self) -> dict[str, float]:
        """What each driven hyperparameter is at the next update, by `hyperparameter/group`."""
        self._notice()
        groups = self.optimizer.param_groups
        return {
            lane.name: read(group, lane.path) for group, own in zip(groups, self._lanes, strict=True) for lane in own
        }

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
        groups = self.optimizer.param_groups
        return [bases.get("lr", read(group, "lr")) for bases, group in zip(driven, groups, strict=True)]

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
        self._notice()
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
        return to_state(self.optimizer, self.last_epoch, self._lanes, self._journal)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go to the position of `state_dict`, with its bases and journal; every value follows at once.

        Groups are found by the names of their parameters, so that they may have been split, renamed or reordered; by
        position where parameters have no names. It does not matter whether the optimizer is loaded before or after.

        Raises:
            StateMismatchError: the state does not fit, or is none of ours; nothing is changed then.
        """
        self._follow()
        step, pasts = from_state(state_dict, self.optimizer)
        self._continue([[lane.after({}, ()) for lane in own] for own in self._lanes], pasts)
        self._clock.step = step
        self._rewrite()

    def __getstate__(self) -> dict[str, Any]:
        self._notice()
        return {
            "optimizer": self.optimizer,
            "attributes": {key: self.__dict__[key] for key in _PICKLED},
            "clock": (self._clock.kind, self._clock.stall_limit, self._clock.step),
            "names": [parameter_names(self.optimizer, group) for group in self.optimizer.param_groups],
            "labels": labels(self.optimizer),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        optimizer: Optimizer = state["optimizer"]
        self.__dict__.update(state["attributes"], _optimizer=optimizer)
        names: list[list[str] | None] = state["names"]
        known: list[Label] = state["labels"]
        groups = optimizer.param_groups
        if all(own is not None for own in names):
            members = [group["params"] for group in groups]
            by_tensor = dict(zip(chain(*members), chain(*(own or () for own in names)), strict=True))
            register(optimizer, by_tensor, zip(members, known, strict=True))
        self._attach(*state["clock"])
        self._optimizer = weakref.ref(optimizer)  # it lives on where it was copied for itself, too

    # --- parts of the above -------------------------------------------------------------------------------------

    def _all(self) -> Iterable[Lane]:
        return (lane for own in self._lanes for lane in own)

    def _last_step(self, schedule: Schedule) -> int:
        ends = [schedule.length, self.horizon.steps if self.horizon else None]
        return max((end for end in ends if end is not None), default=0)

    def _check_claims(self, lanes: list[list[Lane]]) -> None:
        """Nothing of this may be driven by another scheduler."""
        wanted = _driven(self.optimizer.param_groups, lanes)
        for other in filter(None, (ref() for ref in _ATTACHED.get(self.optimizer, []))):
            for key in wanted.keys() & _driven(other._groups, other._lanes).keys() if other is not self else ():
                way_out = "Let that one go first, its detach(), or leave this out: two would overwrite each other."
                what = f"{wanted[key].path} of group {wanted[key].group!r}"
                raise ClaimError(what, f"another Scheduler (at step {other.last_epoch})", way_out)

    def _attach(self, kind: ClockKind, stall_limit: int, step: int = 0) -> None:
        self._clock = Clock(
            self.optimizer, kind, before=self._before, after=self._after, loaded=self._rewrite, stall_limit=stall_limit
        )
        self._clock.step = step
        others = [ref for ref in _ATTACHED.get(self.optimizer, []) if ref() is not None]
        _ATTACHED[self.optimizer] = [*others, weakref.ref(self)]
        separate(self.optimizer, self._lanes)
        self._rewrite()

    def _before(self) -> None:
        """Before an update: take in groups that came, went or were replaced, and what was written by hand."""
        self._follow()
        self._notice()

    def _follow(self) -> None:
        """Regroup where groups came, went or were replaced since the last look."""
        try:
            moved = self.optimizer.param_groups != self._groups  # a look at each dict's identity, where none did
        except RuntimeError:  # two dicts were compared down to their tensors, so they are not the same
            moved = True
        if moved:
            self._check_whole()
            self._regroup()

    def _check_whole(self) -> None:
        """Refuse a list that stands in for the real one and shows only a part of it."""
        groups = self.optimizer.param_groups
        if groups is not self._list and len(groups) < len(self._groups) and all(g in self._groups for g in groups):
            raise ClockError(
                f"The optimizer is stepped with {len(groups)} of its {len(self._groups)} groups: one step of it is not "
                "one update.",
                "An engine that steps group by group hides its steps: count them yourself, Scheduler(..., "
                "clock='manual') and scheduler.step() after each update.",
            )

    def _after(self) -> None:
        """After an update: what was written during it belongs to it; then write the next one's values."""
        self._notice(self._clock.step - 1)
        groups = self.optimizer.param_groups
        for bank in self._banks:
            bank.write(groups, self._clock.step)

    def _notice(self, step: int | None = None) -> None:
        """Enter what was written by hand since the last look; all of it, or nothing where one value is wrong."""
        groups = self.optimizer.param_groups
        edits: list[tuple[Lane, float, float]] = []
        for bank in self._banks:
            edits += bank.edits(groups)
        if edits:
            now = self._clock.step if step is None else step
            self._add([(lane, self._edited(lane, now, value, was)) for lane, value, was in edits])
            self._rebuild()

    def _edited(self, lane: Lane, step: int, value: float, expected: float) -> Entry:
        if self.on_edit == "raise":
            raise EditError(lane.name, value, expected, step, "on_edit='raise' forbids it")
        entry = lane.edited(step, value)
        _warn(lane, entry)
        return entry

    def _enter(self, group: str, values: Mapping[str, float], entry: Callable[[Lane, float], Entry]) -> None:
        """Journal an entry for each of `values` in each group, after every check, and let it take effect."""
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
        self._add(found)
        self._rewrite()

    def _add(self, entries: Iterable[tuple[Lane, Entry]]) -> None:
        for lane, entry in entries:
            lane.add(entry)
            self._journal.append(entry)

    def _regroup(self) -> None:
        """Bases and entries follow the parameters to the groups they are in now; a new group starts its own."""
        former, groups = self._groups, self.optimizer.param_groups
        pasts = [past_of(label, own) for label, own in zip(self._names, self._lanes, strict=True)]
        homes = {parameter: index for index, group in enumerate(former) for parameter in group["params"]}
        members = [group["params"] for group in groups]
        if not any(parameter in homes for own in members for parameter in own):  # a wrapper replaced them all
            check_sizes([len(group["params"]) for group in former], self.optimizer)
            found: list[Past | None] = list(pasts)
        else:
            found = inherit(pasts, members, homes)
        fresh = lanes_for(self.optimizer, self._assignments)
        self._check_claims(fresh)
        self._continue(fresh, found)
        separate(self.optimizer, fresh)
        self._rewrite()

    def _continue(self, fresh: list[list[Lane]], pasts: Iterable[Past | None]) -> None:
        """Take over new lanes, each with the past of its group."""
        lanes, journal = [], []
        for own, past in zip(fresh, pasts, strict=True):
            lanes.append([lane if past is None else lane.after(past.bases, past.entries) for lane in own])
            journal += [entry for lane in lanes[-1] for entry in lane.entries]
        self._lanes = lanes
        self._journal = sorted(journal, key=lambda entry: entry.step)

    def _rebuild(self) -> None:
        """Put lanes of one schedule and hyperparameter into one bank."""
        groups = self.optimizer.param_groups
        self._list, self._groups = groups, list(groups)
        self._names = [label.name for label in labels(self.optimizer)]
        together: dict[tuple[str, int], tuple[list[Lane], list[int]]] = {}
        for index, own in enumerate(self._lanes):
            for lane in own:
                lanes, indices = together.setdefault((lane.path, id(lane.schedule)), ([], []))
                lanes.append(lane)
                indices.append(index)
        self._banks = [Bank(lanes, indices, groups) for lanes, indices in together.values()]

    def _rewrite(self) -> None:
        """Put what the present step is due into the groups, whatever stands there."""
        self._rebuild()
        for bank in self._banks:
            bank.write(self.optimizer.param_groups, self._clock.step)


def _driven(groups: Iterable[Mapping[str, Any]], lanes: Iterable[Iterable[Lane]]) -> dict[tuple[int, str], Lane]:
    """Lanes by a parameter of their group and the hyperparameter: what two schedulers must not share."""
    return {(id(group["params"][0]), lane.path): lane for group, own in zip(groups, lanes, strict=True) for lane in own}


def _warn(lane: Lane, entry: Entry) -> None:
    if isinstance(entry, Override) and lane.override_at(entry.step) is None:
        warnings.warn(
            f"{lane.name} was set to {entry.value!r} by hand, and no valid base puts its schedule there: the value "
            f"stands until scheduler.release({lane.group!r}, {lane.path!r}).",
            EditWarning,
            stacklevel=2,
        )
    elif isinstance(entry, Edit) and entry.new > _GROWTH * entry.old > 0:
        warnings.warn(
            f"{lane.name} was set by hand where its schedule is low, so its base grows from {entry.old!r} to "
            f"{entry.new!r}. If another was meant: scheduler.rebase({lane.group!r}, {lane.path}=...).",
            EditWarning,
            stacklevel=2,
        )

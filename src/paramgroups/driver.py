"""What drives an optimizer's groups: their lanes, the clock, the journal, and a watch on what others write.

Knows when to look and when to write; what a value is, a lane knows, and what a user may ask for, the scheduler.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias, final

from torch.optim import Optimizer

from paramgroups.claims import Assignments, check_unpatched, lanes_for, separate
from paramgroups.clock import Clock, ClockKind
from paramgroups.copies import mark, unmark
from paramgroups.errors import ClaimError, ClockError, EditError, UndrivenError
from paramgroups.hyperparameters import own_copy, split, write
from paramgroups.inheritance import Past, check_sizes, inherit, of_the_run, past_of
from paramgroups.journal import Edit, Entry, Override
from paramgroups.lanes import Bank, Groups, Lane
from paramgroups.params import Label, labels, parameter_names, register
from paramgroups.schedules import Schedule
from paramgroups.views import lookup

OnEdit: TypeAlias = Literal["rebase", "raise"]

_PICKLED = ("assignments", "lanes", "journal", "on_edit", "_adopted", "_clock_is")
_GROWTH = 10.0  # an edit that multiplies the base by more than this is worth a word

_ATTACHED: weakref.WeakKeyDictionary[Optimizer, list[weakref.ref[Driver]]] = weakref.WeakKeyDictionary()


class EditWarning(UserWarning):
    """An edit by hand came to something that may not have been meant."""


@final
class Driver:
    """Lanes, clock and journal of one optimizer.

    Args:
        chain: the optimizer whose groups are driven, last, after what wraps it.
        assignments: which schedule drives what, for groups that come later.
        kind: of the clock.
        stall_limit: of the clock.
        on_edit: what to do about values written by hand.
        adopt: a scheduler of torch may be attached.

    Raises:
        ClaimError: nothing is driven, or another driver has it.
    """

    def __init__(
        self,
        chain: Sequence[Any],
        assignments: Assignments,
        kind: ClockKind,
        stall_limit: int,
        on_edit: OnEdit,
        *,
        adopt: bool = False,
    ) -> None:
        optimizer: Optimizer = chain[-1]
        self.optimizer = optimizer
        self._adopted = adopt
        for each in chain:
            check_unpatched(each, adopt=adopt)
        self.assignments = assignments
        self.on_edit = on_edit
        self.lanes = lanes_for(optimizer, assignments, adopt=adopt)
        self.journal: list[Entry] = []
        self._check_claims(self.lanes)
        self._clock_is = (kind, stall_limit)
        self.followers: list[Callable[[], None]] = []

    def attach(self, step: int = 0) -> None:
        """Start to drive, at `step`."""
        self.clock = self._clock_at(step)
        others = [ref for ref in _ATTACHED.get(self.optimizer, []) if ref() is not None]
        _ATTACHED[self.optimizer] = [*others, weakref.ref(self)]
        self._settle()
        mark(self.optimizer)

    def _clock_at(self, step: int) -> Clock:
        kind, stall_limit = self._clock_is
        before, after, loaded = self._before, self._after, self._settle
        clock = Clock(self.optimizer, kind, before=before, after=after, loaded=loaded, stall_limit=stall_limit)
        clock.step = step
        return clock

    def detach(self, *, restore: bool) -> None:
        """Stop driving, and give up every claim; with `restore`, put back the bases."""
        if self.clock.stopped and not restore:
            return
        self.check_attached()
        self.notice()
        self.clock.stop()
        for group, own in zip(self.optimizer.param_groups, self.lanes, strict=True) if restore else ():
            for lane in own:
                write(group, lane.path, lane.last.base)
        _ATTACHED[self.optimizer] = [ref for ref in _ATTACHED.get(self.optimizer, []) if ref() is not self]
        if not attached(self.optimizer):
            unmark(self.optimizer)

    def check_attached(self) -> None:
        """Refuse to change what is no longer driven.

        Raises:
            ClockError: this was detached.
        """
        if self.clock.stopped:
            raise ClockError(
                "This scheduler was detached, and drives nothing any more.",
                "Make a new one: Scheduler(optimizer, lr=...); load_state_dict() takes it to where this one stood.",
            )

    @cached_property
    def optimizer(self) -> Optimizer:
        """The optimizer that is driven.

        Raises:
            ClockError: this is a copy, and was made without its optimizer.
        """
        found = self._copied_with()
        if found is None:
            raise ClockError(
                "This scheduler was copied or pickled without its optimizer, so nothing it does would reach yours.",
                "Copy both at once, copy.deepcopy((optimizer, scheduler)), or save its state_dict().",
            )
        return found

    def every_lane(self) -> list[Lane]:
        """The lanes of all groups, in order."""
        return [lane for own in self.lanes for lane in own]

    def lanes_of(self, group: str, paths: Iterable[str]) -> list[Lane]:
        """The lanes of these hyperparameters in each group that `group` selects, what was written by hand noticed."""
        self.notice()
        found = []
        for index in lookup(self.optimizer, group):
            lanes = {lane.path: lane for lane in self.lanes[index]}
            for path in paths or lanes:
                if path not in lanes:
                    raise self._undriven(path, labels(self.optimizer)[index].name)
                found.append(lanes[path])
        return found

    def _undriven(self, path: str, group: str) -> UndrivenError:
        place = f"pg.view(optimizer)[{group!r}].{split(path)[0]}"
        way_out = f"What no schedule drives is written in the group itself: {place} = ..."
        return UndrivenError(f"{path} of group {group!r}", [lane.name for lane in self.every_lane()], way_out)

    def enter(self, entries: Iterable[tuple[Lane, Entry]]) -> None:
        """Journal entries that were checked, and let them take effect.

        Raises:
            ClockError: this was detached.
        """
        self.check_attached()
        self._add(entries)
        self.rewrite()

    def _add(self, entries: Iterable[tuple[Lane, Entry]]) -> None:
        for lane, entry in entries:
            lane.add(entry)
            self.journal.append(entry)

    def _regroup(self) -> None:
        """A group that is still there keeps its past; a new one has that of its parameters, or starts its own."""
        groups = self.optimizer.param_groups
        pasts = [past_of(label, own) for label, own in zip(self._names, self.lanes, strict=True)]
        places = {id(group): index for index, group in enumerate(self._groups)}
        homes = {parameter: index for index, own in enumerate(self._members) for parameter in own}
        members = [() if id(group) in places else group["params"] for group in groups]
        kept: list[Past | None] = [pasts[places[id(group)]] if id(group) in places else None for group in groups]
        if any(kept) or any(parameter in homes for own in members for parameter in own):
            inherited = inherit(pasts, members, homes, self.clock.step)
            found = [own or other for own, other in zip(kept, inherited, strict=True)]
        else:  # a wrapper replaced them all
            check_sizes([len(own) for own in self._members], groups)
            found = list(pasts)
        fresh = lanes_for(self.optimizer, self.assignments)
        self._check_claims(fresh)
        self.take_over(fresh, found)
        self._settle()

    def _settle(self) -> None:
        """Groups are new, or hold what was loaded: put what is due into tensors of their own."""
        for group, own in zip(self.optimizer.param_groups, self.lanes, strict=True):
            for lane in own:
                name, index = split(lane.path)
                if name not in group:  # what was loaded knows nothing of it
                    group[name] = lane.last.base if index is None else own_copy(self.optimizer.defaults[name])
        separate(self.optimizer, self.lanes)
        self.rewrite()

    def go_to(self, step: int, fresh: list[list[Lane]], pasts: Iterable[Past | None]) -> None:
        """Go to another step, by new lanes, each with the past of its group."""
        self.take_over(fresh, pasts)
        self.clock.step = step
        self.rewrite()
        self.tell()

    def tell(self) -> None:
        """Tell those who follow the clock that it may stand elsewhere now."""
        for follow in self.followers:
            follow()

    def take_over(self, fresh: list[list[Lane]], pasts: Iterable[Past | None]) -> None:
        """Take over new lanes, each with the past of its group; one without has what is true of the whole run."""
        lanes, journal = [], []
        known = list(pasts)
        for own, past in zip(fresh, known, strict=True):
            if past is None:
                lanes.append([lane.after({}, of_the_run(known, lane)) for lane in own])
            else:
                lanes.append([lane.after(past.bases, past.entries) for lane in own])
            journal += [entry for lane in lanes[-1] for entry in lane.entries]
        self.lanes = lanes
        self.journal = sorted(journal, key=lambda entry: entry.step)

    def _rebuild(self, groups: Groups) -> None:
        """Put lanes of one hyperparameter, schedule and origin into one bank."""
        self._groups = list(groups)
        together: dict[tuple[str, Schedule, int], tuple[list[Lane], list[int]]] = {}
        for index, own in enumerate(self.lanes):
            for lane in own:
                lanes, indices = together.setdefault((lane.path, lane.last.schedule, lane.last.origin), ([], []))
                lanes.append(lane)
                indices.append(index)
        self._banks = [Bank(lanes, indices, groups) for lanes, indices in together.values()]

    def rewrite(self) -> None:
        """Put what the present step is due into the groups, whatever stands there."""
        self.clock.recognise(self.optimizer)
        self._list = self.optimizer.param_groups
        self._members = [list(group["params"]) for group in self._list]
        self._names = [label.name for label in labels(self.optimizer)]
        self._rebuild(self._list)
        for bank in self._banks:
            bank.write(self.optimizer.param_groups, self.clock.step)

    def check_alone(self) -> None:
        """No scheduler of torch may have been attached since.

        Raises:
            ClaimError: one was.
        """
        check_unpatched(self.optimizer, adopt=self._adopted)

    def _check_claims(self, lanes: list[list[Lane]]) -> None:
        """Nothing of this may be driven by another scheduler."""
        wanted = _driven(self.optimizer.param_groups, lanes)
        for other in attached(self.optimizer):
            for key in wanted.keys() & _driven(other._groups, other.lanes).keys() if other is not self else ():
                way_out = (
                    "Two would overwrite each other: leave this out, or let that one go first, its detach(). "
                    "With detach(restore=True) it puts back the values that it multiplied, to start anew."
                )
                what = f"{wanted[key].path} of group {wanted[key].group!r}"
                raise ClaimError(what, f"another Scheduler (at step {other.clock.step})", way_out)

    def _before(self) -> None:
        """Before an update: nobody else drives, and nothing was missed; a part of the groups is an engine's affair."""
        if "step" in self.optimizer.__dict__:  # somebody put another in its place
            self.check_alone()
        if not self._untouched() and (self.clock.kind == "optimizer" or not self._is_part()):
            self._look(self.clock.step)

    def _untouched(self) -> bool:
        """Whether the groups are those that were last written, and hold what was written."""
        groups = self.optimizer.param_groups
        try:
            if groups != self._groups:  # a look at each dict's identity, where none moved
                return False
            for bank in self._banks:
                if [*map(bank.take, groups if bank.whole else bank.own(groups))] != bank.written:
                    return False
        except (RuntimeError, ValueError):  # a tensor or an array of several numbers is no answer to a comparison
            return False
        return True

    def follow(self) -> None:
        """Regroup where groups came, went or were replaced since the last look."""
        try:
            if self.optimizer.param_groups == self._groups:
                return
        except (RuntimeError, ValueError):  # two dicts were compared down to their tensors, so they are not the same
            pass
        self._check_whole()
        self._take_in(self._groups, self.clock.step)  # what was written before they moved
        self._regroup()

    def _is_part(self) -> bool:
        """Whether another list stands in for the real one, and shows only a part of it."""
        groups = self.optimizer.param_groups
        return groups is not self._list and len(groups) < len(self._groups) and all(g in self._groups for g in groups)

    def _check_whole(self) -> None:
        if self._is_part():
            raise ClockError(
                f"The optimizer is stepped with {len(self.optimizer.param_groups)} of its {len(self._groups)} groups: "
                "one step of it is not one update.",
                "An engine that steps group by group hides its steps: count them yourself, Scheduler(..., "
                "clock='manual') and scheduler.step() after each update. To take a group away for good, del it from "
                "the list: del optimizer.param_groups[1].",
            )

    def _after(self) -> None:
        """After an update: what was written during it belongs to it; then write the next one's values."""
        step = self.clock.step
        if not self._untouched():
            self._look(step - 1)
        groups = self.optimizer.param_groups
        for bank in self._banks:
            bank.write(groups, step)
        self._groups[:] = groups  # dicts that were replaced by equal ones are these from now on
        self.tell()

    def notice(self) -> None:
        """Take in groups that came, went or were replaced, and what was written by hand, since the last look."""
        if not self.clock.stopped and not self._untouched():
            self._look(self.clock.step)

    def _look(self, step: int) -> None:
        self.follow()
        self._take_in(self.optimizer.param_groups, step)

    def _take_in(self, groups: Groups, step: int) -> None:
        """Enter what was written by hand; all of it, or nothing where one value is wrong."""
        edits = [edit for bank in self._banks for edit in bank.edits(groups)]
        self._add([(lane, self._edited(lane, step, value, was)) for lane, value, was in edits])
        self._rebuild(groups)

    def _edited(self, lane: Lane, step: int, value: object, expected: float) -> Entry:
        if self.on_edit == "raise":
            raise EditError(lane.name, value, expected, step, "on_edit='raise' forbids it")
        entry = lane.edited(step, value)
        _warn(lane, entry)
        return entry

    def __getstate__(self) -> dict[str, Any]:
        self.notice()
        optimizer = self.optimizer
        return {
            "optimizer": optimizer,
            "attributes": {key: self.__dict__[key] for key in _PICKLED},
            "step": self.clock.step,
            "detached": self.clock.stopped,
            "names": [parameter_names(optimizer, group) for group in optimizer.param_groups],
            "labels": labels(optimizer),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        optimizer: Optimizer = state["optimizer"]
        self.__dict__.update(state["attributes"], optimizer=optimizer, followers=[])
        names: list[list[str] | None] = state["names"]
        known: list[Label] = state["labels"]
        members = [group["params"] for group in optimizer.param_groups]
        named = [index for index, own in enumerate(names) if own is not None]
        by_tensor = {p: name for index in named for p, name in zip(members[index], names[index] or (), strict=True)}
        if named:
            register(optimizer, by_tensor, [(members[index], known[index]) for index in named])
        if state["detached"]:
            self.clock = self._clock_at(state["step"])
            self.clock.stop()
        else:
            self.attach(state["step"])
        self._copied_with = weakref.ref(optimizer)  # it lives on where it was copied for itself, too
        del self.optimizer


def attached(optimizer: Optimizer) -> list[Driver]:
    """What drives the groups of `optimizer`, one for each scheduler."""
    return [driver for ref in _ATTACHED.get(optimizer, []) if (driver := ref()) is not None]


def notice_all(optimizer: Optimizer) -> None:
    """Let every scheduler that is attached take in edits, and follow the groups as they are now.

    Raises:
        SchedulerError: one cannot; it stands where it stood.
    """
    for driver in attached(optimizer):
        driver.notice()


def rewrite_all(optimizer: Optimizer) -> None:
    """Let every scheduler that is attached put what is due into the groups, whatever was loaded there."""
    for driver in attached(optimizer):
        driver.rewrite()


def _driven(groups: Iterable[Mapping[str, Any]], lanes: Iterable[Iterable[Lane]]) -> dict[tuple[int, str], Lane]:
    """Lanes by a parameter of their group and the hyperparameter: what two schedulers must not share."""
    keys = [id((group["params"] or [group])[0]) for group in groups]
    return {(key, lane.path): lane for key, own in zip(keys, lanes, strict=True) for lane in own}


def _warn(lane: Lane, entry: Entry) -> None:
    if isinstance(entry, Override) and not lane.overridden(entry.step):
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

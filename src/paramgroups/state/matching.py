"""A saved state held against an optimizer: what moves, what starts anew, which settings differ; then put in, or not.

Knows names, state and group entries; changes nothing before all of it is known to fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, final

from torch import Tensor
from torch.optim import LBFGS, Optimizer

from paramgroups.driver import rewrite_all
from paramgroups.errors import StateMismatchError, listing
from paramgroups.hyperparameters import algorithms_of, class_of, own_copy
from paramgroups.params import labels
from paramgroups.spreading import is_spread, spread_as
from paramgroups.state.fitting import Answers, Fitting, settings
from paramgroups.state.layout import checked, class_names
from paramgroups.state.renaming import Rename, check_model, renamed_by
from paramgroups.state.report import Difference, LoadReport
from paramgroups.state.settling import Settling, fill

Hyperparameters: TypeAlias = Literal["current", "saved"]
Missing: TypeAlias = Literal["fresh", "error"]
Unexpected: TypeAlias = Literal["drop", "error"]


@final
@dataclass(frozen=True)
class Policies:
    """What to do where saved and present differ; see `load_named_state`.

    Raises:
        ValueError: one is none of its choices.
    """

    hyperparameters: Hyperparameters = "current"
    missing: Missing = "fresh"
    unexpected: Unexpected = "drop"
    rename: Rename = None

    def __post_init__(self) -> None:
        for name, allowed in (
            ("hyperparameters", ("current", "saved")),
            ("missing", ("fresh", "error")),
            ("unexpected", ("drop", "error")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is unknown.\nChoose {' or '.join(map(repr, allowed))}."
                )

    def check(self, report: LoadReport) -> None:
        """Refuse what these policies forbid.

        Raises:
            StateMismatchError: something is.
        """
        changed = [f"{name} (shape {saved}, now {present})" for name, saved, present in report.reshaped]
        lacking = [*report.fresh, *changed, *report.refitted]
        if self.missing == "error" and lacking:
            raise StateMismatchError(
                f"Nothing was saved that fits {listing(lacking)}.",
                "Name what they were called, rename={'old': 'new'}, or let them start afresh: missing='fresh'.",
            )
        if self.unexpected == "error" and report.dropped:
            raise StateMismatchError(
                f"State was saved for what is not here: {listing(report.dropped)}.",
                "Name what they are called now, rename={'old': 'new'}, or let it go: unexpected='drop'.",
            )


@final
@dataclass(frozen=True)
class Fitted:
    """A saved state that fits an optimizer, not yet put into it."""

    optimizer: Optimizer
    state: dict[Any, Any] = field(repr=False)  # by position, as torch has it
    exact: set[int] = field(repr=False)  # positions of parameters that have the dtype they had
    entries: list[dict[str, Any]] = field(repr=False)  # for each group what is to stand in it
    report: LoadReport

    def apply(self, *, copy: bool) -> None:
        """Put it in; a part of it, where that fails.

        Args:
            copy: leave the tensors of the saved state to whoever has it.
        """
        optimizer, groups = self.optimizer, self.optimizer.param_groups
        members = [parameter for group in groups for parameter in group["params"]]
        state = _copied(self.state) if copy else dict(self.state)
        for index, parameter in enumerate(members):
            if index in state and is_spread(parameter):
                state[index] = _spread(state[index], parameter)
        whole: dict[str, Any] = optimizer.state_dict()
        start = 0
        for packed in whole["param_groups"]:
            stop = start + len(packed["params"])
            packed["params"] = range(start, stop)  # torch looks for each tensor's number in it: in a list, one by one
            start = stop
        optimizer.load_state_dict({**whole, "state": state})
        for index in self.exact:
            _undo_casts(optimizer.state[members[index]], state[index])
        for group, old in zip(optimizer.param_groups, groups, strict=True):
            group.update({key: value for key, value in old.items() if key != "params"})  # the same tensors as before
        fill(optimizer.param_groups, self.entries)
        rewrite_all(optimizer)


def match(
    optimizer: Optimizer,
    saved: Mapping[str, Any],
    names: Sequence[Sequence[str]],
    policies: Policies,
    driven: Sequence[set[str]],
) -> Fitted:
    """What a saved state comes to in an optimizer, without changing anything.

    Args:
        optimizer: that is stepped.
        saved: what `named_state` gave.
        names: of the optimizer's parameters, group by group.
        policies: what to do where the two differ.
        driven: for each group the hyperparameters that schedules have; `"betas[0]"` is one of a tuple.

    Raises:
        StateMismatchError: it is no state of ours, or the policies forbid what it comes to.
        WrongModelError: nothing in it has the name of anything here.
    """
    records, homes = checked(saved)
    renamed = renamed_by(records, policies.rename)
    check_model(renamed, names)
    sources = {new: old for old, new in renamed.items()}
    former, present = tuple(saved["optimizer"]), class_names(type(optimizer))
    usable = records if _are_one_by_one(optimizer, names, sources, records) else {}
    tally = _Tally()
    state: dict[Any, Any] = dict(saved["others"]) if former == present else {}
    exact: set[int] = set()
    entries: list[dict[str, Any]] = []
    differences: list[Difference] = []
    answers: Answers = {}
    index = 0
    formers = _formers(optimizer, saved, answers)
    for label, group, own, paths in zip(labels(optimizer), optimizer.param_groups, names, driven, strict=True):
        origins = {id(home): home for name in own for home in [homes.get(sources.get(name, ""))] if home is not None}
        kind = class_of(optimizer, group)
        same = all(_kinds(each, saved) == class_names(kind) for each in origins.values())
        kept = Fitting(kind, group, answers).own if any(each["run"] for each in origins.values()) else None
        settling = Settling(label.name, group, settings(optimizer, group), list(origins.values()), paths)
        taken, found = settling.compared(kept, saved=policies.hyperparameters == "saved", same=same)
        fitting = Fitting(kind, settling.outcome(taken), answers)
        entries.append(taken)
        differences += found
        for name, parameter in zip(own, group["params"], strict=True):
            source = sources.get(name, "")
            record, home = usable.get(source), homes.get(source)
            related = home is not None and not set(class_names(kind)).isdisjoint(_kinds(home, saved))
            moved = tally.judge(name, record, parameter, fitting, formers.get(id(home)), related=related)
            if record and moved:
                state[index] = moved
                exact |= {index} if record.get("dtype") == str(parameter.dtype) else set()
            index += 1
    here = {name for own in names for name in own}
    tally.dropped += [old for old, new in renamed.items() if new not in here or old not in usable]
    if former != present:
        differences.insert(0, Difference("optimizer", former[0], present[0], present[0]))
    report = tally.report(renamed, differences)
    policies.check(report)
    return Fitted(optimizer, state, exact, entries, report)


def _kinds(group: Mapping[str, Any], saved: Mapping[str, Any]) -> tuple[str, ...]:
    """The class, and those it inherits from, by which a saved group was updated."""
    return tuple(group.get("kinds", saved["optimizer"]))


def _formers(optimizer: Optimizer, saved: Mapping[str, Any], answers: Answers) -> dict[int, Fitting]:
    """What was kept in each saved group, by identity, where its class is one of the optimizer's still."""
    classes = {class_names(kind): kind for kind in (algorithms_of(optimizer) or {"": type(optimizer)}).values()}
    kinds = {id(group): classes.get(_kinds(group, saved)) for group in saved["groups"]}
    return {id(g): Fitting(kind, g["settings"], answers) for g in saved["groups"] if (kind := kinds[id(g)])}


def _are_one_by_one(
    optimizer: Optimizer, names: Iterable[Iterable[str]], sources: Mapping[str, str], records: Mapping[str, Any]
) -> bool:
    """Whether each parameter's state is its own: L-BFGS has one for all, as long as they are the same in one order."""
    if not isinstance(optimizer, LBFGS):
        return True
    members = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    former = [sources.get(name) for own in names for name in own]
    shapes = [record["shape"] for record in records.values()]
    same = [shape is None or tuple(shape) == tuple(p.shape) for p, shape in zip(members, shapes, strict=False)]
    return former == list(records) and all(same)


@dataclass
class _Tally:
    """What becomes of each parameter."""

    moved: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    reshaped: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    refitted: list[str] = field(default_factory=list)

    def judge(
        self,
        name: str,
        record: Mapping[str, Any] | None,
        parameter: Tensor,
        fitting: Fitting,
        former: Fitting | None,
        *,
        related: bool,
    ) -> dict[str, Any]:
        """The state that a parameter gets, empty for none.

        Args:
            name: of the parameter.
            record: what was saved of it.
            parameter: itself.
            fitting: what is kept for it now.
            former: what was, where the class is still the same.
            related: whether the classes have one in common.
        """
        if record is None:
            self.fresh.append(name)
            return {}
        shape, present = record["shape"], tuple(parameter.shape)
        if shape is not None and tuple(shape) != present:
            self.reshaped.append((name, tuple(shape), present))
            return {}
        found: dict[str, Any] | None = dict(record["state"])
        if found and (former is None or former.kind != fitting.kind):
            found = self._refit(name, found, parameter, fitting, former, related=related)
        (self.refitted if found is None else self.moved).append(name)
        return found or {}

    def _refit(
        self,
        name: str,
        state: dict[str, Any],
        parameter: Tensor,
        fitting: Fitting,
        former: Fitting | None,
        *,
        related: bool,
    ) -> dict[str, Any] | None:
        """What another class, or other settings, make of a parameter's state; None where it is of no use to them."""
        held = frozenset(key for key, value in state.items() if value is not None)
        wanted = fitting.kept(parameter) if held else held
        before = held if former is None else former.kept(parameter)
        if wanted is None or before is None:
            return state if related else None
        lost, new = held & (before - wanted), wanted - before - held
        if ((lost or new) and not related) or (wanted and wanted.isdisjoint(held)):
            return None
        started = fitting.fresh(parameter) if new else {}
        if started is None:
            return None
        self.dropped += [f"{name} [{key}]" for key in sorted(lost)]
        self.fresh += [f"{name} [{key}]" for key in sorted(new)]
        return {key: value for key, value in state.items() if key not in lost} | {key: started[key] for key in new}

    def report(self, renamed: Mapping[str, str], differences: Iterable[Difference]) -> LoadReport:
        """All of it."""
        moved = set(self.moved)
        return LoadReport(
            moved=tuple(self.moved),
            fresh=tuple(self.fresh),
            dropped=tuple(self.dropped),
            reshaped=tuple(self.reshaped),
            refitted=tuple(self.refitted),
            renamed=tuple((old, new) for old, new in renamed.items() if old != new and new in moved),
            hyperparameters=tuple(differences),
        )


def _undo_casts(loaded: dict[str, Any], saved: Mapping[str, Any]) -> None:
    """Torch casts all state but `step` to the dtype of its parameter, and so rounds what was kept more exactly."""
    for key, value in saved.items():
        present = loaded.get(key)
        if isinstance(value, Tensor) and isinstance(present, Tensor) and key != "step" and present.dtype != value.dtype:
            loaded[key] = value.to(present.device)


def _spread(state: Mapping[str, Any], parameter: Tensor) -> dict[str, Any]:
    """A distributed parameter's state, spread as it is: all that has its shape."""
    return {
        key: spread_as(value, parameter) if isinstance(value, Tensor) and value.shape == parameter.shape else value
        for key, value in state.items()
    }


def _copied(value: Any) -> Any:
    """Containers and tensors within, copied."""
    if isinstance(value, Tensor):  # first, since most are
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return own_copy(value)

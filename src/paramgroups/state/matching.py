"""A saved state held against an optimizer: what moves, what starts anew, which settings differ; then put in, or not.

Knows names, state and group entries; changes nothing before all of it is known to fit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, final

from torch import Tensor
from torch.optim import LBFGS, Optimizer

from paramgroups.driver import driven_names, rewrite_all
from paramgroups.errors import StateMismatchError, WrongModelError, did_you_mean, listing
from paramgroups.hyperparameters import own_copy
from paramgroups.params import labels
from paramgroups.state.fitting import Fitting, settings
from paramgroups.state.report import Difference, LoadReport
from paramgroups.tables import show

VERSION: Final = 1
Hyperparameters: TypeAlias = Literal["current", "saved"]
Missing: TypeAlias = Literal["fresh", "error"]
Unexpected: TypeAlias = Literal["drop", "error"]
Rename: TypeAlias = Mapping[str, str] | Callable[[str], str] | None


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
    entries: list[dict[str, Any]] = field(repr=False)  # for each group what is to stand in it
    report: LoadReport

    def apply(self, *, copy: bool) -> None:
        """Put it in; where that fails, the optimizer is as it was.

        Args:
            copy: leave the tensors of the saved state to whoever has it.
        """
        optimizer = self.optimizer
        groups = optimizer.param_groups
        before = {"state": optimizer.state, "param_groups": groups}
        whole: dict[str, Any] = optimizer.state_dict()
        try:
            whole["state"] = _copied(self.state) if copy else self.state
            optimizer.load_state_dict(whole)
        except BaseException:
            optimizer.__setstate__(before)
            raise
        for group, old, entries in zip(optimizer.param_groups, groups, self.entries, strict=True):
            group.update({key: value for key, value in old.items() if key != "params"})  # the same tensors as before
            for key, value in entries.items():
                _put(group, key, value)
        rewrite_all(optimizer)


def class_names(optimizer: Optimizer) -> tuple[str, ...]:
    """The class of an optimizer, and those it inherits from, as they are imported."""
    kinds = type(optimizer).__mro__
    return tuple(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds[: kinds.index(Optimizer)])


def match(optimizer: Optimizer, saved: Mapping[str, Any], names: Sequence[Sequence[str]], policies: Policies) -> Fitted:
    """What a saved state comes to in an optimizer, without changing anything.

    Args:
        optimizer: that is stepped.
        saved: what `named_state` gave.
        names: of the optimizer's parameters, group by group.
        policies: what to do where the two differ.

    Raises:
        StateMismatchError: it is no state of ours, or the policies forbid what it comes to.
    """
    records, homes = _checked(saved)
    renamed = renamed_by(list(records), policies.rename)
    sources = {new: old for old, new in renamed.items()}
    former, present = saved["optimizer"], class_names(optimizer)
    same = former == present
    tally = _Tally(related=bool(set(former) & set(present)), fitting=Fitting(optimizer))
    whole = not isinstance(optimizer, LBFGS) or [sources.get(n) for own in names for n in own] == list(records)
    state: dict[Any, Any] = dict(saved["others"]) if same else {}
    index = 0
    for group, own in zip(optimizer.param_groups, names, strict=True):
        for name, parameter in zip(own, group["params"], strict=True):
            record = records.get(sources.get(name, "")) if whole else None
            kept = tally.judge(name, record, group, parameter)
            if kept:
                state[index] = kept
            index += 1
    here = {name for own in names for name in own}
    if records and here.isdisjoint(renamed.values()):
        raise WrongModelError(list(records), sorted(here))
    tally.dropped += [old for old, new in renamed.items() if new not in here or not whole]
    entries, differences = _entries(
        optimizer, [[homes.get(sources.get(n, "")) for n in own] for own in names], policies, same
    )
    if not same:
        differences.insert(0, Difference("optimizer", former[0], present[0], present[0]))
    moved = set(tally.moved)
    report = LoadReport(
        moved=tuple(tally.moved),
        fresh=tuple(tally.fresh),
        dropped=tuple(tally.dropped),
        reshaped=tuple(tally.reshaped),
        refitted=tuple(tally.refitted),
        renamed=tuple((old, new) for old, new in renamed.items() if old != new and new in moved),
        hyperparameters=tuple(differences),
    )
    policies.check(report)
    return Fitted(optimizer, state, entries, report)


@dataclass
class _Tally:
    """What becomes of each parameter."""

    related: bool
    fitting: Fitting
    moved: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    reshaped: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    refitted: list[str] = field(default_factory=list)

    def judge(self, name: str, record: Mapping[str, Any] | None, group: Mapping[str, Any], parameter: Tensor) -> Any:
        """The state that a parameter gets, empty for none."""
        if record is None:
            self.fresh.append(name)
            return {}
        shape = tuple(record["shape"])
        if shape != tuple(parameter.shape):
            self.reshaped.append((name, shape, tuple(parameter.shape)))
            return {}
        state = {key: value for key, value in record["state"].items() if value is not None}
        wanted = self.fitting.kept(group, parameter) if state else None
        if not state or wanted == state.keys() or (wanted is None and self.related):
            self.moved.append(name)
            return record["state"]
        if not self.related or wanted is None or not wanted & state.keys():
            self.refitted.append(name)
            return {}
        self.moved.append(name)
        self.dropped += [f"{name} [{key}]" for key in sorted(state.keys() - wanted)]
        added = sorted(wanted - state.keys())
        self.fresh += [f"{name} [{key}]" for key in added]
        started = (self.fitting.fresh(group, parameter) or {}) if added else {}
        return {**{key: state[key] for key in state if key in wanted}, **{key: started[key] for key in added}}


def _checked(saved: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Mapping[str, Any]]]:
    """The parameters of a saved state, and the group of each.

    Raises:
        StateMismatchError: it is none, or a newer one.
    """
    wanted = {"version": int, "optimizer": tuple, "parameters": Mapping, "groups": Sequence, "others": Mapping}
    wrong = [
        key for key, kind in wanted.items() if not isinstance(saved, Mapping) or not isinstance(saved.get(key), kind)
    ]
    if wrong:
        raise StateMismatchError(
            f"This is no named state: {', '.join(wrong)} is missing or malformed.",
            "Load what named_state() returned; a state_dict() of torch is made one by pg.state.adopt(...).",
        )
    if saved["version"] > VERSION:
        raise StateMismatchError(
            f"The state has version {saved['version']}, and this version of paramgroups reads up to {VERSION}.",
            "Update it: pip install --upgrade paramgroups",
        )
    records, groups = saved["parameters"], saved["groups"]
    parts = {"name", "parameters", "settings", "run"}
    if not all({"shape", "state"} <= set(each) for each in records.values()) or not all(
        parts <= set(g) for g in groups
    ):
        raise StateMismatchError("This is no named state: a parameter or a group in it lacks a part.", "Save it anew.")
    return records, {name: group for group in groups for name in group["parameters"]}


def renamed_by(names: Iterable[str], rename: Rename) -> dict[str, str]:
    """Saved name -> present name.

    Raises:
        StateMismatchError: a name to be changed is not there, or two become one.
    """
    if rename is None:
        return {name: name for name in names}
    if callable(rename):
        found = {name: rename(name) for name in names}
    else:
        found = {}
        used = set()
        for name in names:
            steps = name.split(".")
            paths = [".".join(steps[:count]) for count in range(len(steps), 0, -1)]
            path = next((path for path in paths if path in rename), None)
            used.add(path)
            found[name] = name if path is None else rename[path] + name[len(path) :]
        unused = [path for path in rename if path not in used]
        if unused:
            known = {path for name in names for path in _paths(name)}
            raise StateMismatchError(
                f"rename names {listing(unused)}, and nothing was saved under it.",
                did_you_mean(unused[0], sorted(known)),
            )
    olds = defaultdict(list)
    for old, new in found.items():
        olds[new].append(old)
    for new, several in olds.items():
        if len(several) > 1:
            raise StateMismatchError(f"rename gives {listing(several)} one name, {new!r}.", "Give each its own.")
    return found


def _paths(name: str) -> list[str]:
    """A name, and each module above it."""
    steps = name.split(".")
    return [".".join(steps[:count]) for count in range(len(steps), 0, -1)]


def _entries(
    optimizer: Optimizer, homes: Sequence[Iterable[Mapping[str, Any] | None]], policies: Policies, same: bool
) -> tuple[list[dict[str, Any]], list[Difference]]:
    """What is to stand in each group beside its parameters, and which settings differ.

    Raises:
        StateMismatchError: parameters of one group were set differently, and that is to hold.
    """
    found: list[dict[str, Any]] = []
    differences = []
    present = zip(labels(optimizer), optimizer.param_groups, homes, driven_names(optimizer), strict=True)
    for label, group, own, driven in present:
        sources = list({id(home): home for home in own if home is not None}.values())
        entries: dict[str, Any] = {}
        for part, wanted in (("settings", policies.hyperparameters == "saved"), ("run", same)):
            for key in dict.fromkeys(key for source in sources for key in source[part]):
                values = [source[part][key] for source in sources if key in source[part]]
                if key in driven or (part == "settings" and key not in settings(optimizer, group)):
                    continue
                alike = all(_same(value, values[0]) for value in values)
                if wanted and not alike:
                    raise StateMismatchError(
                        f"{key} of group {label.name!r} was saved with several values, "
                        f"{', '.join(show(value) for value in values)}: its parameters were in groups "
                        f"{listing([source['name'] for source in sources])}.",
                        "Keep these in groups of their own"
                        + (", or hyperparameters='current' to keep what is set now." if part == "settings" else "."),
                    )
                if part == "settings" and not (alike and _same(values[0], group[key])):
                    saved = values[0] if alike else ", ".join(show(value) for value in values)
                    differences.append(
                        Difference(f"{key}/{label.name}", saved, group[key], values[0] if wanted else group[key])
                    )
                if wanted:
                    entries[key] = values[0]
        found.append(entries)
    return found, differences


def _same(one: Any, other: Any) -> bool:
    one, other = (value.tolist() if isinstance(value, Tensor) else value for value in (one, other))
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _put(group: dict[str, Any], key: str, value: Any) -> None:
    """Set an entry of a group: a number is filled into the tensor that stands there."""
    present = group.get(key)
    if isinstance(present, Tensor) and not present.is_meta:
        present.detach().copy_(value.detach() if isinstance(value, Tensor) else present.new_tensor(value))
    elif isinstance(value, Tensor) and isinstance(present, (int, float)):
        group[key] = value.item()
    else:
        group[key] = own_copy(value)


def _copied(value: Any) -> Any:
    """Containers and tensors within, copied."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return own_copy(value)

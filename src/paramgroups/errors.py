"""Every mistake the package explains, and how it finds the word a user meant.

Knows no other module: what an error needs to say is handed to it as plain fields.

    ParamGroupsError
    ├── PlanError (ValueError)              a plan that cannot be put on a model
    │   ├── UnmatchedRuleError (LookupError)
    │   ├── UnknownHyperparameterError
    │   ├── HyperparameterValueError
    │   ├── EmptyRuleError
    │   ├── NothingToScaleError
    │   ├── DuplicateParameterError
    │   ├── DuplicateNameError
    │   ├── InvalidNameError
    │   ├── EmptyModelError
    │   ├── NothingToTrainError
    │   ├── NotAnOptimizerError (TypeError)
    │   ├── CollidingArgumentError
    │   └── DepthError
    ├── GroupIndexError (IndexError)        looking a group up
    ├── GroupNameError (KeyError)
    ├── ParameterNameError (KeyError)
    ├── MixedValueError (ValueError)
    ├── ScheduleError (ValueError)          a schedule that has no value
    │   ├── DurationError
    │   ├── UnresolvedDurationError
    │   ├── MissingBaseError (TypeError)
    │   ├── CompositionError (TypeError)
    │   ├── ScheduleArgumentError
    │   └── UndefinedValueError (ArithmeticError)
    ├── SchedulerError (RuntimeError)       a schedule that cannot drive an optimizer
    │   ├── ClaimError
    │   ├── UndrivenError
    │   ├── ClockError
    │   │   └── ClockStalledError
    │   ├── EditError
    │   ├── ScheduledValueError (ValueError)
    │   └── StateMismatchError (ValueError)
    ├── ExpressionError (ValueError)        text that is not an expression of ours
    ├── RecipeError (ValueError)            a recipe with mistakes, each with its path
    ├── DataError (ValueError)              files or tensors that are no data to train on
    ├── RunError (RuntimeError)             a run that cannot start or go on
    └── MissingExtraError (ImportError)     an optional dependency that is absent

Facts are fields; the text is made in `__str__`, in three parts: what happened, where (by name), what to do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields

_CLOSE = 0.6  # difflib's ratio from which a word counts as a near miss
_LOOKED_AT = 5_000  # near misses are looked for among this many names: a message must not take seconds

_WORD = re.compile(r"[A-Za-z0-9_.]+")
_ANOTHER_GROUP = (
    "A group is made by a rule, Plan(Rule('head.*', lr=1e-3), ...), or by hand: "
    "optimizer.add_param_group({'params': [...], 'name': 'head'})."
)


def nearest(word: str, candidates: Iterable[str], most: int = 3) -> list[str]:
    """The candidates closest in spelling to `word`, best first, at most `most`.

    Example:
        >>> nearest("weigth_decay", ["lr", "weight_decay", "momentum"])
        ['weight_decay']
    """
    names = list(dict.fromkeys(candidates))
    if len(names) > _LOOKED_AT:
        names = [name for name in names if name[:1] == word[:1]][:_LOOKED_AT]
    folded = {name.lower(): name for name in reversed(names)}
    return [folded[name] for name in difflib.get_close_matches(word.lower(), folded, n=most, cutoff=_CLOSE)]


def listing(names: Iterable[str], most: int = 8) -> str:
    """`'a', 'b' and 3 more`: the first names, quoted, and how many are left.

    Example:
        >>> listing(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    all_names = list(names)
    shown = ", ".join(repr(name) for name in all_names[:most])
    left = len(all_names) - most
    return f"{shown} and {left} more" if left > 0 else shown


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A sentence that offers the nearest candidates, or lists what there is.

    Example:
        >>> did_you_mean("haed", ["head", "backbone"])
        "Did you mean 'head'?"
        >>> did_you_mean("x", ["head", "backbone"])
        "There are: 'head', 'backbone'."
    """
    names = list(candidates)
    close = nearest(word, names)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    return f"There are: {listing(names)}." if names else "There are none."


def _prefixes(names: Iterable[str]) -> list[str]:
    """Every dotted prefix of `names`, the names included: what a glob may have been meant to start with."""
    parts = (name.split(".") for name in names)
    return list(dict.fromkeys(".".join(words[: i + 1]) for words in parts for i in range(len(words))))


class ParamGroupsError(Exception):
    """The root of every error this package raises on purpose."""

    def __post_init__(self) -> None:
        # An exception pickles as (class, args): the fields are its arguments.
        self.args = tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]  # leaves are dataclasses


class PlanError(ParamGroupsError, ValueError):
    """A plan that cannot be put on a model."""


@dataclass(eq=False, repr=False)
class UnmatchedRuleError(PlanError, LookupError):
    """A rule selected no parameter. Fields: `rule` and `select` (their code), `names` (what the model has)."""

    rule: str
    select: str
    names: list[str]

    def __str__(self) -> str:
        word = max(_WORD.findall(self.select), key=len, default=self.select)
        return (
            f"{self.rule} matched none of the model's {len(self.names)} parameters.\n"
            f"{did_you_mean(word.strip('.'), _prefixes(self.names))}\n"
            "If the layer may be absent, write Rule(..., optional=True)."
        )


@dataclass(eq=False, repr=False)
class UnknownHyperparameterError(PlanError):
    """A hyperparameter the optimizer does not have. Fields: `name`, `where`, `optimizer`, `near`, `known`."""

    name: str
    where: str
    optimizer: str
    near: list[str]
    known: list[str]

    def __str__(self) -> str:
        meant = f"Did you mean {' or '.join(map(repr, self.near))}? " if self.near else ""
        return (
            f"{self.name!r}, given in {self.where}, is no hyperparameter of {self.optimizer}.\n"
            f"{meant}The known ones: {', '.join(self.known)}."
        )


@dataclass(eq=False, repr=False)
class HyperparameterValueError(PlanError):
    """A value no optimizer can use. Fields: `name`, `value`, `where`, `allowed` (in words)."""

    name: str
    value: object
    where: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value!r} in {self.where} cannot be used.\nIt must be {self.allowed}."


@dataclass(eq=False, repr=False)
class EmptyRuleError(PlanError):
    """A rule that says nothing. Field: `rule`."""

    rule: str

    def __str__(self) -> str:
        return (
            f"{self.rule} gives its parameters nothing.\n"
            "Give it a hyperparameter (lr=1e-3), a name (name='head') to make a group of its own, or frozen=True."
        )


@dataclass(eq=False, repr=False)
class NothingToScaleError(PlanError):
    """A `Times` met no value to multiply. Fields: `name`, `rule`, `parameter`."""

    name: str
    rule: str
    parameter: str

    def __str__(self) -> str:
        return (
            f"{self.rule} multiplies {self.name}, but nothing stands there for {self.parameter!r}.\n"
            f"Give the plan a default (Plan(..., {self.name}=...)), or name the optimizer class whose default "
            f"is meant: plan.on(model, torch.optim.AdamW)."
        )


@dataclass(eq=False, repr=False)
class DuplicateParameterError(PlanError):
    """One parameter stands in two places. Fields: `parameter`, `places`."""

    parameter: str
    places: list[str]

    def __str__(self) -> str:
        return (
            f"The parameter {self.parameter!r} is in {' and in '.join(self.places)}.\n"
            "An optimizer would update it twice: leave it in exactly one."
        )


@dataclass(eq=False, repr=False)
class DuplicateNameError(PlanError):
    """Two things bear one name. Fields: `name`, `owners`."""

    name: str
    owners: list[str]

    def __str__(self) -> str:
        return (
            f"The name {self.name!r} is borne by {' and by '.join(self.owners)}.\n"
            "Names are how groups are found: give one of them another, Rule(..., name=...)."
        )


@dataclass(eq=False, repr=False)
class InvalidNameError(PlanError):
    """A name that could not be used as a metric name. Field: `name`."""

    name: str

    def __str__(self) -> str:
        return (
            f"{self.name!r} cannot be the name of a rule or group.\n"
            "Use letters, digits, '_', '.' and '-' only, so that it can be used as a metric or file name anywhere."
        )


@dataclass(eq=False, repr=False)
class EmptyModelError(PlanError):
    """The model has no parameters. Field: `model` (its class)."""

    model: str

    def __str__(self) -> str:
        return (
            f"{self.model} has no parameters, so there is nothing to put in groups.\n"
            "Pass the nn.Module that holds the layers, after they are built (lazy layers after a first forward)."
        )


@dataclass(eq=False, repr=False)
class NothingToTrainError(PlanError):
    """Every parameter is frozen. Field: `frozen`, how many tensors by each reason."""

    frozen: dict[str, int]

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.frozen.items())
        return (
            f"Every parameter of the model is frozen: {reasons}.\n"
            "An optimizer needs at least one: narrow the frozen rules, or set requires_grad=True on what is to train."
        )


@dataclass(eq=False, repr=False)
class NotAnOptimizerError(PlanError, TypeError):
    """Something else stands where an optimizer (class) is needed. Fields: `value`, `wanted`."""

    value: str
    wanted: str

    def __str__(self) -> str:
        return (
            f"{self.value} is not {self.wanted}.\n"
            "Pass the class itself, e.g. plan.build(model, torch.optim.AdamW); its arguments follow as keywords."
        )


@dataclass(eq=False, repr=False)
class CollidingArgumentError(PlanError):
    """A keyword of `build` is a default of the plan as well. Fields: `name`, `planned`, `given`."""

    name: str
    planned: object
    given: object

    def __str__(self) -> str:
        return (
            f"{self.name} is given twice: {self.planned!r} as a default of the plan, {self.given!r} to build.\n"
            "Say it in one place; the plan is the one that explains itself."
        )


@dataclass(eq=False, repr=False)
class DepthError(PlanError):
    """The depth of a parameter could not be told. Fields: `problem`, `seen` (module path -> what was seen)."""

    problem: str
    seen: dict[str, str]

    def __str__(self) -> str:
        lines = "\n".join(f"  {path or '(root)'}: {what}" for path, what in list(self.seen.items())[:12])
        return (
            f"LayerDecay: {self.problem}. Seen:\n{lines}\n"
            "Give the depths yourself: LayerDecay(0.75, depth={'stem.*': 0, 'blocks.0.*': 1, ...}), "
            "or a callable from Param to int."
        )


@dataclass(eq=False, repr=False)
class GroupIndexError(ParamGroupsError, IndexError):
    """A group index that does not exist. Fields: `index`, `groups` (their names)."""

    index: int
    groups: list[str]

    def __str__(self) -> str:
        count = len(self.groups)
        return (
            f"There is no parameter group {self.index}: the optimizer has {count} "
            f"({listing(self.groups)}), numbered 0 to {count - 1}.\n"
            f"{_ANOTHER_GROUP}"
        )


@dataclass(eq=False, repr=False)
class GroupNameError(ParamGroupsError, KeyError):
    """A group name that selects nothing. Fields: `name`, `groups`, `rules` (the names there are)."""

    name: str
    groups: list[str]
    rules: list[str]

    def __str__(self) -> str:
        return (
            f"No parameter group is called {self.name!r}.\n"
            f"{did_you_mean(self.name, [*self.groups, *self.rules])}\n"
            f"{_ANOTHER_GROUP}"
        )


@dataclass(eq=False, repr=False)
class ParameterNameError(ParamGroupsError, KeyError):
    """A parameter name that does not exist. Fields: `name`, `names`."""

    name: str
    names: list[str]

    def __str__(self) -> str:
        return (
            f"No parameter is called {self.name!r}.\n{did_you_mean(self.name, self.names)}\n"
            "Use a name that model.named_parameters() prints."
        )


@dataclass(eq=False, repr=False)
class MixedValueError(ParamGroupsError, ValueError):
    """One value was asked of groups that differ. Fields: `name`, `values` (group -> value)."""

    name: str
    values: dict[str, object]

    def __str__(self) -> str:
        each = ", ".join(f"{group}: {value!r}" for group, value in self.values.items())
        return (
            f"{self.name} differs between the selected groups ({each}).\n"
            "Select one group, or loop: [group.lr for group in view[...]]."
        )


class ScheduleError(ParamGroupsError, ValueError):
    """A schedule that cannot be built, or has no value where it was asked."""


@dataclass(eq=False, repr=False)
class DurationError(ScheduleError):
    """A length that is no whole number of steps. Fields: `duration`, `where`, `problem`, `remedy`."""

    duration: object
    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.duration!r} {self.problem}.\n{self.remedy}"


@dataclass(eq=False, repr=False)
class UnresolvedDurationError(ScheduleError):
    """A schedule still has lengths relative to a run. Fields: `schedule` (its code), `durations`."""

    schedule: str
    durations: list[str]

    def __str__(self) -> str:
        return (
            f"{self.schedule} does not know yet how many steps {listing(self.durations)} is.\n"
            "Say how long the run is: schedule.resolve(Horizon(steps=...))."
        )


@dataclass(eq=False, repr=False)
class MissingBaseError(ScheduleError, TypeError):
    """A value was asked without the base it multiplies. Field: `schedule` (its code)."""

    schedule: str

    def __str__(self) -> str:
        return (
            f"{self.schedule} gives factors of a base (a group's own lr, say), and no base was given.\n"
            "Give it, schedule(step, base=3e-4), or write every level in its own unit, Absolute(3e-4)."
        )


@dataclass(eq=False, repr=False)
class CompositionError(ScheduleError, TypeError):
    """Schedules that do not fit together. Fields: `parts` (their code), `problem`, `remedy`."""

    parts: list[str]
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{' and '.join(self.parts)}: {self.problem}.\n{self.remedy}"


@dataclass(eq=False, repr=False)
class ScheduleArgumentError(ScheduleError):
    """A value no schedule can use. Fields: `name`, `value`, `where`, `allowed` (in words)."""

    name: str
    value: object
    where: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value!r} in {self.where} cannot be used.\nIt must be {self.allowed}."


@dataclass(eq=False, repr=False)
class UndefinedValueError(ScheduleError, ArithmeticError):
    """A schedule has no finite value where it was asked. Fields: `schedule` (its code), `at`, `problem`, `remedy`."""

    schedule: str
    at: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.schedule} has no value at {self.at}: {self.problem}.\n{self.remedy}"


class SchedulerError(ParamGroupsError, RuntimeError):
    """A schedule that cannot drive this optimizer."""


@dataclass(eq=False, repr=False)
class ClaimError(SchedulerError):
    """A hyperparameter of a group is driven by another scheduler. Fields: `what`, `holder`, `way_out`."""

    what: str
    holder: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.what} is already driven by {self.holder}.\n{self.way_out}"


@dataclass(eq=False, repr=False)
class UndrivenError(SchedulerError):
    """Nothing drives what was to be changed. Fields: `what`, `driven` (what is)."""

    what: str
    driven: list[str]

    def __str__(self) -> str:
        return (
            f"This scheduler does not drive {self.what}.\n"
            f"It drives {listing(self.driven)}. What no schedule drives is written in the group itself: "
            "pg.view(optimizer)['head'].lr = 1e-3."
        )


@dataclass(eq=False, repr=False)
class ClockError(SchedulerError):
    """The clock cannot be trusted. Fields: `problem`, `way_out`."""

    problem: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.problem}\n{self.way_out}"


@dataclass(eq=False, repr=False)
class ClockStalledError(ClockError):
    """`scheduler.step()` was called again and again, and no optimizer step happened. Fields as `ClockError`'s."""


@dataclass(eq=False, repr=False)
class EditError(SchedulerError):
    """A driven value was changed by hand, and the scheduler was told to forbid it, or it cannot be used.

    Fields: `what`, `value`, `expected`, `step`, `reason`.
    """

    what: str
    value: float
    expected: float
    step: int
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.what} was changed by hand from {self.expected!r} to {self.value!r} before step {self.step}: "
            f"{self.reason}.\n"
            "Write a valid value under on_edit='rebase', or say what is meant: scheduler.override(...) for a while, "
            "scheduler.rebase(...) for good."
        )


@dataclass(eq=False, repr=False)
class ScheduledValueError(SchedulerError, ValueError):
    """A schedule leads out of a hyperparameter's range.

    Fields: `what`, `schedule`, `step`, `value`, `base`, `allowed`.
    """

    what: str
    schedule: str
    step: int
    value: float
    base: float
    allowed: str

    def __str__(self) -> str:
        return (
            f"{self.schedule} gives {self.what} = {self.value!r} at step {self.step}, from the base {self.base!r}.\n"
            f"It must be {self.allowed}. A plain level is a factor of the group's base; "
            "a level in the hyperparameter's own unit is written Absolute(...)."
        )


@dataclass(eq=False, repr=False)
class StateMismatchError(SchedulerError, ValueError):
    """A saved state does not fit. Fields: `problem`, `way_out`."""

    problem: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.problem}\n{self.way_out}"


@dataclass(eq=False, repr=False)
class ExpressionError(ParamGroupsError, ValueError):
    """Text that is no expression of ours. Fields: `text`, `problem`, `column` (from 1, 0 unknown), `hint`."""

    text: str
    problem: str
    column: int
    hint: str

    def __str__(self) -> str:
        where = f" (column {self.column})" if self.column else ""
        return "\n".join(filter(None, (f"{self.text!r} cannot be read{where}: {self.problem}.", self.hint)))


@dataclass(eq=False, repr=False)
class RecipeError(ParamGroupsError, ValueError):
    """A recipe with mistakes, all of them. Fields: `source` (its file or name), `problems` (path, message)."""

    source: str
    problems: list[tuple[str, str]]

    def __str__(self) -> str:
        lines = [f"{path}: {message}" if path else message for path, message in self.problems]
        if len(lines) == 1:
            return f"{self.source}: {lines[0]}"
        each = "\n".join("  " + line.replace("\n", "\n    ") for line in lines)
        return f"{self.source} has {len(lines)} mistakes.\n{each}"


@dataclass(eq=False, repr=False)
class DataError(ParamGroupsError, ValueError):
    """Files or tensors that are no data to train on. Fields: `where`, `problem`, `remedy`."""

    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where} {self.problem}.\n{self.remedy}"


@dataclass(eq=False, repr=False)
class RunError(ParamGroupsError, RuntimeError):
    """A run that cannot start or go on. Fields: `problem`, `remedy`."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}"


@dataclass(eq=False, repr=False)
class MissingExtraError(ParamGroupsError, ImportError):
    """An optional dependency is not installed. Fields: `package`, `extra`, `purpose`."""

    package: str
    extra: str
    purpose: str

    def __str__(self) -> str:
        return (
            f"{self.purpose} needs {self.package!r}, which is not installed.\n"
            f"Install it with: pip install 'paramgroups[{self.extra}]'"
        )

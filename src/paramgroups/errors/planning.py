"""What is wrong with a plan on a model, or with a group or parameter that was looked up.

Knows only what it is handed, as plain fields; the text is made of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from paramgroups.errors.root import ParamGroupsError, did_you_mean, listing, nearest

_ANOTHER_GROUP = (
    "A group is made by a rule, Plan(Rule('head.*', lr=1e-3), ...), or by hand: "
    "optimizer.add_param_group({'params': [...], 'name': 'head'})."
)


class PlanError(ParamGroupsError, ValueError):
    """A plan that cannot be put on a model."""


@dataclass(eq=False, repr=False)
class UnmatchedRuleError(PlanError, LookupError):
    """A rule selected no parameter.

    Fields: `rule` (its code), `names` (what the model has); of the parts that matched nothing by themselves, the
    `globs` over names, the `paths` (globs over modules), and what every `other` one looks for, in words.
    """

    rule: str
    names: list[str]
    globs: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{self.rule} matched none of the model's {len(self.names)} parameters.",
                *self.advice(),
                "If the layer may be absent, write Rule(..., optional=True).",
            )
        )

    def advice(self) -> list[str]:
        """What to select instead, part by part."""
        found = [
            *(_glob_advice(glob, self.names) for glob in self.globs),
            *(_path_advice(path, self.names) for path in self.paths),
            *(f"It looks for {each}; there is none." for each in self.other),
        ]
        return found or ["Each part of it matches something by itself, but no parameter matches the whole."]


@dataclass(eq=False, repr=False)
class NothingSelectedError(UnmatchedRuleError):
    """A regrouping selected no parameter. Fields: as its base; `rule` is the selector, `names` what it looked at."""

    def __str__(self) -> str:
        return "\n".join((f"{self.rule} selects none of the {len(self.names)} parameters there are.", *self.advice()))


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
class GroupRefusedError(HyperparameterValueError):
    """The optimizer's own constructor refuses a group's values. Fields: as its base, and `optimizer`, `reason`."""

    optimizer: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.optimizer} refuses {self.where}: {self.reason}\n"
            f"What it was given: {self.value!r}. Each value must be {self.allowed}."
        )


@dataclass(eq=False, repr=False)
class NotAMatrixError(PlanError):
    """An algorithm for matrices was given something else. Fields: `parameter`, `where`, `shape`, `optimizer`."""

    parameter: str
    where: str
    shape: tuple[int, ...]
    optimizer: str

    def __str__(self) -> str:
        return (
            f"{self.parameter} of {self.where} has the shape {self.shape}; {self.optimizer} takes matrices only.\n"
            "Select them with Ndim(2), and give norms, biases and convolutions to another optimizer, AdamW say."
        )


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
class MissingHyperparameterError(PlanError):
    """An optimizer class needs a value that nothing gives. Fields: `name`, `optimizer`, `group`."""

    name: str
    optimizer: str
    group: str

    def __str__(self) -> str:
        return (
            f"{self.optimizer} has no default for {self.name}, and nothing gives one to group {self.group!r}.\n"
            f"Give the plan one, Plan(..., {self.name}=...), or build: plan.build(model, ..., {self.name}=...)."
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
            "Names are how groups and parameters are found: give one of them another; a rule's is Rule(..., name=...)."
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
class NotAModelError(PlanError, TypeError):
    """Something else stands where a model is needed. Field: `value` (what was passed, in words)."""

    value: str

    def __str__(self) -> str:
        return (
            f"{self.value} is not a model, an nn.Module.\n"
            "Pass the module itself, not its parameters() nor its class: plan.on(model), "
            "plan.build(model, torch.optim.AdamW), name_groups(optimizer, model)."
        )


@dataclass(eq=False, repr=False)
class NotAnOptimizerError(PlanError, TypeError):
    """Something else stands where an optimizer is needed. Fields: `value` (in words), `is_class` (which was wanted)."""

    value: str
    is_class: bool

    def __str__(self) -> str:
        if self.is_class:
            return (
                f"{self.value} is not a subclass of torch.optim.Optimizer.\n"
                "Pass the class itself, not an instance, e.g. plan.build(model, torch.optim.AdamW); "
                "its arguments follow as keywords."
            )
        return (
            f"{self.value} is not a torch.optim.Optimizer instance.\n"
            "Pass the optimizer itself, as it was made by plan.build or by its class: view(optimizer), "
            "name_groups(optimizer, model)."
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
    """A group index that does not exist. Fields: `index` (or a slice of none), `groups` (their names)."""

    index: int | slice
    groups: list[str]

    def __str__(self) -> str:
        count, index = len(self.groups), self.index
        wanted = f"{index.start}:{index.stop}" if isinstance(index, slice) else index
        return (
            f"There is no parameter group {wanted}: the optimizer has {count} "
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
class ForeignParameterError(ParameterNameError):
    """A parameter of an optimizer is not the model's. Fields: `name` (where it stands), `names` (the model's)."""

    def __str__(self) -> str:
        return (
            f"A parameter of {self.name} is not in this model, whose parameters are {listing(self.names, most=4)}.\n"
            "Pass the model from whose parameters the optimizer was made; if layers were replaced since, make the "
            "optimizer anew."
        )


@dataclass(eq=False, repr=False)
class UnknownModelError(ParamGroupsError, LookupError):
    """Nobody said whose parameters an optimizer holds. Field: `optimizer` (its class)."""

    optimizer: str

    def __str__(self) -> str:
        return (
            f"Which model's parameters this {self.optimizer} holds is not known: nobody gave them names, or it was "
            "copied or loaded since, or the model is gone.\n"
            "Say it once, pg.name_groups(optimizer, model), or where it is needed, model=model."
        )


@dataclass(eq=False, repr=False)
class RegroupError(ParamGroupsError, ValueError):
    """Groups that cannot be put together so. Fields: `problem`, `way_out`."""

    problem: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.problem}\n{self.way_out}"


@dataclass(eq=False, repr=False)
class FreezeError(ParamGroupsError, RuntimeError):
    """What cannot be frozen or thawed so. Fields: `problem`, `way_out`."""

    problem: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.problem}\n{self.way_out}"


@dataclass(eq=False, repr=False)
class UnequalGroupsError(ParamGroupsError, ValueError):
    """Parameters cannot share a group, because what holds for them differs.

    Fields: `group` (that they were to share), `values` (what differs -> present group -> value), `way_out`.
    """

    group: str
    values: dict[str, dict[str, object]]
    way_out: str

    def __str__(self) -> str:
        lines = [f"  {name}: {_by_value(each)}" for name, each in self.values.items()]
        return "\n".join((f"Group {self.group!r} would hold parameters that differ.", *lines, self.way_out))


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


def _by_value(values: Mapping[str, object], most: int = 8) -> str:
    """Each value, and the groups that have it; of many, the first."""
    groups: dict[str, list[str]] = {}
    for group, value in values.items():
        groups.setdefault(repr(value), []).append(group)
    shown = [f"{value} in {listing(names, most=3)}" for value, names in list(groups.items())[:most]]
    return "; ".join([*shown, *(["…"] if len(groups) > most else [])])


def _glob_advice(glob: str, names: Sequence[str]) -> str:
    """What to write for a glob that matches no name: only what matches one."""
    modules = _modules(names)
    if glob.rstrip(".") in modules:
        path = glob.rstrip(".")
        return f"{path!r} is a module, not a parameter: write {f'{path}.*'!r} or Within({path!r})."
    attributes = dict.fromkeys(name.rpartition(".")[2] for name in names)
    offered = [*(f"{path}.*" for path in modules), *(f"*.{each}" for each in attributes), *names]
    close = [each for each in nearest(glob, offered) if any(fnmatchcase(name, each) for name in names)]
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    top = dict.fromkeys(f"{first}.*" if rest else first for first, _, rest in (n.partition(".") for n in names))
    return f"Nothing is called {glob!r}. There are: {listing(top)}."


def _path_advice(path: str, names: Sequence[str]) -> str:
    """What to write for a glob that matches the path of no module."""
    modules = _modules(names)
    if path in names:
        return f"{path!r} is a parameter, not a module: write {path!r} without Within."
    close = nearest(path, modules)
    if close:
        return f"Did you mean {' or '.join(f'Within({each!r})' for each in close)}?"
    return f"No module is called {path!r}. There are: {listing(m for m in modules if '.' not in m)}."


def _modules(names: Sequence[str]) -> list[str]:
    """The path of every module that holds one of the parameters `names`."""
    parts = [name.split(".")[:-1] for name in names]
    return list(dict.fromkeys(".".join(words[: i + 1]) for words in parts for i in range(len(words))))

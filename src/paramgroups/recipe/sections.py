"""What a recipe consists of, section by section, and everything that can be checked without running it.

Knows the fields, what fits into each and how they are written; makes nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from paramgroups.errors import HyperparameterValueError, ParamGroupsError
from paramgroups.hyperparameters import check_value
from paramgroups.plan import LayerDecay, Plan, Rule, Times
from paramgroups.recipe.algorithms import arguments_of, check_optimizers
from paramgroups.recipe.leaves import ScheduleText, SelectorText, Value
from paramgroups.recipe.problems import fail_at, tag
from paramgroups.recipe.targets import Target, check_data, check_model
from paramgroups.schedules import Constant, Schedule
from paramgroups.selectors import ALL

Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A part of a recipe: what it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        off = {name for name in type(self).model_fields if getattr(self, name) is None or getattr(self, name) is False}
        return {key: value for key, value in handler(self).items() if key not in off}


def _check_values(values: Mapping[str, Any]) -> None:
    """Each value is one that an optimizer could use."""
    fail_at([(key, problem) for key, value in values.items() if (problem := _unusable(key, value))], dict(values))


def _unusable(key: str, value: Any) -> str:
    try:
        if not isinstance(value, Times):
            check_value(key, value, "the recipe")
    except HyperparameterValueError as error:
        return f"{value!r} cannot be used. It must be {error.allowed}."
    return ""


def _check_defaults(values: dict[str, Any]) -> dict[str, Any]:
    _check_values(values)
    scaled = [key for key, value in values.items() if isinstance(value, Times)]
    fail_at([(key, f"{values[key]!r} has nothing below it to multiply. Give a value.") for key in scaled], values)
    return values


def _check_arguments(optimizer: Target) -> Target:
    _check_values(arguments_of(optimizer))
    return optimizer


class RuleEntry(Section):
    """`Rule`: what it selects, and what it gives. Every other key is a hyperparameter."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Value]

    select: SelectorText
    name: str | None = None
    frozen: bool = False
    optional: bool = False

    @model_validator(mode="after")
    def _check(self) -> RuleEntry:
        _check_values(self.__pydantic_extra__)
        return _checked_by_making(self)

    def make(self) -> Rule:
        """The rule."""
        words: dict[str, Any] = {"name": self.name, "frozen": self.frozen, "optional": self.optional}
        return Rule(self.select, **words, **self.__pydantic_extra__)


class LayerDecayEntry(Section):
    """`LayerDecay`: the factor from a layer to the next below, under the key `layer_decay`, and its other arguments."""

    layer_decay: float
    depth: dict[str, int] | None = None
    select: SelectorText = ALL
    min_scale: float = 0.0
    hyperparameter: str = "lr"

    @model_validator(mode="after")
    def _check(self) -> LayerDecayEntry:
        return _checked_by_making(self)

    def make(self) -> LayerDecay:
        """The rule."""
        words: dict[str, Any] = {"min_scale": self.min_scale, "hyperparameter": self.hyperparameter}
        return LayerDecay(self.layer_decay, self.depth, select=self.select, **words)


SectionT = TypeVar("SectionT", bound="RuleEntry | LayerDecayEntry | PlanSection")


def _checked_by_making(section: SectionT) -> SectionT:
    """The section, once what it describes could be made."""
    try:
        section.make()
    except (ParamGroupsError, TypeError) as error:  # the latter for what is no name of an argument
        raise ValueError(str(error)) from error
    return section


def _kind_of_rule(given: object) -> str:
    decays = isinstance(given, LayerDecayEntry) or (isinstance(given, Mapping) and "layer_decay" in given)
    return tag("layer_decay" if decays else "rule")


AnyRule: TypeAlias = Annotated[
    Annotated[RuleEntry, Tag(tag("rule"))] | Annotated[LayerDecayEntry, Tag(tag("layer_decay"))],
    Discriminator(_kind_of_rule),
]


class PlanSection(Section):
    """`Plan`: the hyperparameters of every parameter, and the rules over them, in order."""

    defaults: Annotated[dict[str, Value], AfterValidator(_check_defaults)] = {}
    rules: list[AnyRule] = []

    @model_validator(mode="after")
    def _check(self) -> PlanSection:
        return _checked_by_making(self)

    def make(self) -> Plan:
        """The plan."""
        return Plan(*(rule.make() for rule in self.rules), **self.defaults)


class HorizonSection(Section):
    """How long each training is: one of the two."""

    epochs: Annotated[float, Field(gt=0, le=1e6)] | None = None
    steps: Annotated[int, Field(gt=0, le=10**15)] | None = None

    @model_validator(mode="after")
    def _check(self) -> HorizonSection:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps.")
        return self


class PretrainSection(Section):
    """What comes first: every parameter, in one group at a constant lr, on the examples of some classes."""

    classes: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]
    epochs: Positive
    lr: Positive


class CompareSection(Section):
    """The lr to choose from, for the plan (in place of its default) and for a baseline of one group alike."""

    lr: Annotated[list[Positive], Field(min_length=1)]


def _kind_of_schedule(given: object) -> str:
    return tag("group" if isinstance(given, Mapping) else "schedule")


Schedules: TypeAlias = dict[
    str,
    Annotated[
        Annotated[ScheduleText | None, Tag(tag("schedule"))]
        | Annotated[dict[str, ScheduleText | None], Tag(tag("group"))],
        Discriminator(_kind_of_schedule),
    ],
]
"""Hyperparameter -> schedule, for every group; group -> hyperparameter -> schedule, for some."""


class Recipe(Section):
    """One file that says what is trained, on what, how, and for how long."""

    model: Annotated[Target, AfterValidator(check_model)]
    data: Annotated[Target, AfterValidator(check_data)]
    optimizer: Annotated[Target, AfterValidator(check_optimizers), AfterValidator(_check_arguments)]
    plan: PlanSection
    schedules: Schedules = {"lr": Constant()}
    horizon: HorizonSection
    batch_size: Annotated[int, Field(gt=0, le=10**9)] = 64
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    threads: Annotated[int, Field(gt=0, le=10**4)] | None = None
    pretrain: PretrainSection | None = None
    compare: CompareSection | None = None

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        twice = self.plan.defaults.keys() & self.optimizer.arguments.keys()
        fail_at([(f"optimizer.{key}", f"plan.defaults has {key} too. Say it in one place.") for key in twice], self)
        if self.pretrain is not None and "lr" in self.optimizer.arguments:
            problem = "pretrain has an lr of its own, for which this leaves no room. Say it in plan.defaults."
            fail_at([("optimizer.lr", problem)], self)
        lr = self.plan.defaults.get("lr")
        if self.compare is not None and lr not in self.compare.lr:
            problem = f"the plan's default lr, {lr!r}, is not among {self.compare.lr}, from which it is chosen."
            fail_at([("compare", f"{problem} Add it, or leave `compare` out.")], self.compare)
        return self

    def scheduled(self) -> dict[str, dict[str, Schedule | None]]:
        """Group -> hyperparameter -> schedule, as `Scheduler` takes it; `*` is every group."""
        found: dict[str, dict[str, Schedule | None]] = {}
        for key, value in sorted(self.schedules.items(), key=lambda item: isinstance(item[1], dict)):
            group, own = (key, value) if isinstance(value, dict) else ("*", {key: value})
            found.setdefault(group, {}).update(own)
        return found

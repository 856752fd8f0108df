"""What a user writes: rules that give hyperparameters to selected parameters, and the plan they make together.

Knows how rules are written and checked one by one; what they come to on a model is the cascade's work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, final

from torch import nn
from torch.optim import Optimizer

from paramgroups.errors import DuplicateNameError, EmptyRuleError, HyperparameterValueError, described
from paramgroups.hyperparameters import RESERVED, Range, check_value, plain
from paramgroups.params import Param, check_group_name
from paramgroups.plan.depth import Depths
from paramgroups.schedules import Duration, Schedule
from paramgroups.schedules.units import as_duration
from paramgroups.selectors import ALL, Named, Selector, selector

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

    from paramgroups.plan.grouping import Grouping


@final
@dataclass(frozen=True)
class Times:
    """Multiplies the value that stands, instead of replacing it.

    Args:
        factor: a finite number of at least 0.

    Raises:
        HyperparameterValueError: `factor` is not.

    Example:
        >>> Rule("backbone.*", lr=Times(0.1))
        Rule('backbone.*', lr=Times(0.1))
    """

    factor: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", _number("factor", self.factor, "Times", Range(0.0)))

    def __repr__(self) -> str:
        return f"Times({self.factor!r})"


@final
@dataclass(frozen=True, init=False, repr=False)
class Rule:
    """Gives hyperparameters to the parameters that `select` selects.

    Every rule that matches contributes, in the order of the plan; see `Plan`.

    Args:
        select: a selector, or a glob over whole dotted parameter names.
        name: what its groups are called; letters, digits, `_`, `.` and `-`. From the selector where absent.
        frozen: leave the parameters out of every group, and do not train them.
        optional: matching nothing is no mistake.
        thaw: until when they are frozen, updates or text such as "2 epochs"; they are in a group of their own from the
            start. It takes a `Timetable` to thaw them.
        warmup: how their lr joins then: so many updates, such text, or a schedule of factors.
        **hyperparameters: a value replaces what stands, `Times(factor)` multiplies it.

    Raises:
        EmptyRuleError: it says nothing.
        InvalidNameError: `name` could not be used as a metric name.
        HyperparameterValueError: a value that no optimizer could use, or a thaw of what is not frozen.
        DurationError: `thaw` or `warmup` is no duration.

    Example:
        >>> Rule("head.*", lr=1e-3, name="head")
        Rule('head.*', name='head', lr=0.001)
    """

    select: Selector
    name: str | None
    frozen: bool
    optional: bool
    thaw: Duration | None
    warmup: Duration | Schedule | None
    values: tuple[tuple[str, Any], ...]

    def __init__(
        self,
        select: Selector | str,
        *more: NoReturn,
        name: str | None = None,
        frozen: bool = False,
        optional: bool = False,
        thaw: Duration | None = None,
        warmup: Duration | Schedule | None = None,
        **hyperparameters: Any,
    ) -> None:
        if more:
            raise TypeError(_one_selector((select, *more)))
        for field, value in (
            ("select", selector(select)),
            ("name", name),
            ("frozen", frozen),
            ("optional", optional),
            ("thaw", None if thaw is None else as_duration(thaw, "Rule.thaw", rest=False)),
            ("warmup", None if warmup is None else _warmup(warmup)),
            ("values", tuple(sorted((key, plain(value)) for key, value in hyperparameters.items()))),
        ):
            object.__setattr__(self, field, value)
        if name is not None:
            check_group_name(name)
        check_values(hyperparameters, repr(self))
        if frozen and thaw is None and hyperparameters:
            given = ", ".join(hyperparameters)
            raise HyperparameterValueError("frozen", True, repr(self), f"alone: what is frozen has no {given}")
        if thaw is not None and not frozen:
            raise HyperparameterValueError("thaw", thaw, repr(self), "given with frozen=True, or left out")
        if warmup is not None and thaw is None:
            raise HyperparameterValueError("warmup", warmup, repr(self), "given with thaw=, or left out")
        if not frozen and not hyperparameters and name is None:
            raise EmptyRuleError(repr(self))

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """What it gives, by name."""
        return dict(self.values)

    @property
    def label(self) -> str:
        """Its name, or one made from its selector."""
        return self.name or self.select.label

    def __repr__(self) -> str:
        words: dict[str, Any] = {}
        if self.name is not None:
            words["name"] = self.name
        words |= {key: True for key in ("frozen", "optional") if getattr(self, key)}
        words |= {key: value for key in ("thaw", "warmup") if (value := getattr(self, key)) is not None}
        return f"Rule({', '.join([select_code(self.select), *_keywords(words | self.hyperparameters)])})"


@final
@dataclass(frozen=True, init=False, repr=False)
class LayerDecay:
    """Multiplies a hyperparameter layer by layer: the top layer by 1, each one below by `decay` once more.

        factor(layer) = max(min_scale, decay ** (top - layer))

    Layers are numbered from the input: embeddings and stem 0, then the blocks, then what follows them. Clark et al.
    (2020), ELECTRA, arXiv:2003.10555, sec. 3.2; the factor is timm's `param_groups_layer_decay`, but it is in the
    group's own value, so that it works with any scheduler.

    Args:
        decay: factor from one layer to the next below, in (0, 1].
        depth: None to infer the layers; else a mapping from globs over parameter names to layers (a later entry
            wins), or a function from `Param` to a layer: an int of at least 0.
        select: which parameters it applies to.
        min_scale: the smallest factor, in [0, 1].
        hyperparameter: what it multiplies.

    Raises:
        HyperparameterValueError: `decay` or `min_scale` is out of range.

    Example:
        >>> LayerDecay(0.75)
        LayerDecay(0.75)
    """

    decay: float
    depth: Depths | None
    select: Selector
    min_scale: float
    hyperparameter: str

    def __init__(
        self,
        decay: float,
        depth: Mapping[str, int] | Callable[[Param], int] | None = None,
        *,
        select: Selector | str = ALL,
        min_scale: float = 0.0,
        hyperparameter: str = "lr",
    ) -> None:
        for field, value in (
            ("decay", _number("decay", decay, "LayerDecay", Range(0.0, 1.0))),
            ("depth", tuple(depth.items()) if isinstance(depth, Mapping) else depth),
            ("select", selector(select)),
            ("min_scale", _number("min_scale", min_scale, "LayerDecay", Range(0.0, 1.0))),
            ("hyperparameter", hyperparameter),
        ):
            object.__setattr__(self, field, value)
        if decay == 0:
            raise HyperparameterValueError(
                "decay", decay, "LayerDecay", "a number in (0, 1]: at 0 no layer but one learns"
            )
        if not (depth is None or isinstance(depth, Mapping) or callable(depth)):
            allowed = "a mapping from globs to layers, or a function from Param to a layer"
            raise HyperparameterValueError("depth", depth, "LayerDecay", allowed)

    def scale(self, layer: int, top: int) -> float:
        """The factor of `layer` where the highest is `top`."""
        return max(self.min_scale, float(self.decay) ** (top - layer))

    def __repr__(self) -> str:
        depth = dict(self.depth) if isinstance(self.depth, tuple) else self.depth
        words: dict[str, Any] = {}
        if depth is not None:
            words["depth"] = _Code(getattr(depth, "__qualname__", repr(depth)))
        if self.select != ALL:
            words["select"] = _Code(select_code(self.select))
        if self.min_scale:
            words["min_scale"] = self.min_scale
        if self.hyperparameter != "lr":
            words["hyperparameter"] = self.hyperparameter
        return f"LayerDecay({', '.join([repr(self.decay), *_keywords(words)])})"


@final
@dataclass(frozen=True, init=False, repr=False)
class Plan:
    """Rules in order, over defaults that hold for every parameter.

    Rules work as style sheets do: every rule that matches contributes, in order; each hyperparameter is resolved on
    its own; a value replaces what stands, a `Times` multiplies it.

    Args:
        *rules: `Rule` and `LayerDecay`, in order.
        **defaults: hyperparameters of every parameter, before any rule.

    Raises:
        DuplicateNameError: two rules were given one name.
        HyperparameterValueError: a default that no optimizer could use.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
        >>> plan = Plan(Rule("*.bias", weight_decay=0.0), Rule("1.*", lr=Times(10)), lr=1e-3, weight_decay=0.1)
        >>> print(plan.on(model))
        group   tensors  elements  share   lr  weight_decay
        default        1        16  57.1%  0.001           0.1
        bias           1         4  14.3%  0.001             0
        1              1         4  14.3%   0.01           0.1
        bias.1         1         4  14.3%   0.01             0
    """

    rules: tuple[Rule | LayerDecay, ...]
    values: tuple[tuple[str, Any], ...]

    def __init__(self, *rules: Rule | LayerDecay, **defaults: Any) -> None:
        for rule in rules:
            if not isinstance(rule, (Rule, LayerDecay)):
                raise TypeError(f"{rule!r} is no rule.\nWrite Plan(Rule('head.*', lr=1e-3), ..., lr=1e-4).")
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "values", tuple(sorted((key, plain(value)) for key, value in defaults.items())))
        check_values(defaults, "the plan's defaults")
        scaled = [key for key, value in defaults.items() if isinstance(value, Times)]
        if scaled:
            where, allowed = "the plan's defaults", "a value: a default has nothing below it to multiply"
            raise HyperparameterValueError(scaled[0], defaults[scaled[0]], where, allowed)
        owners: dict[str, Rule] = {}
        for rule in rules:
            if isinstance(rule, Rule) and rule.name is not None and owners.setdefault(rule.name, rule) is not rule:
                raise DuplicateNameError(rule.name, [repr(owners[rule.name]), repr(rule)])

    @property
    def defaults(self) -> dict[str, Any]:
        """The hyperparameters of every parameter, by name."""
        return dict(self.values)

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each rule, all different: its own, or its selector's with `-2`, `-3`, … where that is taken."""
        taken = {rule.name for rule in self.rules if isinstance(rule, Rule)}
        found = []
        for rule in self.rules:
            label = rule.label if isinstance(rule, Rule) else "layer"
            if not (isinstance(rule, Rule) and rule.name):
                wanted, count = label, 1
                while label in taken:
                    count += 1
                    label = f"{wanted}-{count}"
            taken.add(label)
            found.append(label)
        return tuple(found)

    def on(self, model: nn.Module, optimizer_class: type[Optimizer] | None = None) -> Grouping:
        """What the plan comes to on `model`, whose parameters are left as they are.

        Args:
            model: any module, on the meta device too; wrappers (DDP, FSDP, `torch.compile`) are looked through.
            optimizer_class: its hyperparameters are those allowed, its defaults what a `Times` may multiply.

        Raises:
            PlanError: see its subclasses; each names the rule, the parameter and what to do.
        """
        from paramgroups.plan.grouping import group

        return group(self, model, optimizer_class)

    def build(
        self,
        model: nn.Module,
        optimizer_class: type[Optimizer],
        *,
        merge: bool = False,
        ranks: bool | ProcessGroup = True,
        **kwargs: Any,
    ) -> Any:
        """An optimizer over `model` with these groups, named; frozen parameters are frozen.

        Where torch.distributed has brought several processes together, they must resolve the same groups, and each of
        them must call this: it waits for the others.

        Args:
            model: whose parameters are grouped.
            optimizer_class: any subclass of `torch.optim.Optimizer`.
            merge: put groups of equal values into one, for optimizers that pay for each group.
            ranks: the processes that must agree: all, those of a process group, or with False none.
            **kwargs: further arguments of the class, such as `fused=True`.

        Raises:
            PlanError: see its subclasses; the model and its parameters are then unchanged.
            DisagreementError: a process resolved other groups, or failed; the first difference is named.
        """
        from paramgroups.build import build

        return build(self, model, optimizer_class, merge=merge, ranks=ranks, **kwargs)

    def apply(self, optimizer: Optimizer, model: nn.Module) -> Grouping:
        """Turn the groups of a live optimizer into those of this plan.

        Optimizer state, the bases of schedules and the clock follow every parameter. What the plan says of a value is
        what a schedule multiplies; what it does not say stays. Parameters that the plan freezes leave the optimizer and
        are frozen; those that are new to it, and require gradients, join.

        Args:
            optimizer: any optimizer over parameters of `model`, wrapped or not.
            model: whose parameters are grouped.

        Raises:
            PlanError: see its subclasses.
            ForeignParameterError: a parameter of the optimizer is not the model's.
            UnequalGroupsError: parameters of one group differ in a value of which the plan says nothing.
            SchedulerError: an attached scheduler refuses. As with every error, all is then as it was.

        Example:
            >>> import torch
            >>> model = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
            >>> optimizer = Plan(lr=0.1).build(model, torch.optim.SGD, momentum=0.9)
            >>> grouping = Plan(Rule("head.*", lr=0.5), lr=0.1).apply(optimizer, model)
            >>> [(group["name"], group["lr"], group["momentum"]) for group in optimizer.param_groups]
            [('default', 0.1, 0.9), ('head', 0.5, 0.9)]
        """
        from paramgroups.regroup import apply

        return apply(self, optimizer, model)

    def __repr__(self) -> str:
        return f"Plan({', '.join([*map(repr, self.rules), *_keywords(self.defaults)])})"


def check_values(values: Mapping[str, Any], where: str) -> None:
    """Accept hyperparameters that some optimizer could use.

    Raises:
        HyperparameterValueError: one could not be used by any.
    """
    for key, value in values.items():
        if key in RESERVED:
            raise HyperparameterValueError(key, value, where, "left out: groups are filled by the plan")
        if not isinstance(value, Times):
            check_value(key, plain(value), where)


def select_code(select: Selector) -> str:
    """A selector as it is written in a rule: a single glob as a plain string."""
    return repr(select.globs[0]) if isinstance(select, Named) and len(select.globs) == 1 else repr(select)


def _one_selector(given: Sequence[object]) -> str:
    """What to write instead of a rule with several selectors."""
    shown = ", ".join(repr(each) if isinstance(each, (str, Selector)) else described(each) for each in given)
    globs = [each for each in given if isinstance(each, str)]
    meant = repr(Named(*globs)) if len(globs) == len(given) else "first | second"
    return f"Rule({shown}, ...) has {len(given)} selectors; a rule has one.\nWrite Rule({meant}, ...)."


def _warmup(given: Duration | Schedule) -> Duration | Schedule:
    """A warm-up that could be one: so long, or factors."""
    if isinstance(given, (int, str)):
        return as_duration(given, "Rule.warmup", rest=False)
    if not isinstance(given, Schedule) or not given.pure_factor:
        raise HyperparameterValueError("warmup", given, "Rule", "a duration, or a schedule of factors")
    return given


def _number(name: str, value: Any, where: str, allowed: Range) -> float:
    """`value` as a plain number, where it is one that is allowed."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value not in allowed:
        raise HyperparameterValueError(name, value, where, str(allowed))
    return value


class _Code(str):
    """Text whose repr is itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _keywords(words: Mapping[str, Any]) -> list[str]:
    return [f"{key}={value!r}" for key, value in words.items()]

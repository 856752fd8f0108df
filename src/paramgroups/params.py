"""A model's parameters as users name them, and which name each parameter of an optimizer bears.

Knows torch modules and the wrappers around them; knows nothing of rules, groups of a plan or time.
"""

from __future__ import annotations

import functools
import itertools
import re
import weakref
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

from torch import Tensor, nn
from torch.optim import Optimizer

from paramgroups.errors import (
    DuplicateNameError,
    EmptyModelError,
    ForeignParameterError,
    InvalidNameError,
    NotAModelError,
    NotAnOptimizerError,
    ParameterNameError,
    UnknownModelError,
    described,
)

_GROUP_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_PARAMETRIZED = re.compile(r"(?:(?P<path>.*)\.)?parametrizations\.(?P<attribute>[^.]+)")
_ALWAYS_WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
_WRAPPERS = {  # class name -> the attributes under which it holds the user's model
    "DistributedDataParallel": ("module",),
    "DataParallel": ("module",),
    "FullyShardedDataParallel": ("module", "_fsdp_wrapped_module"),
    "AveragedModel": ("module",),
    "DeepSpeedEngine": ("module",),
    "_FabricModule": ("_forward_module", "_original_module"),
}


@final
@dataclass(slots=True, unsafe_hash=True)  # a value; but a large model has many, and frozen they take thrice as long
class Site:
    """One place where a parameter is used: its dotted name, the module that owns it there, and as what.

    For a parametrized tensor (`0.parametrizations.weight.original`) that is the module it was taken from (`0`).
    """

    name: str
    module: nn.Module = field(repr=False, compare=False)
    module_path: str
    attribute: str


@final
@dataclass(slots=True, unsafe_hash=True)  # as above
class Param:
    """One parameter of a model, seen by name. A tied parameter is one `Param` with several sites.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
        >>> param = named(model)[2]
        >>> param.name, type(param.module).__name__, param.attribute, param.depth
        ('1.weight', 'LayerNorm', 'weight', 1)
    """

    parameter: Tensor = field(repr=False, compare=False)
    sites: tuple[Site, ...]

    @property
    def name(self) -> str:
        """The name `model.named_parameters()` gives it, without any wrapper's prefix."""
        return self.sites[0].name

    @property
    def names(self) -> tuple[str, ...]:
        """Every name it bears: more than one where modules are tied."""
        return tuple(site.name for site in self.sites)

    @property
    def module(self) -> nn.Module:
        """The module that owns it (the first of them, where it is tied)."""
        return self.sites[0].module

    @property
    def module_path(self) -> str:
        """Dotted path of the owning module; empty for the model itself."""
        return self.sites[0].module_path

    @property
    def attribute(self) -> str:
        """Its own name inside the owning module, such as `weight`."""
        return self.sites[0].attribute

    @property
    def depth(self) -> int:
        """How many modules lie between the model and the parameter: 0 for the model's own."""
        return self.name.count(".")

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.parameter.ndim

    @property
    def numel(self) -> int:
        """Number of elements."""
        return self.parameter.numel()


def named(model: nn.Module) -> tuple[Param, ...]:
    """Every parameter of `model` once, in the order of `model.named_parameters()`, by its clean name.

    Prefixes that DDP, FSDP, `torch.compile` and checkpoint wrappers put before names are left out.

    Raises:
        NotAModelError: `model` is no module.
        EmptyModelError: the model has no parameter.
        DuplicateNameError: two bear one name, as only a wrapper's own parameters can.
    """
    return tuple(_by_identity(model).values())


def _by_identity(model: nn.Module) -> dict[int, Param]:
    """The parameters that `named` gives, each by the `id` of its tensor, which is faster than by hash."""
    if not isinstance(model, nn.Module):
        raise NotAModelError(described(model))
    places = _places(model)
    if len({clean for _, clean in places.values()}) < len(places):  # there are wrappers
        _check_names(places)
    found: dict[int, Param] = {}
    for path, (module, clean) in places.items():
        prefix = f"{clean}." if clean else ""
        taken_from = _PARAMETRIZED.fullmatch(path) if "parametrizations." in path else None
        for attribute, parameter in module._parameters.items():
            if parameter is None:
                continue
            site = Site(prefix + attribute, module, clean, attribute)
            if taken_from is not None and attribute.startswith("original"):
                site = Site(site.name, *places[taken_from["path"] or ""], taken_from["attribute"])
            param = found.get(id(parameter))
            if param is None:
                found[id(parameter)] = Param(parameter, (site,))
            elif site not in param.sites:  # a model and its wrapper may both be reached
                found[id(parameter)] = Param(parameter, (*param.sites, site))
    if not found:
        raise EmptyModelError(type(model).__name__)
    return found


_Places: TypeAlias = dict[str, tuple[nn.Module, str]]
"""Module path -> the module, and the path without the steps that lead through wrappers."""


def _places(model: nn.Module) -> _Places:
    """Every module at each of its places, in the order of `model.named_modules()`, which takes thrice as long."""
    found: _Places = {}
    _place(model, "", "", found)
    return found


def _place(module: nn.Module, path: str, clean: str, found: _Places) -> None:
    """Put a module and all below it among those that were found."""
    found[path] = module, clean
    if not module._modules:
        return
    held = _held_by(type(module))  # type: ignore[arg-type]  # a class is hashable; Module's own __hash__ misleads mypy
    for step, child in module._modules.items():
        if child is not None:
            below = f"{clean}.{step}" if clean else step
            _place(child, f"{path}.{step}" if path else step, clean if step in held else below, found)


def _check_names(places: _Places) -> None:
    """Accept parameters that have a clean name each."""
    bearers: dict[str, dict[str, Tensor]] = {}
    for path, (module, clean) in places.items():
        for attribute, parameter in module.named_parameters(recurse=False):
            name, place = (f"{above}.{attribute}".lstrip(".") for above in (clean, path))
            bearers.setdefault(name, {})[place] = parameter
    for name, each in bearers.items():
        if len({id(parameter) for parameter in each.values()}) > 1:
            raise DuplicateNameError(name, list(each))


def clean_keys(model: nn.Module) -> dict[str, str]:
    """Each key of `model.state_dict()` -> the same without what wrappers put before it."""
    places = _places(model)
    found = {}
    for key in model.state_dict():
        path, _, attribute = key.rpartition(".")
        above = places[path][1] if path in places else path
        found[key] = f"{above}.{attribute}" if above else attribute
    return found


@functools.lru_cache(maxsize=1024)
def _held_by(kind: type[nn.Module]) -> frozenset[str]:
    """The attributes under which a class of wrappers holds the user's model."""
    own = (step for base in kind.__mro__ for step in _WRAPPERS.get(base.__name__, ()))
    return _ALWAYS_WRAPPERS.union(own)


def check_group_name(name: object) -> None:
    """Accept a name that can be a group's, and so a metric's or a file's.

    Raises:
        InvalidNameError: it cannot.
    """
    if not isinstance(name, str) or _GROUP_NAME.fullmatch(name) is None:
        raise InvalidNameError(str(name))


@final
@dataclass(frozen=True)
class Label:
    """What a group is called, and the names of the rules that made it."""

    name: str
    rules: tuple[str, ...] = ()


@final
@dataclass
class Names:
    """The side table of one optimizer: parameter -> its name, and -> the label of its group; group -> parameters.

    And the model that gave the names, as long as it lives.
    """

    parameters: dict[Tensor, str] = field(default_factory=dict)
    groups: dict[Tensor, Label] = field(default_factory=dict)
    members: dict[str, list[Tensor]] = field(default_factory=dict)
    model: weakref.ref[nn.Module] | None = None


_TABLES: weakref.WeakKeyDictionary[Optimizer, Names] = weakref.WeakKeyDictionary()


def register(
    optimizer: Optimizer,
    parameters: Mapping[Tensor, str],
    labels: Iterable[tuple[Iterable[Tensor], Label]],
    model: nn.Module | None = None,
) -> None:
    """Give names to an optimizer's parameters and groups; a later torch load does not take them away."""
    known = _TABLES.get(optimizer)
    if known is None:
        known = _TABLES[optimizer] = Names()
        optimizer.register_load_state_dict_post_hook(_mirror)
    known.parameters = dict(parameters)
    given = [(list(members), label) for members, label in labels]
    known.groups = {parameter: label for members, label in given for parameter in members}
    known.members = {label.name: members for members, label in given}
    known.model = None if model is None else weakref.ref(model)
    _mirror(optimizer)


def chain_of(optimizer: object) -> list[Any]:
    """The optimizer, and all that wrappers keep in `.optimizer`, as accelerate's do: the last is really stepped.

    A wrapper is what has nothing of its own to step: no groups, or the very groups of what it keeps.

    Raises:
        NotAnOptimizerError: the last is none.
    """
    found, chain = optimizer, [optimizer]
    while (inner := getattr(found, "optimizer", None)) is not None and all(inner is not outer for outer in chain):
        own, theirs = getattr(found, "param_groups", None), getattr(inner, "param_groups", None)
        if own is not None and [id(group) for group in own] != [id(group) for group in theirs or ()]:
            break
        found = inner
        chain.append(inner)
    if not isinstance(found, Optimizer):
        raise NotAnOptimizerError(described(optimizer), is_class=False)
    return chain


def unwrapped(optimizer: object) -> Optimizer:
    """The optimizer that is really stepped, beneath its wrappers.

    Raises:
        NotAnOptimizerError: there is none.
    """
    found: Optimizer = chain_of(optimizer)[-1]
    return found


def names_of(optimizer: Optimizer) -> Names:
    """The side table of `optimizer`; an empty one where nobody gave names."""
    return _TABLES.get(optimizer) or Names()


def labels(optimizer: Optimizer) -> list[Label]:
    """The label of each group, in the order of `optimizer.param_groups`, names unique.

    The side table comes first, then the group's own `"name"`, then its position: `group0`, `group1`, …
    """
    table = names_of(optimizer)
    found: list[Label] = []
    for index, group in enumerate(optimizer.param_groups):
        _reattach(optimizer, group)
        label = next((table.groups[p] for p in group["params"][:1] if p in table.groups), None)
        found.append(label or Label(str(group.get("name") or f"group{index}")))
    taken = {label.name for label in found}
    seen: set[str] = set()
    for index, label in enumerate(found):
        if label.name in seen:
            free = next(name for i in itertools.count(index) if (name := f"{label.name}-{i}") not in taken)
            found[index] = Label(free, (label.name, *label.rules))
            taken.add(free)
        seen.add(label.name)
    return found


def parameter_names(optimizer: Optimizer, group: Mapping[str, Any]) -> list[str] | None:
    """The names of a group's parameters in order, or None where not all of them have one."""
    _reattach(optimizer, group)
    table = names_of(optimizer).parameters
    found = [table.get(parameter) for parameter in group["params"]]
    named_ones = [name for name in found if name is not None]
    return named_ones if len(named_ones) == len(found) else None


def model_of(optimizer: Optimizer) -> nn.Module | None:
    """The model that gave names to the parameters of `optimizer`; None where nobody said, or it is gone."""
    model = names_of(optimizer).model
    return None if model is None else model()


def known(optimizer: Optimizer, model: nn.Module | None = None) -> tuple[Param, ...]:
    """The parameters of `optimizer`, in the order of its groups.

    Args:
        optimizer: whose parameters are meant.
        model: whose they are; where absent, the model that gave them names.

    Raises:
        UnknownModelError: there is none.
        ForeignParameterError: a parameter is not the model's.
    """
    model = model_of(optimizer) if model is None else model
    if model is None:
        raise UnknownModelError(type(optimizer).__name__)
    params = _by_identity(model)
    try:
        return tuple([params[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]])
    except KeyError:
        raise ForeignParameterError(_foreign(optimizer, params), [param.name for param in params.values()]) from None


def _foreign(optimizer: Optimizer, params: Container[int]) -> str:
    """Where the first parameter stands that is none of these, by identity."""
    return next(
        f"group {label.name!r} (number {position}, shape {tuple(parameter.shape)})"
        for label, group in zip(labels(optimizer), optimizer.param_groups, strict=True)
        for position, parameter in enumerate(group["params"])
        if id(parameter) not in params
    )


def find(params: Iterable[Param], name: str) -> Param:
    """The parameter that bears `name`, under any of its tied names.

    Raises:
        ParameterNameError: none does.
    """
    by_name = {each: param for param in params for each in param.names}
    if name not in by_name:
        raise ParameterNameError(name, list(by_name))
    return by_name[name]


def _reattach(optimizer: Optimizer, group: Mapping[str, Any]) -> None:
    """Give names on to parameters that a wrapper put in place of a whole group's, position by position.

    The group's own `"name"` tells whose place they took; lengths and shapes must agree, and the former ones be gone.
    """
    table, own = names_of(optimizer), group["params"]
    former = table.members.get(str(group.get("name")))
    if not own or not former or own[0] in table.groups:
        return
    if [parameter.shape for parameter in former] != [parameter.shape for parameter in own]:
        return
    if any(other["params"][:1] and other["params"][0] is former[0] for other in optimizer.param_groups):
        return
    for old, new in zip(former, own, strict=True):
        table.groups[new] = table.groups.pop(old)
        if old in table.parameters:
            table.parameters[new] = table.parameters.pop(old)
    table.members[str(group["name"])] = list(own)


def _mirror(optimizer: Optimizer) -> None:
    """Write each group's name into the group, where users and loggers look for it."""
    table = _TABLES[optimizer]
    for group in optimizer.param_groups:
        for parameter in group["params"][:1]:
            if parameter in table.groups:
                group["name"] = table.groups[parameter].name

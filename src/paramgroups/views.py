"""An optimizer's groups by name: looked up, read and written live.

Knows `optimizer.param_groups` and the side table of names; keeps no reference to a group dict, because torch replaces
those on every load. Knows nothing of plans or time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, final

from torch import Tensor, nn
from torch.optim import Optimizer

from paramgroups import hyperparameters
from paramgroups.errors import (
    DuplicateNameError,
    DuplicateParameterError,
    ForeignParameterError,
    GroupIndexError,
    GroupNameError,
    HyperparameterValueError,
    MixedValueError,
    ParameterNameError,
    UnknownHyperparameterError,
    nearest,
)
from paramgroups.holds import holds_of, told
from paramgroups.params import Label, check_group_name, labels, model_of, named, parameter_names, register, unwrapped
from paramgroups.tables import Table, show


def view(optimizer: Optimizer) -> View:
    """The groups of any `torch.optim.Optimizer`, by name or index, live and checked; of a wrapper's, too.

    Raises:
        NotAnOptimizerError: `optimizer` is none.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> groups = [{"params": net[0].parameters(), "name": "body"}, {"params": net[1].parameters(), "lr": 0.1}]
        >>> groups = view(torch.optim.SGD(groups, lr=0.01))
        >>> groups["body"].lr, groups[1].lr, groups[1].name
        (0.01, 0.1, 'group1')
        >>> groups["body"].lr = 0.001
        >>> groups["*"]["momentum"] = 0.9
        >>> [group.lr for group in groups]
        [0.001, 0.1]
    """
    return View(unwrapped(optimizer))


def lookup(optimizer: Optimizer, key: str) -> list[int]:
    """The indices of the groups that `key` selects.

    The name of a rule selects every group to which the rule contributed; else the group of exactly that name is
    meant; else every group whose name matches the glob.

    Raises:
        GroupNameError: none.
    """
    known = labels(optimizer)
    for found in (
        [i for i, label in enumerate(known) if key in label.rules],
        [i for i, label in enumerate(known) if key == label.name],
        [i for i, label in enumerate(known) if fnmatchcase(label.name, key)],
    ):
        if found:
            return found
    rules = dict.fromkeys(rule for label in known for rule in label.rules)
    raise GroupNameError(key, [label.name for label in known], list(rules))


@final
class View(Sequence["Selection"]):
    """All groups of an optimizer; made by `view`. Index it with a number, a name, a rule's name or a glob."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer

    @property
    def names(self) -> list[str]:
        """The name of every group, in order, all different."""
        return [label.name for label in labels(self._optimizer)]

    def __len__(self) -> int:
        return len(self._optimizer.param_groups)

    def __getitem__(self, key: str | int | slice) -> Selection:  # type: ignore[override]  # a slice is a Selection too
        if isinstance(key, str):
            lookup(self._optimizer, key)
            return Selection(self._optimizer, key)
        if isinstance(key, slice):
            indices = tuple(range(*key.indices(len(self))))
            if not indices:
                raise GroupIndexError(key, self.names)
            return Selection(self._optimizer, indices)
        if isinstance(key, bool) or not isinstance(key, int):
            raise TypeError(f"groups are found by number, name or glob, not by {key!r}.")
        if not -len(self) <= key < len(self):
            raise GroupIndexError(key, self.names)
        return Selection(self._optimizer, (key % len(self),))

    def __iter__(self) -> Iterator[Selection]:
        return (self[index] for index in range(len(self)))

    def __contains__(self, key: object) -> bool:
        try:
            return len(self[key]) > 0  # type: ignore[index]  # what is no key is a TypeError
        except (LookupError, TypeError):
            return False

    def table(self) -> Table:
        """One row a group: name, tensors, elements, and each hyperparameter that is a number."""
        groups = self._optimizer.param_groups
        keys = [
            key
            for key in dict.fromkeys(k for g in groups for k in g)
            if any(_is_shown(key, g.get(key)) for g in groups)
        ]
        rows = tuple(
            (
                name,
                f"{len(group['params']):,}",
                f"{sum(p.numel() for p in group['params']):,}",
                *(show(group[key]) if key in group else "—" for key in keys),
            )
            for name, group in zip(self.names, groups, strict=True)
        )
        return Table(("group", "tensors", "elements", *keys), rows, notes=self._frozen())

    def _frozen(self) -> tuple[str, ...]:
        """What is frozen in which group, and, where the model is known, why."""
        model = model_of(self._optimizer)
        params = {id(param.parameter): param for param in named(model)} if model is not None else {}
        notes: list[str] = []
        for name, group in zip(self.names, self._optimizer.param_groups, strict=True):
            known = [params[id(parameter)] for parameter in group["params"] if id(parameter) in params]
            notes += told([(name, known)])
            by_hand = {id(p) for p in group["params"] if not p.requires_grad} - {
                id(param.parameter) for param in known if holds_of(param)
            }
            if by_hand:
                notes.append(f"{name}: {len(by_hand):,} of {len(group['params']):,} tensors require no gradients")
        return tuple(notes)

    def __str__(self) -> str:
        return str(self.table())

    def __rich__(self) -> Any:
        return self.table().__rich__()

    def __repr__(self) -> str:
        return f"view(<{type(self._optimizer).__name__}>): {self.names}"


@final
class Selection:
    """Some groups of an optimizer, looked up anew at each use. A hyperparameter is an attribute or an item.

    Reading gives the value the groups share; writing sets it in each of them, after every check. A tensor is filled in
    place.
    """

    __slots__ = ("_key", "_optimizer")

    _optimizer: Optimizer
    _key: str | tuple[int, ...]

    def __init__(self, optimizer: Optimizer, key: str | tuple[int, ...]) -> None:
        self._optimizer = optimizer
        self._key = key

    @property
    def indices(self) -> list[int]:
        """Where the groups stand in `optimizer.param_groups` now."""
        if isinstance(self._key, str):
            return lookup(self._optimizer, self._key)
        for index in self._key:
            if index >= len(self._optimizer.param_groups):
                raise GroupIndexError(index, View(self._optimizer).names)
        return list(self._key)

    @property
    def names(self) -> list[str]:
        """The names of the groups."""
        known = labels(self._optimizer)
        return [known[index].name for index in self.indices]

    @property
    def name(self) -> str:
        """The name of the group, where it is one.

        Raises:
            MixedValueError: it is several.
        """
        return str(self._shared("name", self.names))

    @property
    def params(self) -> list[Tensor]:
        """The parameters of the groups, in order."""
        return [parameter for group in self._groups() for parameter in group["params"]]

    @property
    def parameter_names(self) -> list[str]:
        """The names of the parameters, in order.

        Raises:
            ParameterNameError: nobody gave the parameters names.
        """
        found = [parameter_names(self._optimizer, group) for group in self._groups()]
        if any(each is None for each in found):
            raise ParameterNameError("(unnamed: call name_groups(optimizer, model) first)", [])
        return [name for each in found for name in each or ()]

    def keys(self) -> list[str]:
        """The hyperparameters that every one of the groups has."""
        groups = self._groups()
        return [key for key in groups[0] if key not in hyperparameters.RESERVED and all(key in g for g in groups)]

    def __getitem__(self, key: str) -> Any:
        return self._shared(key, [self._at(group, key) for group in self._groups()])

    def __setitem__(self, key: str, value: Any) -> None:
        value = hyperparameters.plain(value)
        hyperparameters.check_value(key, value, self._where())
        groups = self._groups()
        present = [self._at(group, key, self._optimizer.defaults.get(key, value)) for group in groups]
        if value is None and any(_is_shown(key, each) for each in present):
            raise HyperparameterValueError(key, value, self._where(), str(hyperparameters.range_of(key)))
        for each in present:
            hyperparameters.check_length(key, value, each, self._where())
        name, index = hyperparameters.split(key)
        for group in groups:
            if index is None and not isinstance(group.get(name), Tensor):
                group[name] = hyperparameters.own_copy(value)
            else:
                self._own(group, name)
                hyperparameters.write(group, key, float(value))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except UnknownHyperparameterError as error:
            raise AttributeError(str(error)) from error

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__slots__:
            object.__setattr__(self, name, value)
        else:
            self[name] = value

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Selection]:
        return (Selection(self._optimizer, (index,)) for index in self.indices)

    def __repr__(self) -> str:
        groups = zip(self.names, self._groups(), strict=True)
        each = [f"{name}: {', '.join(f'{k}={show(own[k])}' for k in self.keys())}" for name, own in groups]
        return f"<{'; '.join(each)}>"

    def _groups(self) -> list[dict[str, Any]]:
        return [self._optimizer.param_groups[index] for index in self.indices]

    def _where(self) -> str:
        return f"group {' and '.join(map(repr, self.names))}"

    def _at(self, group: Mapping[str, Any], key: str, default: Any = None) -> Any:
        """What stands at `key` in a group; `default` where a hyperparameter of the optimizer is not in it yet."""
        name, index = hyperparameters.split(key)
        value = group.get(name, default if name in self._optimizer.defaults else None)
        if name in hyperparameters.RESERVED or (value is None and name not in group):
            known = (group.keys() | self._optimizer.defaults.keys()) - hyperparameters.RESERVED
            kind = type(self._optimizer).__name__
            raise UnknownHyperparameterError(name, self._where(), kind, nearest(name, known), sorted(known))
        if index is None:
            return value
        if not isinstance(value, (tuple, list)) or index >= len(value):
            raise HyperparameterValueError(
                name, value, self._where(), f"a tuple that has a number {index}, to find {key}"
            )
        return value[index]

    def _own(self, group: dict[str, Any], name: str) -> None:
        """Give a group a tensor of its own before it is filled: torch shares a default between all groups."""
        if sum(other.get(name) is group[name] for other in self._optimizer.param_groups) > 1:
            group[name] = hyperparameters.own_copy(group[name])

    def _shared(self, name: str, values: Sequence[Any]) -> Any:
        first, *others = values
        if any(show(other) != show(first) or other != first for other in others):
            raise MixedValueError(name, dict(zip(self.names, values, strict=True)))
        return first


def name_groups(optimizer: Optimizer, model: nn.Module, names: Sequence[str] | None = None) -> View:
    """Give names to the parameters and groups of an optimizer that someone else built.

    A group is called as `names` says; else by its own `"name"`; else by the deepest module that holds all of its
    parameters, where no other group would be called so; else `group0`, `group1`, ….

    Args:
        optimizer: any optimizer over parameters of `model`.
        model: the module whose `named_parameters()` name them.
        names: a name for each group, all different.

    Returns:
        The view of the optimizer.

    Raises:
        NotAnOptimizerError, NotAModelError: one of them is none; they may have been swapped.
        ForeignParameterError: a parameter of the optimizer is not the model's.
        DuplicateParameterError: the optimizer holds one twice.
        DuplicateNameError, InvalidNameError, ValueError: `names` has a name twice, one that cannot be used, or too few.

    Example:
        >>> import torch
        >>> net = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
        >>> optimizer = torch.optim.SGD([{"params": m.parameters()} for m in net.values()], lr=0.1)
        >>> name_groups(optimizer, net).names
        ['body', 'head']
    """
    optimizer = unwrapped(optimizer)
    groups = view(optimizer)
    by_tensor = {param.parameter: param.name for param in named(model)}
    places: dict[Tensor, str] = {}
    for group, label in zip(optimizer.param_groups, groups.names, strict=True):
        for position, parameter in enumerate(group["params"]):
            place = f"group {label!r} (number {position})"
            if parameter not in by_tensor:
                place = f"group {label!r} (number {position}, shape {tuple(parameter.shape)})"
                raise ForeignParameterError(place, list(by_tensor.values()))
            if parameter in places:
                raise DuplicateParameterError(by_tensor[parameter], [places[parameter], place])
            places[parameter] = place
    found = _names_for(optimizer, by_tensor) if names is None else _checked(names, len(groups))
    members = [group["params"] for group in optimizer.param_groups]
    register(optimizer, by_tensor, [(own, Label(name)) for own, name in zip(members, found, strict=True)], model)
    return groups


def snapshot(optimizer: Optimizer) -> dict[str, float]:
    """Every number that stands in the groups now, by `hyperparameter/group`, for any logger.

    Example:
        >>> import torch
        >>> snapshot(torch.optim.SGD([torch.zeros(1)], lr=0.1))["lr/group0"]
        0.1
    """
    found = {}
    for label, group in zip(labels(optimizer), optimizer.param_groups, strict=True):
        for key, value in group.items():
            if key in hyperparameters.RESERVED:
                continue
            for path, item in _numbers(key, value):
                found[f"{path}/{label.name}"] = item
    return found


def _numbers(key: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from _numbers(f"{key}[{index}]", item)
    elif isinstance(value, Tensor):
        if value.numel() == 1 and not value.is_meta:
            yield key, float(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield key, value


def _is_shown(key: str, value: Any) -> bool:
    return key not in hyperparameters.RESERVED and next(_numbers(key, value), None) is not None


def _names_for(optimizer: Optimizer, by_tensor: Mapping[Tensor, str]) -> list[str]:
    owns = [group.get("name") for group in optimizer.param_groups]
    paths = [_common_path([by_tensor[p] for p in group["params"]]) for group in optimizer.param_groups]
    found = [
        str(own or (path if path and paths.count(path) == 1 else "")) for own, path in zip(owns, paths, strict=True)
    ]
    return [name if name and found.count(name) == 1 else f"group{index}" for index, name in enumerate(found)]


def _common_path(names: Sequence[str]) -> str:
    steps = [name.split(".")[:-1] for name in names]
    common = []
    for level in zip(*steps, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return ".".join(common)


def _checked(names: Sequence[str], count: int) -> list[str]:
    if len(names) != count:
        raise ValueError(f"{len(names)} names were given for {count} groups: {list(names)!r}.\nGive one for each.")
    for index, name in enumerate(names):
        check_group_name(name)
        if name in names[:index]:
            raise DuplicateNameError(name, [f"group {names[:index].index(name)}", f"group {index}"])
    return list(names)

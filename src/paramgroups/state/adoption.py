"""Torch's own state of an optimizer, which knows parameters by position, made one by name; or refused, and why.

Knows how torch writes such a state down; knows no live optimizer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn

from paramgroups.errors import StateMismatchError, UnknownAlgorithmError, described, did_you_mean, listing
from paramgroups.hyperparameters import ALGORITHM, RESERVED, Kinds, of_class, of_torch
from paramgroups.optim.composite import Composite
from paramgroups.params import clean_keys, named
from paramgroups.plan import Grouping
from paramgroups.state.fitting import IMPLEMENTATION
from paramgroups.state.layout import VERSION, class_names

Names: TypeAlias = nn.Module | Grouping | Sequence[str] | Sequence[Sequence[str]] | None
_Shape: TypeAlias = tuple[int, ...]

_OWN: Final = frozenset(
    {
        *("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_inf", "square_avg", "grad_avg", "acc_delta", "sum", "ax"),
        *("momentum_buffer", "prev", "step_size", "variance", "row_var", "col_var"),
    }
)
"""What torch's optimizers keep in a parameter's own shape, Adafactor its rows and columns together."""

_FLAT: Final = "prev_flat_grad"  # LBFGS's, of all parameters in a row; it keeps everything with the first
_OF_SCHEDULERS: Final = frozenset({"initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr"})
_SHOWN: Final = 4  # misfits that are told one by one
_BY_GROUP: Final = "[['body.weight', ...], ['head.weight', ...]]"


def adopt(state_dict: Mapping[str, Any], names: Names = None, *, optimizer_class: Kinds = None) -> dict[str, Any]:
    """The named state that torch's `optimizer.state_dict()` comes to, for `load_named_state`.

    The order has to be known, never guessed: names in the state itself are the truth, and others are held against
    them; a model's order serves for one group. Then every tensor has to be of its parameter's shape.

    Args:
        state_dict: what `torch.optim.Optimizer.state_dict` gave.
        names: the model; or `plan.on(model)`, whose groups the optimizer had; or the names, group by group; nothing
            where they are in the state. By names alone, only the state tells the shapes, as far as it does.
        optimizer_class: which the state is of. Without it, state is taken over by any class that keeps just these
            entries, and that can be asked which: LBFGS and SparseAdam cannot. Of a `Composite` its `algorithms`.

    Returns:
        As `named_state`; the tensors are not copied. A shape that nothing tells is None, such a class `"unknown"`.

    Raises:
        StateMismatchError: this is no such state, or the names, their order or the shapes do not fit; it says which.
        UnknownAlgorithmError: a group has none of the algorithms.
        TypeError: `names` are none.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> before = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        >>> net(torch.ones(2)).backward()
        >>> before.step()
        >>> adopt(before.state_dict(), net)["parameters"]["bias"]
        {'shape': (1,), 'state': {'momentum_buffer': tensor([1.])}}
        >>> adopt(before.state_dict(), [["weight"], ["bias"]])
        Traceback (most recent call last):
            ...
        paramgroups.errors.StateMismatchError: The state has groups of [2] parameters, and the names are for [1, 1].
        Name all of them, in the order of the optimizer's groups, and of the parameters in each.
    """
    groups, packed = _parts(state_dict)
    kinds, classes = _classes(optimizer_class, groups)
    members, model = _members(groups, names), _found(names)
    by_position = {
        position: name
        for group, own in zip(groups, members, strict=True)
        for position, name in zip(group["params"], own, strict=True)
    }
    states = {name: packed.get(position, {}) for position, name in by_position.items()}
    if model:
        _check(states, model)
    parameters = {
        name: {"shape": tuple(model[name].shape) if model else _shape(state), "state": state, **_dtype(state)}
        for name, state in states.items()
    }
    made = [
        {
            **_label(names, index, group),
            "parameters": tuple(own),
            "settings": {key: group[key] for key in group if key in known and key not in RESERVED | IMPLEMENTATION},
            "run": {key: group[key] for key in group if key not in known and key not in RESERVED},
            **more,
        }
        for index, (group, own, (known, more)) in enumerate(zip(groups, members, classes, strict=True))
    ]
    others = {key: value for key, value in packed.items() if key not in by_position}
    return {"version": VERSION, "optimizer": kinds, "parameters": parameters, "groups": made, "others": others}


def _parts(state_dict: object) -> tuple[list[Mapping[str, Any]], Mapping[Any, Any]]:
    """The groups of torch's state, and what is kept by position.

    Raises:
        StateMismatchError: this is no such state.
    """
    if isinstance(state_dict, Mapping) and _is_state(state_dict):
        return state_dict["param_groups"], state_dict["state"]
    if isinstance(state_dict, Mapping) and "parameters" in state_dict:
        raise StateMismatchError(
            "This state is by name already.", "Load it as it is: pg.load_named_state(optimizer, state)."
        )
    keys = f" with {listing(map(str, state_dict))}" if isinstance(state_dict, Mapping) else ""
    inside = [f"state_dict{path}" for path in _inside(state_dict)]
    raise StateMismatchError(
        f"This is no state_dict of an optimizer, but {described(state_dict)}{keys}.",
        f"There is one in it: pass {' or '.join(inside)}."
        if inside
        else "Pass what optimizer.state_dict() returned, with its 'state' and 'param_groups'.",
    )


def _is_state(value: Mapping[Any, Any]) -> bool:
    """Whether this is laid out as torch's state of an optimizer is."""
    state, groups = value.get("state"), value.get("param_groups")
    if not isinstance(state, Mapping) or not isinstance(groups, list):
        return False
    if not all(isinstance(group, Mapping) and isinstance(group.get("params"), list) for group in groups):
        return False
    positions = [position for group in groups for position in group["params"]]
    return len(set(positions)) == len(positions) and all(
        isinstance(state.get(position, {}), Mapping) for position in positions
    )


def _inside(value: object) -> Iterator[str]:
    """Where in a checkpoint states of optimizers are, as it is written behind the checkpoint's name."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, Mapping) and _is_state(item):
            yield f"[{key!r}]"
        else:
            yield from (f"[{key!r}]{path}" for path in _inside(item))


_Known: TypeAlias = tuple[Collection[str], Mapping[str, Any]]
"""The hyperparameters that a group can have, and what is said of its class besides."""


def _classes(kinds: Kinds, groups: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], list[_Known]]:
    """The names of an optimizer class as `class_names` has them, and what is known of each group.

    Raises:
        StateMismatchError: nobody knows the class, and its groups hold what no optimizer of torch's knows.
        UnknownAlgorithmError: a group has none of several algorithms.
        NotAnOptimizerError: it is none.
    """
    if isinstance(kinds, Mapping):
        found: list[_Known] = []
        for index, group in enumerate(groups):
            if group.get(ALGORITHM) not in kinds:
                raise UnknownAlgorithmError(group.get(ALGORITHM), f"the state's group {index}", list(kinds))
            kind = kinds[group[ALGORITHM]]
            found.append(({*of_class(kind), ALGORITHM}, {"kinds": class_names(kind)}))
        return class_names(Composite), found
    if kinds is not None:
        known = of_class(kinds)
        return class_names(kinds), [(known, {})] * len(groups)
    strange = {key for group in groups for key in group} - of_torch() - RESERVED - _OF_SCHEDULERS - {ALGORITHM}
    if strange:
        raise StateMismatchError(
            f"The groups hold {listing(sorted(strange))}, which no optimizer of torch has: settings, or the run's own?",
            "Say which class the state is of: optimizer_class=...",
        )
    return ("unknown",), [(of_torch() | {ALGORITHM}, {})] * len(groups)


def _members(groups: Sequence[Mapping[str, Any]], names: Names) -> list[list[str]]:
    """The name of every parameter, group by group.

    Raises:
        StateMismatchError: the names do not fit the groups, or those that are in the state.
        TypeError: they are none.
    """
    sizes = [len(group["params"]) for group in groups]
    said = [_names_in(group) for group in groups]
    found = _of_model(names, sizes, said) if isinstance(names, nn.Module) else _given(names, said)
    if [len(own) for own in found] != sizes:
        raise StateMismatchError(
            f"The state has groups of {sizes} parameters, and the names are for {[len(own) for own in found]}.",
            "Name all of them, in the order of the optimizer's groups, and of the parameters in each.",
        )
    counts = Counter(name for own in found for name in own)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise StateMismatchError(f"Several parameters are given one name: {listing(twice)}.", "Give each its own.")
    if isinstance(names, Grouping):
        _check_labels(groups, names)
    return found


def _names_in(group: Mapping[str, Any]) -> list[str] | None:
    """The names in a saved group: `param_names`, or what stands for positions where FSDP's state was gathered."""
    keys = group.get("param_names", group["params"])
    return list(keys) if all(isinstance(key, str) for key in keys) else None


def _of_model(model: nn.Module, sizes: list[int], said: list[list[str] | None]) -> list[list[str]]:
    """The names in a state, as the model's; where it has none, the model's in order, if it is of one group.

    Raises:
        StateMismatchError: a name is none of the model's, or nothing tells which parameter is which.
    """
    params = named(model)
    saved = [own for own in said if own is not None]
    if len(saved) == len(said):
        known, clean = {name: param.name for param in params for name in param.names}, clean_keys(model)
        missing = [name for own in saved for name in own if clean.get(name, name) not in known]
        if missing:
            raise StateMismatchError(
                f"Names in the state are none of the model's: {listing(missing)}. {did_you_mean(missing[0], known)}",
                "Adopt it without the model, adopt(state_dict), and rename when loading: rename={'old': 'new'}.",
            )
        return [[known[clean.get(name, name)] for name in own] for own in saved]
    if len(sizes) > 1:
        raise StateMismatchError(
            f"The state has groups of {sizes} parameters and no names, and the model does not tell which are in which.",
            f"Give what made the groups, plan.on(model), or the names, group by group: {_BY_GROUP}.",
        )
    trained = [param for param in params if param.parameter.requires_grad]
    found = next((own for own in (params, trained) if [len(own)] == sizes), None)
    if found is None:
        raise StateMismatchError(
            f"The state has {sum(sizes)} parameters and no names, and the model {len(params)}, of which {len(trained)} "
            "are trained.",
            "Name those that the optimizer had, in their order: ['body.weight', ...].",
        )
    return [[param.name for param in found]]


def _given(names: object, said: list[list[str] | None]) -> list[list[str]]:
    """The names that were given, group by group; where none were, those in the state.

    Raises:
        StateMismatchError: there are none, or they contradict those in the state.
        TypeError: what was given are no names.
    """
    if names is None:
        own = [each for each in said if each is not None]
        if len(own) < len(said):
            raise StateMismatchError("The state has no names.", f"Give the model, or the names: {_BY_GROUP}.")
        return own
    given = _rows(names)
    both = [pair for own, others in zip(said, given, strict=False) for pair in zip(own or (), others, strict=False)]
    wrong = [f"{saved!r}, and not {name!r}" for saved, name in both if saved != name]
    if wrong:
        raise StateMismatchError(
            f"The names contradict those in the state: this is {_first(wrong)}.",
            "Adopt it under its own, adopt(state_dict), and rename when loading: rename={'old': 'new'}.",
        )
    return given


def _rows(names: object) -> list[list[str]]:
    """Names, group by group.

    Raises:
        TypeError: these are none.
    """
    if isinstance(names, Grouping):
        return [[param.name for param in group.params] for group in names.groups]
    rows: list[Any] = list(names) if isinstance(names, (list, tuple)) else [names]
    if rows and all(isinstance(row, str) for row in rows):
        rows = [rows]
    if not all(isinstance(row, (list, tuple)) and all(isinstance(name, str) for name in row) for row in rows):
        raise TypeError(
            f"{described(names)} names no parameters.\nGive the model, plan.on(model), or lists of names: {_BY_GROUP}."
        )
    return [list(row) for row in rows]


def _check_labels(groups: Sequence[Mapping[str, Any]], grouping: Grouping) -> None:
    """Groups that were saved with names have to stand in the grouping's order.

    Raises:
        StateMismatchError: they do not.
    """
    pairs = [(each.get("name"), own.name) for each, own in zip(groups, grouping.groups, strict=True)]
    wrong = [f"{saved!r}, and not {present!r}" for saved, present in pairs if saved and saved != present]
    if wrong:
        raise StateMismatchError(
            f"The grouping contradicts the names of the state's groups: this is {_first(wrong)}.",
            f"Give the grouping of the run that was saved, or the names, group by group: {_BY_GROUP}.",
        )


def _label(names: Names, index: int, group: Mapping[str, Any]) -> dict[str, Any]:
    """What a group is called, and the rules that made it."""
    if isinstance(names, Grouping):
        return {"name": names.groups[index].name, "rules": names.groups[index].rules}
    return {"name": str(group.get("name") or f"group{index}"), "rules": ()}


def _found(names: Names) -> dict[str, Tensor]:
    """A model's parameters; none where only their names are known."""
    params = names.params if isinstance(names, Grouping) else named(names) if isinstance(names, nn.Module) else ()
    return {param.name: param.parameter for param in params}


def _check(states: Mapping[str, Mapping[str, Any]], parameters: Mapping[str, Tensor]) -> None:
    """Hold the state's tensors against the parameters' shapes.

    Which entries have a parameter's shape is known of torch's optimizers; of another's, those that have it anywhere,
    or would in another order, are taken to have it everywhere. A state with such entries needs a tensor of the shape.

    Raises:
        StateMismatchError: one has none.
    """
    found = {name: (tuple(parameters[name].shape), _shapes(state)) for name, state in states.items()}
    own = _OWN | {key for wanted, shapes in found.values() for key, shape in shapes.items() if shape == wanted != ()}
    wanted = Counter(shape for shape, _ in found.values())
    kept = {key for _, shapes in found.values() for key in shapes}
    own |= {key for key in kept if Counter(shapes.get(key) for _, shapes in found.values()) == wanted}
    row = (sum(parameters[name].numel() * (1 + parameters[name].is_complex()) for name in states),)
    wrong = []
    for name, (shape, shapes) in found.items():
        if shapes.get(_FLAT, row) != row:
            wrong.append(f"all parameters in a row have the shape {row}, the state's {_FLAT} {shapes[_FLAT]}")
        elif own & shapes.keys() and shape not in shapes.values() and _together(shapes.values()) != shape:
            told = ", ".join(f"{key} {shapes[key]}" for key in shapes if key in own)
            wrong.append(f"{name!r} has the shape {shape}, its state {told}")
    if wrong:
        raise StateMismatchError(
            f"The state does not fit: {_first(wrong)}.",
            f"Is it this model's, and in this order? Say which parameter is where: {_BY_GROUP}.",
        )


def _shape(state: Mapping[str, Any]) -> _Shape | None:
    """The shape of a parameter as its state tells it; None where it does not."""
    own = [shape for key, shape in _shapes(state).items() if key in _OWN]
    return _together(own) if own else None


def _dtype(state: Mapping[str, Any]) -> dict[str, str]:
    """The dtype of a parameter as its state tells it, where some of the state has another; torch loads that rounded."""
    dtypes = {key: value.dtype for key, value in state.items() if isinstance(value, Tensor) and key != "step"}
    own = next((dtype for key, dtype in dtypes.items() if key in _OWN), None)
    return {"dtype": str(own)} if own is not None and {*dtypes.values()} > {own} else {}


def _shapes(state: Mapping[str, Any]) -> dict[str, _Shape]:
    """The shape of each entry that is a tensor."""
    return {key: tuple(value.shape) for key, value in state.items() if isinstance(value, Tensor)}


def _together(shapes: Iterable[_Shape]) -> _Shape | None:
    """What tensors of these shapes make, spread over each other; None where they do not go together."""
    try:
        return tuple(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]  # torch's own signature lacks it
    except RuntimeError:
        return None


def _first(sentences: list[str]) -> str:
    left = len(sentences) - _SHOWN
    return "; ".join(sentences[:_SHOWN]) + (f"; and {left} more" if left > 0 else "")

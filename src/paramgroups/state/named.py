"""An optimizer's state by parameter name: taken from it, and put back, whatever its groups are by then.

Knows names, state and group entries; knows no file and no scheduler's state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from paramgroups.collector import paused
from paramgroups.driver import notice_all
from paramgroups.errors import StateMismatchError, listing
from paramgroups.hyperparameters import algorithms_of, class_of
from paramgroups.params import known, labels, parameter_names, unwrapped
from paramgroups.state.fitting import run_state, settings
from paramgroups.state.layout import VERSION, class_names
from paramgroups.state.matching import Hyperparameters, Missing, Policies, Unexpected, match
from paramgroups.state.renaming import Rename
from paramgroups.state.report import LoadReport
from paramgroups.state.timing import driven_paths
from paramgroups.state.undoing import all_or_nothing


@paused()
def named_state(optimizer: Optimizer, model: nn.Module | None = None) -> dict[str, Any]:
    """The state of an optimizer by the names of its parameters, and what its groups are set to.

    Args:
        optimizer: any; of a wrapper, the one that is stepped.
        model: whose parameters it has; needed where nobody named them.

    Returns:
        Plain containers, numbers, text and the optimizer's own tensors, not copies, as `torch.save` takes them:
        `version`; `optimizer`, its class and those it inherits from; `parameters`, name -> `shape`, `state`, and the
        parameter's `dtype` where some of its state has another; `groups`, each with `name`, `rules`, `parameters`,
        `settings` and what else stands in it, `run`, and of several algorithms its class and those it inherits from,
        `kinds`; `others`, state of no parameter.

    Raises:
        StateMismatchError: a parameter has no name.
        ForeignParameterError: one is not the model's.

    Example:
        >>> import torch
        >>> net = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(net.named_parameters(), lr=0.1, momentum=0.9)
        >>> net(torch.ones(2)).backward()
        >>> optimizer.step()
        >>> named_state(optimizer)["parameters"]["bias"]
        {'shape': (1,), 'state': {'momentum_buffer': tensor([1.])}}
    """
    optimizer = unwrapped(optimizer)
    names = names_by_group(optimizer, model)
    packed = optimizer.state_dict()
    by_index = {
        index: name
        for group, own in zip(packed["param_groups"], names, strict=True)
        for index, name in zip(group["params"], own, strict=True)
    }
    states = {by_index[index]: state for index, state in packed["state"].items() if index in by_index}
    groups: list[dict[str, Any]] = []
    parameters: dict[str, dict[str, Any]] = {}
    for label, group, own in zip(labels(optimizer), optimizer.param_groups, names, strict=True):
        made = {"name": label.name, "rules": label.rules, "parameters": tuple(own), **_kinds(optimizer, group)}
        groups.append({**made, "settings": settings(optimizer, group), "run": run_state(optimizer, group)})
        for name, parameter in zip(own, group["params"], strict=True):
            parameters[name] = _record(parameter, states.get(name, {}))
    others = {key: state for key, state in packed["state"].items() if key not in by_index}
    kinds = class_names(type(optimizer))
    return {"version": VERSION, "optimizer": kinds, "parameters": parameters, "groups": groups, "others": others}


def _kinds(optimizer: Optimizer, group: Mapping[str, Any]) -> dict[str, Any]:
    """The class of a group's algorithm, where there are several."""
    return {} if algorithms_of(optimizer) is None else {"kinds": class_names(class_of(optimizer, group))}


def _record(parameter: Tensor, state: Mapping[str, Any]) -> dict[str, Any]:
    """What is saved of a parameter."""
    found = {"shape": tuple(parameter.shape), "state": state}
    dtypes = {value.dtype for key, value in state.items() if isinstance(value, Tensor) and key != "step"}
    return found if dtypes <= {parameter.dtype} else {**found, "dtype": str(parameter.dtype)}


@paused()
def load_named_state(
    optimizer: Optimizer,
    state: Mapping[str, Any],
    model: nn.Module | None = None,
    *,
    hyperparameters: Hyperparameters = "current",
    missing: Missing = "fresh",
    unexpected: Unexpected = "drop",
    rename: Rename = None,
) -> LoadReport:
    """Put state back by name: the groups may have been split, merged, reordered, renamed or set otherwise since.

    Args:
        optimizer: any, of the class that was saved or of another.
        state: what `named_state` gave. Its tensors are copied.
        model: whose parameters the optimizer has; needed where nobody named them.
        hyperparameters: which settings hold where the two differ, the present ones or the `"saved"`.
        missing: what to do about parameters that nothing was saved for: start them `"fresh"`, or raise an `"error"`.
            So for one whose shape changed, or whose state is of another algorithm's kind.
        unexpected: what to do about saved parameters that are not here: `"drop"` them, or raise an `"error"`.
        rename: saved name -> present name, for parameters or whole modules; or a function of the saved name.

    Returns:
        What became of each parameter, and which settings differ.

    Raises:
        WrongModelError: nothing in the state has the name of anything here.
        StateMismatchError: the state is none, or the policies forbid what it comes to. Nothing is changed then.

    Example:
        >>> import torch
        >>> net = torch.nn.ModuleDict({"body": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 1)})
        >>> saved = named_state(torch.optim.AdamW(net.named_parameters(), lr=0.1))
        >>> groups = [{"params": net["head"].parameters(), "lr": 1.0}, {"params": net["body"].parameters()}]
        >>> print(load_named_state(torch.optim.AdamW(groups, lr=0.1), saved, net))
        State of 4 parameters taken over
        what            where      saved  current  used
        hyperparameter  lr/group0    0.1        1  current
    """
    optimizer = unwrapped(optimizer)
    policies = Policies(hyperparameters, missing, unexpected, rename)
    notice_all(optimizer)
    found = match(optimizer, state, names_by_group(optimizer, model), policies, driven_paths(optimizer))
    with all_or_nothing(optimizer):
        found.apply(copy=True)
    return found.report


def names_by_group(optimizer: Optimizer, model: nn.Module | None) -> list[list[str]]:
    """The name of each parameter, group by group: the model's, or those that were given to the optimizer.

    Raises:
        StateMismatchError: one has none, or two have the same.
        ForeignParameterError: one is not the model's.
    """
    found = _given_names(optimizer) if model is None else _model_names(optimizer, model)
    counts = Counter(name for own in found for name in own)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise StateMismatchError(f"Several parameters bear one name: {listing(twice)}.", "Give each its own.")
    return found


def _model_names(optimizer: Optimizer, model: nn.Module) -> list[list[str]]:
    by_tensor = {param.parameter: param.name for param in known(optimizer, model)}
    return [[by_tensor[parameter] for parameter in group["params"]] for group in optimizer.param_groups]


def _given_names(optimizer: Optimizer) -> list[list[str]]:
    found = []
    for label, group in zip(labels(optimizer), optimizer.param_groups, strict=True):
        own = parameter_names(optimizer, group) or group.get("param_names", ())
        if len(own) != len(group["params"]):
            raise StateMismatchError(
                f"The parameters of group {label.name!r} have no names.",
                "Say whose they are, model=..., or once for all: pg.name_groups(optimizer, model).",
            )
        found.append(list(own))
    return found

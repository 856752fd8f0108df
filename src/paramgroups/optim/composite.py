"""Several algorithms behind one `param_groups`: one optimizer whose groups name what updates them.

Knows which class updates which group, and lends it the groups and the state for the time of a step; knows no algorithm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import is_
from typing import Any, final

from torch import Tensor
from torch._compile import _disable_dynamo  # torch.compiler.disable, but loaded when it is needed
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from paramgroups import hyperparameters
from paramgroups.errors import (
    AlgorithmError,
    UncomposableError,
    UnknownAlgorithmError,
    UnknownHyperparameterError,
    described,
    nearest,
)
from paramgroups.hyperparameters import ALGORITHM, REQUIRED, RESERVED, own_copy
from paramgroups.optim.composable import check_behaviour, check_class, constructed
from paramgroups.optim.ordinary import Group
from paramgroups.optim.updates import Updating, unhooked
from paramgroups.params import check_group_name

_SCALING = ("grad_scale", "found_inf")  # what a GradScaler leaves on the optimizer for the time of a step


@final
class Composite(Updating):
    """One optimizer whose groups are updated by several algorithms, each group by the one that it names.

    There is one list of groups, in the order in which they were given, and one state, laid out as torch's. Before each
    step every algorithm is lent its groups and the state, so that it sees whatever was edited, loaded or added.

    Args:
        params: group dicts, each with an `algorithm`; parameters or named parameters where there is a `default`.
        algorithms: names, and the optimizer classes they stand for.
        default: the algorithm of groups that name none.
        **defaults: hyperparameters of the groups that lack them, where their algorithm has such a one.

    Raises:
        UncomposableError: a class cannot be one of several.
        UnknownAlgorithmError: a group names none of the algorithms, or none at all.
        UnknownHyperparameterError: a group has what its algorithm does not.
        GroupRefusedError: the algorithm's class refuses a group.

    Example:
        >>> import torch
        >>> from paramgroups.optim import AdamW, Muon
        >>> layer = torch.nn.Linear(2, 2)
        >>> groups = [
        ...     {"params": [layer.bias], "algorithm": "adamw", "betas": (0.9, 0.95)},
        ...     {"params": [layer.weight], "algorithm": "muon", "lr": 0.02},
        ... ]
        >>> optimizer = Composite(groups, {"muon": Muon, "adamw": AdamW}, lr=1e-3)
        >>> [(group["algorithm"], group["lr"]) for group in optimizer.param_groups]
        [('adamw', 0.001), ('muon', 0.02)]
    """

    algorithms: dict[str, type[Optimizer]]
    """Names, and the classes they stand for."""

    def __init__(
        self,
        params: ParamsT,
        algorithms: Mapping[str, type[Optimizer]],
        default: str | None = None,
        **defaults: Any,
    ) -> None:
        self.algorithms = checked(algorithms)
        self._given = defaults
        self._forget()
        if default is not None:
            self._class(default, "default")
        for name in defaults:
            hyperparameters.check_name(name, "Composite", self.algorithms)
        super().__init__(params, self._shared(default))

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"algorithms": self.algorithms, "_given": self._given}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._forget()

    def _forget(self) -> None:
        self._inner: dict[str, Optimizer] = {}
        self._tried: set[str] = set()  # the algorithms whose class was seen to behave
        self._homes: list[tuple[str, list[Tensor]]] | None = None  # for each group what updated which, at the last step

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """Whether a GradScaler leaves unscaling and skipping to the step: all take it, or none."""
        return all(getattr(inner, "_step_supports_amp_scaling", False) for inner in self._lent())

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group.

        Args:
            param_group: with `params` and, where the optimizer has no default one, an `algorithm`. What else the
                algorithm needs, and is not in it, is as the constructor was told, or as its class has it.

        Raises:
            UnknownAlgorithmError, UnknownHyperparameterError, GroupRefusedError: as the constructor.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"A group is a dict, not {described(param_group)}.\nWrite {{'params': [...], ...}}.")
        made = self._made(param_group)
        group = made.param_groups[0]
        kept = dict(group)
        super().add_param_group(group)
        for key in self.param_groups[-1].keys() - kept.keys():
            del self.param_groups[-1][key]  # a default of torch's base, which is none of the algorithm's
        self.state.update(made.state)  # what some make before the first step

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of such an optimizer, as torch's do; groups have the algorithms that they had then.

        Raises:
            UnknownAlgorithmError: there is one that this has not.
            AlgorithmError: the state is of an optimizer of one class. In both cases nothing is changed.
        """
        for index, group in enumerate(state_dict["param_groups"]):
            if ALGORITHM not in group:
                raise AlgorithmError(
                    f"Group {index} of the state names no algorithm: it is of an optimizer of one class.",
                    "Load it by name: pg.load_named_state(optimizer, pg.state.adopt(state_dict, model)).",
                )
            self._class(group[ALGORITHM], f"group {index} of the state")
        super().load_state_dict(state_dict)

    def check(self, group: Mapping[str, Any]) -> None:
        """Accept a group that could be one of this optimizer.

        Raises:
            UnknownAlgorithmError, UnknownHyperparameterError, GroupRefusedError: as `add_param_group`.
        """
        self._made(group)

    def _made(self, group: Mapping[str, Any]) -> Optimizer:
        """An optimizer of one group alone, made complete and accepted by the class of its algorithm."""
        label = str(group.get("name", f"group{len(self.param_groups)}"))
        where = f"group {label!r}"
        name = group.get(ALGORITHM, self.defaults.get(ALGORITHM))
        kind = self._class(name, where)
        known = hyperparameters.of_class(kind)
        values = {key: own_copy(value) for key, value in self._given.items() if key in known}
        values |= {key: value for key, value in group.items() if key in known}
        made = constructed(kind, [{"params": group["params"], "name": label, ALGORITHM: name}], values, where)
        if len(made.param_groups) != 1:
            raise UncomposableError(kind.__name__, "it makes several groups of one", "Give it groups it leaves alone.")
        own = made.param_groups[0]
        if "name" not in group:
            del own["name"]
        for key, value in group.items():
            if key not in own and key not in known and key not in RESERVED:
                self._check_stranger(key, where, kind)
            if key not in known and key != "params":
                own[key] = value
        for key, value in values.items():
            own.setdefault(key, value)  # an argument that is no hyperparameter: here it is copied and saved
        if name not in self._tried and own["params"]:
            check_behaviour(kind, own["params"][0], values)
            self._tried.add(name)
        return made

    def _class(self, name: object, where: str) -> type[Optimizer]:
        if not isinstance(name, str) or name not in self.algorithms:
            raise UnknownAlgorithmError(name, where, list(self.algorithms))
        return self.algorithms[name]

    def _check_stranger(self, key: str, where: str, kind: type[Optimizer]) -> None:
        """Accept what is a user's own in a group: no hyperparameter of any optimizer, nor nearly one."""
        known = hyperparameters.of_class(kind)
        elsewhere = hyperparameters.of_torch().union(*map(hyperparameters.of_class, self.algorithms.values()))
        if key in elsewhere:
            raise UnknownHyperparameterError(key, where, kind.__name__, nearest(key, known), sorted(known))
        hyperparameters.check_name(key, where, None)

    def _shared(self, default: str | None) -> dict[str, Any]:
        """The defaults that are true of every group: of what all algorithms have."""
        classes = [hyperparameters.of_class(kind) for kind in self.algorithms.values()]
        first = classes[0] if default is None else hyperparameters.of_class(self.algorithms[default])
        common = [key for key in first if all(key in each for each in classes)]
        found = {key: self._given.get(key, first[key]) for key in common}
        found = {key: value for key, value in found.items() if value is not REQUIRED}
        return found if default is None else found | {ALGORITHM: default}

    @_disable_dynamo  # which would follow what it is lent, and compile it anew
    def _update(self) -> None:
        """One update of every parameter that has a gradient."""
        scaling = {name: vars(self)[name] for name in _SCALING if name in vars(self)}
        for inner in self._lent():
            vars(inner).update(scaling)
            try:
                unhooked(type(inner).step)(inner)
            finally:
                for key in scaling:
                    vars(inner).pop(key, None)

    def _lent(self) -> list[Optimizer]:
        """Every algorithm that has groups, holding these and the state as they are now."""
        homes = [(group.get(ALGORITHM), group["params"]) for group in self.param_groups]
        if self._homes is None or not _same(homes, self._homes):
            self._settle()
        found = []
        for name in self.algorithms:
            own = [group for group in self.param_groups if group[ALGORITHM] == name]
            if own:
                inner = self._inner[name]
                inner.param_groups, inner.state = own, self.state
                found.append(inner)
        return found

    def _settle(self) -> None:
        """Take note of which algorithm has what: one that is new is made, and state of another class dropped."""
        groups: dict[str, list[Group]] = {}
        for index, group in enumerate(self.param_groups):
            where = f"group {group.get('name', f'group{index}')!r}"
            self._class(group.get(ALGORITHM), where)
            groups.setdefault(group[ALGORITHM], []).append(group)
        for name, own in groups.items():
            if name not in self._inner:
                self._inner[name] = self._fresh(name, own)
            self._check_complete(name, own)
        former = {id(parameter): name for name, params in self._homes or () for parameter in params}
        self._homes = [(group[ALGORITHM], list(group["params"])) for group in self.param_groups]
        for name, params in self._homes:
            for parameter in params:
                if self.algorithms[former.get(id(parameter), name)] is not self.algorithms[name]:
                    self.state.pop(parameter, None)

    def _fresh(self, name: str, own: list[Group]) -> Optimizer:
        """An optimizer that does one algorithm's steps, and has done what it does to what was loaded."""
        kind = self.algorithms[name]
        first, *rest = own
        alike = {
            key: own_copy(first[key])
            for key, default in hyperparameters.of_class(kind).items()
            if key in first and (default is REQUIRED or all(_equal(first[key], group.get(key)) for group in rest))
        }
        inner = kind([dict(group) for group in own], **alike)
        inner.__setstate__({"state": self.state, "param_groups": own})
        return inner

    def _check_complete(self, name: str, own: Iterable[Group]) -> None:
        """Accept groups that have what their algorithm keeps in a group."""
        known = hyperparameters.of_class(self.algorithms[name])
        needed = [key for key in self._inner[name].defaults if key in known]
        for group in own:
            missing = [key for key in needed if key not in group]
            if missing:
                raise AlgorithmError(
                    f"Group {group.get('name')!r} is to be updated by {name!r}, but has no {', '.join(missing)}.",
                    "A group keeps the algorithm it was made with: move its parameters, pg.regroup.move(...), or make "
                    "a group of the other, optimizer.add_param_group({'params': ..., 'algorithm': ...}).",
                )


def checked(algorithms: Mapping[str, type[Optimizer]]) -> dict[str, type[Optimizer]]:
    """Names, and the optimizer classes they stand for.

    Raises:
        TypeError: it is no mapping, or an empty one.
        InvalidNameError: a name could not be used as a metric name.
        NotAnOptimizerError, UncomposableError: of a class.
    """
    if not isinstance(algorithms, Mapping) or not algorithms:
        raise TypeError(
            f"{algorithms!r} names no algorithms.\nPass a mapping from names to classes: "
            "{'muon': pg.optim.Muon, 'adamw': pg.optim.AdamW}."
        )
    for name, kind in algorithms.items():
        check_group_name(name)
        check_class(kind)
    return dict(algorithms)


def _same(homes: list[tuple[Any, list[Tensor]]], former: list[tuple[str, list[Tensor]]]) -> bool:
    """Whether every group is updated by the same algorithm, and holds the very same parameters."""
    return len(homes) == len(former) and all(
        name == old and len(params) == len(known) and all(map(is_, params, known))
        for (name, params), (old, known) in zip(homes, former, strict=True)
    )


def _equal(one: Any, other: Any) -> bool:
    """Whether two values of a hyperparameter are equal, tensors by their numbers."""
    one, other = map(hyperparameters.without_tensors, (one, other))
    return bool(type(one) is type(other) and one == other)

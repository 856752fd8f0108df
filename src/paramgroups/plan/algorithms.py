"""What a parameter's hyperparameters can be, by the optimizer class, or of several by the algorithm that it has.

Knows classes and resolved values; knows nothing of rules and models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from torch.optim import Optimizer

from paramgroups.errors import UnknownAlgorithmError, UnknownHyperparameterError, nearest
from paramgroups.hyperparameters import ALGORITHM, REQUIRED, Kinds, check_name, of_class


@final
@dataclass(frozen=True)
class Algorithms:
    """The classes by which parameters are updated: none is known, one, or several by name."""

    kinds: Kinds

    def of(self, values: Mapping[str, Any]) -> type[Optimizer] | None:
        """The class that updates a parameter with these values; None where none is known."""
        return self.kinds.get(values.get(ALGORITHM, "")) if isinstance(self.kinds, Mapping) else self.kinds

    def defaults(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults of that class."""
        kind = self.of(values)
        known = {} if kind is None else of_class(kind)
        return {key: value for key, value in known.items() if value is not REQUIRED}

    def check(self, name: object, where: str) -> None:
        """Accept the name of an algorithm, where there are several.

        Raises:
            UnknownAlgorithmError: it is none of theirs.
        """
        if isinstance(self.kinds, Mapping) and name not in self.kinds:
            raise UnknownAlgorithmError(name, where, list(self.kinds))

    def has(self, key: str, values: Mapping[str, Any], sources: list[str], parameter: str) -> bool:
        """Whether a parameter's algorithm has a hyperparameter; what no rule gave may be meant for another algorithm.

        Raises:
            UnknownHyperparameterError: it has not, and a rule gave it.
        """
        kind = self.of(values)
        if kind is None or key == ALGORITHM or not isinstance(self.kinds, Mapping) or key in of_class(kind):
            return True
        elsewhere = any(key in of_class(each) for each in self.kinds.values())
        if elsewhere and not sources:
            return False
        where = f"{sources[-1]} for {parameter!r}" if sources else "the plan's defaults"
        if elsewhere:
            known = of_class(kind)
            raise UnknownHyperparameterError(key, where, kind.__name__, nearest(key, known), sorted(known))
        check_name(key, where, kind)
        return True

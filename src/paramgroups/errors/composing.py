"""What is wrong with several algorithms in one optimizer.

Knows only what it is handed, as plain fields; the text is made of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from paramgroups.errors.planning import PlanError
from paramgroups.errors.root import did_you_mean


@dataclass(eq=False, repr=False)
class AlgorithmError(PlanError):
    """Groups and algorithms that do not go together. Fields: `problem`, `way_out`."""

    problem: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.problem}\n{self.way_out}"


@dataclass(eq=False, repr=False)
class UnknownAlgorithmError(PlanError):
    """An algorithm that is none of those there are. Fields: `algorithm` (None if none is named), `where`, `known`."""

    algorithm: object
    where: str
    known: list[str]
    name = "algorithm"  # of the hyperparameter, as its siblings have it

    def __str__(self) -> str:
        if self.algorithm is None:
            return (
                f"Nothing says by which algorithm {self.where} is updated.\n"
                f"Say it for all that no rule or group names one for, default={self.known[0]!r}, or there: "
                f"algorithm={self.known[0]!r}. There are: {', '.join(map(repr, self.known))}."
            )
        return (
            f"algorithm = {self.algorithm!r} in {self.where} is none of those that were given.\n"
            f"{did_you_mean(str(self.algorithm), self.known)} "
            "An algorithm is a key of the mapping from names to classes."
        )


@dataclass(eq=False, repr=False)
class UncomposableError(PlanError, TypeError):
    """An optimizer class that cannot be one algorithm of several. Fields: `optimizer`, `reason`, `way_out`."""

    optimizer: str
    reason: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.optimizer} cannot be one of several algorithms: {self.reason}.\n{self.way_out}"

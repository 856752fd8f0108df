"""What goes wrong between processes that train one model together.

Knows only what it is handed, as plain fields; the text is made of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from paramgroups.errors.root import ParamGroupsError, listing


class ProcessesError(ParamGroupsError, RuntimeError):
    """Processes that train one model, and would not train it as one would."""


@dataclass(eq=False, repr=False)
class DisagreementError(ProcessesError):
    """Processes resolved different groups.

    Fields: `rank`, the first that differs; `other`, the first of those that most agree with, None where `rank` failed;
    `difference`, the first; `odd`, how many ranks differ, `of` how many.
    """

    rank: int
    other: int | None
    difference: str
    odd: int
    of: int

    def __str__(self) -> str:
        with_whom = "the others" if self.other is None else f"rank {self.other}"
        count = f"; {self.odd} of {self.of} ranks differ" if self.odd > 1 else ""
        return (
            f"Rank {self.rank} does not resolve the groups as {with_whom}: {self.difference}{count}.\n"
            "Make the same model and the same plan on every rank. Where ranks hold different layers, as the stages of "
            "a pipeline do, name those that must agree: plan.build(..., ranks=process_group), or ranks=False for none."
        )


@dataclass(eq=False, repr=False)
class ReplacedParametersError(ProcessesError, ValueError):
    """The optimizer's parameters are no longer the model's. Fields: `names`, `count` (of the optimizer's)."""

    names: list[str]
    count: int

    def __str__(self) -> str:
        return (
            f"The model has other tensors by now for {len(self.names)} of the optimizer's {self.count} parameters: "
            f"{listing(self.names, 3)}. A step would move nothing that the model uses.\n"
            "fully_shard puts new parameters in place of a model's: shard first, then plan.build(model, ...)."
        )

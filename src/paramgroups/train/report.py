"""What came out of a run: the share of right answers on examples held out, with and without the plan.

Knows numbers and how they are told; knows nothing of how they came about.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

from paramgroups.tables import Table, number


@final
@dataclass(frozen=True)
class Choice:
    """The lr that was chosen (None: the optimizer's own), and the accuracy it came to."""

    lr: float | None
    accuracy: float


@final
@dataclass(frozen=True)
class Outcome:
    """One seed's results: of the plan, and of one group at a constant lr."""

    seed: int
    plan: Choice
    baseline: Choice | None = None


@final
@dataclass(frozen=True)
class Report:
    """The results of every seed. Prints as a table, with who is ahead in a note."""

    outcomes: tuple[Outcome, ...]

    def table(self) -> Table:
        """A row for the plan, and one for the baseline; over several seeds mean ± standard deviation."""
        sides = [("the plan", [outcome.plan for outcome in self.outcomes])]
        if self._pairs():
            sides.append(("one group, constant lr", [baseline for _, baseline in self._pairs()]))
        rows = tuple((title, _lrs(choices), _spread([each.accuracy for each in choices])) for title, choices in sides)
        notes = [self.verdict()]
        if len(self.outcomes) > 1:
            notes.append(f"Mean ± standard deviation over {len(self.outcomes)} seeds, the held-out examples the same")
        return Table(("", "lr", "held-out accuracy"), rows, notes=tuple(notes))

    def verdict(self) -> str:
        """Who is ahead, by how much, and how often.

        Example:
            >>> Report((Outcome(0, Choice(0.01, 0.98), Choice(0.003, 0.99)),)).verdict()
            'The baseline is ahead by 1.00 points'
        """
        leads = [100 * (plan.accuracy - baseline.accuracy) for plan, baseline in self._pairs()]
        if not leads:
            return "Nothing to compare with: the recipe has no `compare`"
        mean = statistics.fmean(leads)
        if not round(mean, 2):
            return "Both are equal"
        side, wins = (
            ("plan", sum(lead > 0 for lead in leads)) if mean > 0 else ("baseline", sum(lead < 0 for lead in leads))
        )
        often = f", on {wins} of {len(leads)} seeds" if len(leads) > 1 else ""
        return f"The {side} is ahead by {abs(mean):.2f} points{often}"

    def to_json(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {"verdict": self.verdict(), "outcomes": [asdict(outcome) for outcome in self.outcomes]}

    def _pairs(self) -> list[tuple[Choice, Choice]]:
        return [(each.plan, each.baseline) for each in self.outcomes if each.baseline is not None]

    def __str__(self) -> str:
        return str(self.table())

    def __rich__(self) -> Any:
        return self.table().__rich__()


def _lrs(choices: Sequence[Choice]) -> str:
    return ", ".join(dict.fromkeys("default" if each.lr is None else number(each.lr) for each in choices))


def _spread(accuracies: Sequence[float]) -> str:
    mean = f"{statistics.fmean(accuracies):.2%}"
    return f"{mean} ± {statistics.stdev(accuracies):.2%}" if len(accuracies) > 1 else mean

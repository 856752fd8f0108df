"""What a run is, as plain objects: a model, data, an optimizer, a plan, schedules and a budget.

Knows what belongs together; knows no text, no file and no device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch import nn
from torch.optim import Optimizer

from paramgroups.claims import Schedules
from paramgroups.plan import Plan
from paramgroups.schedules import Constant, Horizon
from paramgroups.train.batches import Batches
from paramgroups.train.data import Examples, Split


@final
@dataclass(frozen=True)
class Span:
    """How long something is trained: passes over the examples, or optimizer steps. Exactly one is given."""

    epochs: float | None = None
    steps: int | None = None

    def horizon(self, batches: Batches) -> Horizon:
        """The same in every unit, for one stream of batches.

        Example:
            >>> Span(epochs=3).horizon(Batches(count=100, size=8, seed=0))
            Horizon(steps=36, epochs=3.0, samples=288)
        """
        steps = self.steps or max(1, round((self.epochs or 0) * batches.per_epoch))
        return Horizon(steps, epochs=steps / batches.per_epoch, samples=steps * batches.size)


@final
@dataclass(frozen=True)
class Pretraining:
    """What comes first: every parameter, at a constant lr, on the examples of some classes."""

    classes: tuple[int, ...]
    epochs: float
    lr: float


@final
@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that is run, and against what it is compared.

    Args:
        model: makes the network.
        optimizer: the class, or of several algorithms each.
        arguments: of the class, beside the plan's.
        plan: the groups.
        schedules: group -> hyperparameter -> schedule, as for `Scheduler`.
        data: the examples, split.
        span: how long each training is.
        batch_size: over all processes.
        seed: of the first of several runs.
        threads: of each process on the CPU; torch's own choice where absent.
        pretraining: what comes first.
        grid: values of the plan's default lr to choose from, by the validation examples, for the plan and for a
            baseline alike; without any, the plan's own lr is used, and nothing is compared.
    """

    model: Callable[[], nn.Module]
    optimizer: type[Optimizer] | Mapping[str, type[Optimizer]]
    arguments: Mapping[str, Any]
    plan: Plan
    schedules: Schedules
    data: Split
    span: Span
    batch_size: int
    seed: int = 0
    threads: int | None = None
    pretraining: Pretraining | None = None
    grid: tuple[float, ...] = ()

    def batches(self, examples: Examples, seed: int) -> Batches:
        """The batches of these examples."""
        return Batches(count=len(examples), size=self.batch_size, seed=seed)

    def horizon(self) -> Horizon:
        """How long the last training is, which learns from all but the test's examples."""
        count = len(self.data.train) + len(self.data.validation)
        return self.span.horizon(Batches(count=count, size=self.batch_size, seed=self.seed))


@final
@dataclass(frozen=True, kw_only=True)
class Leg:
    """One training from a start to its end, and how well it went: the unit in which a run is done and resumed."""

    name: str
    plan: Plan
    schedules: Schedules = field(repr=False)
    learn: Examples = field(repr=False)
    judge: Examples = field(repr=False)
    span: Span
    seed: int
    start: str | None = None  # the name of the leg whose model it starts from
    final: bool = False  # whether it is judged by the test's examples
    kept: bool = False  # whether others start from its model
    recorded: bool = False  # whether it is the one that the metrics and the picture tell of


CONSTANT: Schedules = {"*": {"lr": Constant()}}
"""The lr as it stands, for what is compared with schedules."""


def with_lr(plan: Plan, lr: float) -> Plan:
    """The plan with another default lr."""
    return Plan(*plan.rules, **(plan.defaults | {"lr": lr}))


def one_group(plan: Plan, lr: float) -> Plan:
    """The plan's defaults without its rules."""
    return Plan(**(plan.defaults | {"lr": lr}))

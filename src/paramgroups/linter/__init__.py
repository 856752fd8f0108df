"""What is likely wrong, or worth a look, in schedules, plans, optimizers, schedulers and recipes."""

from paramgroups.linter.checking import check
from paramgroups.linter.findings import Check, Finding
from paramgroups.linter.registry import CHECKS, chosen

__all__ = ["CHECKS", "Check", "Finding", "check", "chosen"]

"""Rules, what they come to on a model, and how each value came about."""

from paramgroups.plan.audit import FrozenRuleWarning
from paramgroups.plan.cascade import Contribution
from paramgroups.plan.grouping import Frozen, Group, Grouping
from paramgroups.plan.rules import LayerDecay, Plan, Rule, Times

__all__ = ["Contribution", "Frozen", "FrozenRuleWarning", "Group", "Grouping", "LayerDecay", "Plan", "Rule", "Times"]

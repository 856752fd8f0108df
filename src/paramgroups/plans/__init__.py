"""Ready-made plans: well-known ways to group a model's parameters, as rules to read, print and extend."""

from paramgroups.plans.unfreezing import backbone_ramp, ulmfit

__all__ = ["backbone_ramp", "ulmfit"]

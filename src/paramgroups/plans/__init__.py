"""Ready-made plans: well-known ways to group a model's parameters, as rules to read, print and extend."""

from paramgroups.plans.matrices import muon

__all__ = ["muon"]

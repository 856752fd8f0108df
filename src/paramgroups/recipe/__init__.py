"""One YAML file = model, data, plan, optimizer, schedules, horizon: read, checked whole, and made into a job."""

from paramgroups.recipe.files import built_in, load, read, validated, write
from paramgroups.recipe.jobs import driven, grouping, make, scheduler
from paramgroups.recipe.sections import Recipe

__all__ = ["Recipe", "built_in", "driven", "grouping", "load", "make", "read", "scheduler", "validated", "write"]

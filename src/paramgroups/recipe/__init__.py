"""One YAML file = model, data, plan, optimizer, schedules, horizon: read, checked whole, and made into a job."""

from paramgroups.recipe.files import built_in, load, read, validated, write
from paramgroups.recipe.jobs import make, scheduler
from paramgroups.recipe.outlines import Outline, outline, tried
from paramgroups.recipe.sections import Recipe

__all__ = [
    "Outline",
    "Recipe",
    "built_in",
    "load",
    "make",
    "outline",
    "read",
    "scheduler",
    "tried",
    "validated",
    "write",
]

"""`paramgroups show`: a recipe's groups and schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paramgroups.cli.options import AsJson, Overrides, RecipeName, say, say_json
from paramgroups.extras import needed_for
from paramgroups.tables import Table, number

if TYPE_CHECKING:
    from paramgroups.plan import Grouping
    from paramgroups.recipe import Recipe


def show(recipe: RecipeName, overrides: Overrides = None, *, as_json: AsJson = False) -> None:
    """Print a recipe's parameter groups and schedules. No data is read, and nothing is trained."""
    with needed_for("Reading recipes"):
        from paramgroups.recipe import outline
    found = outline(recipe, overrides or ())
    if as_json:
        say_json(_data(found.recipe, found.grouping))
        return
    say(_headline(recipe, found.recipe))
    say(found.grouping)
    say("")
    say(schedules(found.recipe))


def schedules(recipe: Recipe) -> Table:
    """A row for each hyperparameter that a schedule drives, in the groups it was given for."""
    rows = tuple(
        ("every group" if group == "*" else group, path, repr(schedule))
        for group, own in recipe.scheduled().items()
        for path, schedule in own.items()
    )
    return Table(("in", "hyperparameter", "schedule"), rows)


def _headline(name: str, recipe: Recipe) -> str:
    horizon = recipe.horizon
    span = f"{horizon.steps} steps" if horizon.epochs is None else f"{number(horizon.epochs)} epochs"
    return (
        f"{name}: {recipe.model.name} on {recipe.data.name} by {recipe.optimizer.name}, {span} in batches of "
        f"{recipe.batch_size}, seed {recipe.seed}\n"
    )


def _data(recipe: Recipe, found: Grouping) -> dict[str, Any]:
    groups = [
        {
            "name": group.name,
            "rules": group.rules,
            "parameters": [param.name for param in group.params],
            "elements": group.numel,
            "hyperparameters": group.hyperparameters,
        }
        for group in found.groups
    ]
    frozen = [{"parameter": each.param.name, "reason": each.reason} for each in found.frozen]
    thawed = [
        {"rule": each.rule, "until": each.when, "parameters": [param.name for param in each.params]}
        for each in found.thaws
    ]
    return {"recipe": recipe.model_dump(), "groups": groups, "frozen": frozen, "thawed": thawed}

"""`paramgroups explain`: how one parameter's hyperparameters came about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paramgroups.cli.options import AsJson, Overrides, RecipeName, say, say_json
from paramgroups.extras import needed_for
from paramgroups.tables import show

if TYPE_CHECKING:
    from paramgroups.plan import Grouping

Parameter = Annotated[str, typer.Argument(metavar="PARAMETER", help="A dotted name, such as head.scores.weight.")]


def explain(recipe: RecipeName, parameter: Parameter, overrides: Overrides = None, *, as_json: AsJson = False) -> None:
    """Print how each hyperparameter of one parameter came about, and what was overridden on the way."""
    with needed_for("Reading recipes"):
        from paramgroups.recipe import outline
    whole = outline(recipe, overrides or ())
    found = whole.grouping
    schedules = whole.driven.get(found.group_of(parameter) or "", {})
    if as_json:
        say_json({**_data(found, parameter), "schedules": {path: repr(each) for path, each in schedules.items()}})
    else:
        notes = tuple(f"{path} is driven by {schedule!r}" for path, schedule in schedules.items())
        say(replace(found.explain(parameter), notes=notes))


def _data(found: Grouping, name: str) -> dict[str, Any]:
    from paramgroups.params import find

    param = find(found.params, name)
    reasons = [each.reason for each in found.frozen if each.param is param]
    reasons += [f"frozen by {each.why.reason}" for each in found.thaws if param in each.params]
    group = next((group for group in found.groups if param in group.params), None)
    history = {} if group is None else group.histories[group.params.index(param)]
    return {
        "parameter": param.name,
        "elements": param.numel,
        "frozen": next(iter(reasons), None),
        "group": None if group is None else group.name,
        "hyperparameters": {
            key: {
                "value": steps[-1].result,
                "history": [
                    {"given": show(step.given), "by": step.source, "overridden": step.overridden} for step in steps
                ],
            }
            for key, steps in history.items()
        },
    }

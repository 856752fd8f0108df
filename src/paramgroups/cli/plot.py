"""`paramgroups plot`: a recipe's schedules as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paramgroups.cli.options import AsJson, Overrides, RecipeName, console, say, say_json
from paramgroups.extras import needed_for

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write a .png, .svg or .pdf file instead."),
]


def plot(recipe: RecipeName, overrides: Overrides = None, *, output: Output = None, as_json: AsJson = False) -> None:
    """Draw every group's scheduled hyperparameters over the whole run, in the terminal or to a file."""
    with needed_for("Reading recipes"):
        from paramgroups import pictures
        from paramgroups.recipe import outline
    if output is not None and not output.parent.is_dir():
        raise typer.BadParameter(f"the folder {str(output.parent)!r} does not exist.", param_hint="--output")
    planned = outline(recipe, overrides or ())
    driven = planned.timetable() or planned.scheduler()
    if as_json:
        say_json({key: line.tolist() for key, line in pictures.values(driven).items()})
    elif output is None:
        typer.echo(pictures.sketch(driven, width=min(console().width, 120)))
        if planned.grouping.thaws:
            typer.echo(f"\n{driven}")
    else:
        try:
            pictures.plot(driven, path=output)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--output") from error
        except OSError as error:
            problem = f"{output} cannot be written: {error.strerror}."
            raise typer.BadParameter(problem, param_hint="--output") from error
        say(f"{output} has the picture.")

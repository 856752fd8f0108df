"""`paramgroups check`: what is likely wrong with a recipe that could be run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from paramgroups.cli.options import AsJson, Overrides, RecipeName, say, say_json
from paramgroups.extras import needed_for

Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="CODES", help="Only these, or those that start so: PG1,PG203. May be repeated."),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="CODES", help="None of these. May be repeated."),
]


def check(
    recipe: RecipeName,
    overrides: Overrides = None,
    *,
    select: Select = None,
    ignore: Ignore = None,
    as_json: AsJson = False,
) -> None:
    """Print what is likely wrong with a recipe; then the exit code is 1. No data is read, and nothing is trained."""
    with needed_for("Reading recipes"):
        from paramgroups.recipe import outline
    from paramgroups import linter

    wanted, unwanted = (
        [code.strip() for each in given or () for code in each.split(",")] for given in (select, ignore)
    )
    linter.chosen((), wanted, unwanted)  # a mistyped code is told before anything is read
    findings = linter.chosen(linter.check(outline(recipe, overrides or ())), wanted, unwanted)
    if as_json:
        say_json({"recipe": recipe, "findings": [asdict(each) for each in findings]})
    elif findings:
        say("\n".join(map(str, findings)))
    else:
        say(f"{recipe}: nothing was found.")
    if findings:
        raise typer.Exit(1)

"""What several commands take, described once, and how they print.

Knows typer and rich; knows nothing of what is printed.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console

RecipeName: TypeAlias = Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or a built-in recipe.")]
Overrides: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a field: plan.rules.0.lr=1e-3. May be repeated."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]


def console() -> Console:
    """Where people read: a terminal, or plain text. Brackets and numbers are left as they are."""
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def say(what: object) -> None:
    """Print for people: a table as the terminal shows tables, as plain text where it is no terminal."""
    out = console()
    out.print(what if out.is_terminal else str(what))


def say_json(data: Any) -> None:
    """Print for programs."""
    typer.echo(json.dumps(data, indent=2, default=str))

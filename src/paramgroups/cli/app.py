"""The commands, gathered.

Knows their names and how typer is asked to behave; what each does is in its own file.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

import typer

from paramgroups.cli.explain import explain
from paramgroups.cli.plot import plot
from paramgroups.cli.schema import schema
from paramgroups.cli.show import show
from paramgroups.cli.train import train

app = typer.Typer(
    help="Named parameter groups and hyperparameter schedules for any PyTorch optimizer.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # brackets in messages are brackets
    pretty_exceptions_enable=False,
)
for command in (train, show, explain, plot, schema):
    app.command()(command)


@app.callback(invoke_without_command=True)
def version(*, version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Named parameter groups and hyperparameter schedules for any PyTorch optimizer."""
    if version:
        typer.echo(metadata.version("paramgroups"))
        raise typer.Exit


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="paramgroups")
    except SystemExit as exited:
        return exited.code if isinstance(exited.code, int) else int(exited.code is not None)
    return 0

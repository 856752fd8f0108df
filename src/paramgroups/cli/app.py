"""The commands, gathered.

Knows their names and how typer is asked to behave; what each does is in its own file.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Any, Final

import typer

from paramgroups.cli.check import check
from paramgroups.cli.explain import explain
from paramgroups.cli.plot import plot
from paramgroups.cli.schema import schema
from paramgroups.cli.show import show
from paramgroups.cli.state import state
from paramgroups.cli.train import train
from paramgroups.errors import RunError

_USAGE_ERROR: Final[Any] = typer.BadParameter.__mro__[1]  # what is raised for wrong arguments; typer has no name for it

app = typer.Typer(
    help="Named parameter groups and hyperparameter schedules for any PyTorch optimizer.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # brackets in messages are brackets
    pretty_exceptions_enable=False,
)
for command in (train, show, explain, plot, check, state, schema):
    app.command()(command)


@app.callback(invoke_without_command=True)
def version(*, version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Named parameter groups and hyperparameter schedules for any PyTorch optimizer."""
    if version:
        typer.echo(metadata.version("paramgroups"))
        raise typer.Exit


def run(arguments: Sequence[str], *, explain: bool = True) -> int:
    """Run a command; its exit code.

    Args:
        arguments: what follows the command's name.
        explain: print what is wrong with the arguments, and how they are used; else it is raised.

    Raises:
        RunError: the arguments are wrong.
    """
    try:
        code = app(args=list(arguments), prog_name="paramgroups", standalone_mode=explain)
    except SystemExit as exited:
        code = exited.code
    except _USAGE_ERROR as error:
        raise RunError(error.format_message(), "`paramgroups --help` tells how it is used.") from error
    return code if isinstance(code, int) else int(code is not None)

"""`paramgroups state`: what a checkpoint holds, or how two differ."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from paramgroups.cli.options import AsJson, say, say_json
from paramgroups.tables import Table

File = Annotated[Path, typer.Argument(metavar="FILE", help="A checkpoint that paramgroups wrote.")]
Other = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Another, to compare it with.")]


def state(file: File, other: Other = None, *, as_json: AsJson = False) -> None:
    """Print what a checkpoint holds; or how two differ, and then the exit code is 1. Nothing in a file is run."""
    from paramgroups.state import contents
    from paramgroups.state.comparison import compare

    content = contents.read(file)
    if other is None:
        found, size = contents.summary(content), file.stat().st_size
        if as_json:
            say_json({"file": str(file), "bytes": size, **found})
        else:
            _say(f"{file}: {size:,} bytes", contents.tables(found))
        return
    compared = compare(content, contents.read(other))
    if as_json:
        say_json({"first": str(file), "second": str(other), **compared.data()})
    elif compared.equal:
        say(f"{file} and {other} hold the same.")
    else:
        _say(f"{file}, the first, and {other}, the second, differ.", compared.tables())
    if not compared.equal:
        raise typer.Exit(1)


def _say(headline: str, tables: Iterable[Table]) -> None:
    say(headline)
    for table in tables:
        say("")
        say(table)

"""The command `paramgroups`: one file a command. It parses, calls and prints; everything else is the library's."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

__all__ = ["main"]

_BAD_INPUT = 2
_INTERRUPTED = 130  # as a shell has it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the command's name; those of this process where absent.

    Returns:
        0; 1 where a command found something; 2 for bad input, explained on stderr, or as JSON where that was asked for;
        130 where it was interrupted.
    """
    from paramgroups.errors import ParamGroupsError, RecipeError
    from paramgroups.extras import needed_for

    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character gets another, not an error
    try:
        with needed_for("The command line"):
            from paramgroups.cli.app import run

            return run(arguments, explain=not as_json)
    except ParamGroupsError as error:
        if as_json:
            problems = error.problems if isinstance(error, RecipeError) else []
            told = [{"path": path, "message": message} for path, message in problems]
            print(json.dumps({"error": str(error), "problems": told}, indent=2))
        else:
            print(error, file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        return _INTERRUPTED

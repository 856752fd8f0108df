"""The file from which a run goes on: written whole or not at all, and read without running anything in it.

Knows files; knows nothing of what the state means. The format is private to this version.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, Final

import torch

from paramgroups.errors import RunError

FORMAT: Final = 1


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace the file at `path` by one that holds `state`, at once: a crash leaves the old one."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote.

    Raises:
        RunError: there is no such file, or it is none of ours.
    """
    if not path.is_file():
        raise RunError(
            f"There is no checkpoint {path}.", "Give the folder of a run: the one `paramgroups train` names."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        problem = f"{path} cannot be read as a checkpoint: {str(error).splitlines()[0] if str(error) else error!r}"
        raise RunError(problem, "Start again, in another folder.") from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != FORMAT:
        raise RunError(f"{path} has the format {found!r}, not {FORMAT}.", "Resume it with the version that wrote it.")
    return {key: value for key, value in state.items() if key != "format"}

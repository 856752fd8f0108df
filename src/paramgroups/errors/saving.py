"""What is wrong with a checkpoint file, or with what was to be saved in one.

Knows only what it is handed, as plain fields; the text is made of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from paramgroups.errors.root import ParamGroupsError


@dataclass(eq=False, repr=False)
class CheckpointError(ParamGroupsError, RuntimeError):
    """A checkpoint that cannot be written or read. Fields: `path`, `problem`, `remedy`."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path} {self.problem}.\n{self.remedy}"


@dataclass(eq=False, repr=False)
class FileAccessError(CheckpointError, OSError):
    """The system does not let the file be written or read: a full disk, say. Fields as `CheckpointError`'s."""


@dataclass(eq=False, repr=False)
class UnsavableError(CheckpointError, ValueError):
    """What was to be saved cannot be, or not in this way. Fields as `CheckpointError`'s."""


@dataclass(eq=False, repr=False)
class ForeignFileError(CheckpointError, ValueError):
    """The file is none of ours. Fields as `CheckpointError`'s."""


@dataclass(eq=False, repr=False)
class TruncatedFileError(CheckpointError, ValueError):
    """The file has lost its end. Fields as `CheckpointError`'s."""


@dataclass(eq=False, repr=False)
class DamagedFileError(CheckpointError, ValueError):
    """The file's bytes are not those that were written. Fields as `CheckpointError`'s."""


@dataclass(eq=False, repr=False)
class IncompatibleFileError(CheckpointError, ValueError):
    """The file is whole, but of a newer version, or nothing this torch loads here. Fields as `CheckpointError`'s."""

"""A checkpoint file on the disk: replaced at once or not at all, whatever is killed, full, or writing to it as well.

Knows files; knows nothing of what is in them.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch

from paramgroups.errors import FileAccessError, UnsavableError
from paramgroups.state import archive

_PERMISSIONS: Final = "Change the permissions of the file and its folder, or name another."
_SPACE: Final = "Make room there, or save elsewhere; what was there before is as it was."
_NAME: Final = "Name a file, in a folder that is there."
_REMEDIES: Final = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _PERMISSIONS),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _SPACE),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.EISDIR), _NAME),
}
_UNSYNCED: Final = {errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOTSUP}  # what a folder says that has no fsync


def write(path: str | os.PathLike[str], content: Mapping[str, Any], keep: int | None = None) -> None:
    """Replace the file at `path` by one that holds `content`, at once: whatever happens, there is the old or the new.

    Args:
        path: the file; a link to one is followed.
        content: by name, what `torch.load(weights_only=True)` reads: plain containers, numbers, text and tensors.
        keep: how many files to have, the newest at `path`, those before it at `path.1`, `path.2`, …; one where absent.

    Raises:
        UnsavableError: the content cannot be saved, or would not be read again; or `keep` is no number of files.
        FileAccessError: the system refuses, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    if keep is not None and (not isinstance(keep, int) or isinstance(keep, bool) or keep < 1):
        remedy = "Give keep=1, for the newest file alone, or more."
        raise UnsavableError(str(target), f"cannot be kept {keep!r} times", remedy)
    with _explained(target, "written"), _temporary(target) as file:
        archive.dump(content, file, target)
        with _flushing(file):
            archive.seal(file)
        _flush(file)
        _rotate(target, keep or 1)
        _replace(target, file)


def read(path: str | os.PathLike[str], map_location: torch.device | str = "cpu") -> dict[str, Any]:
    """What `write` was given. Nothing in the file is run.

    Args:
        path: the file.
        map_location: the device of its tensors.

    Raises:
        FileAccessError: the system refuses, or there is no such file.
        ForeignFileError: the file is none of ours.
        TruncatedFileError: it has lost its end.
        DamagedFileError: its bytes are not those that were written.
        IncompatibleFileError: it is whole, but of a newer version, or nothing this torch loads here.
    """
    source = Path(path)
    with _explained(source, "read"), source.open("rb") as file:
        return archive.load(file, source, map_location)


@contextmanager
def _explained(path: Path, done: str) -> Iterator[None]:
    """What the system refuses, as an error of ours."""
    try:
        _refuse_all_but_files(path)
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "Try again, or name a file on another disk.")
        raise FileAccessError(str(path), f"cannot be {done}: {error.strerror or error}", remedy) from error


def _refuse_all_but_files(path: Path) -> None:
    """A pipe would be waited for, a device replaced, and a folder found out about only after the work."""
    if path.exists() and not path.is_file():
        raise IsADirectoryError(errno.EISDIR, "it is a folder" if path.is_dir() else "it is no ordinary file")


@contextmanager
def _temporary(path: Path) -> Iterator[BinaryIO]:
    """A new file beside `path`, locked while this process lives, and removed in the end if it is still there."""
    _sweep(path)
    file = _create(path)
    try:
        with file:
            yield file
    finally:
        Path(file.name).unlink(missing_ok=True)


def _create(path: Path) -> BinaryIO:
    """A new file beside `path`, locked."""
    while True:
        name = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        file = name.open("x+b")
        with suppress(OSError):  # some network disks have no locks, and then nothing is swept there
            _lock(file)
        if name.exists():
            return file
        file.close()  # another process swept it before it was locked


def _sweep(path: Path) -> None:
    """Remove the temporary files of processes that died while writing `path`."""
    for name in path.parent.iterdir():
        if re.fullmatch(re.escape(path.name) + r"\.[0-9a-f]{8}\.new", name.name):
            with suppress(OSError), name.open("r+b") as file:
                _lock(file, wait=False)
                name.unlink()


def _lock(file: BinaryIO, *, wait: bool = True) -> None:
    """Hold the file until it is closed; Windows, which removes no open file, goes without."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _numbered(path: Path, number: int) -> Path:
    """Where the file is that was at `path` that many saves ago."""
    return path.with_name(f"{path.name}.{number}")


def _rotate(path: Path, keep: int) -> None:
    """Number the files that stay; the newest has both its names until it is replaced."""
    newest = _numbered(path, 1)
    with suppress(FileNotFoundError, FileExistsError):  # where another process rotates the same files
        if keep == 1 or not path.exists() or (newest.exists() and newest.samefile(path)):
            return  # the last, where a save was killed between here and the rename; one killed in here leaves a gap
        free = next((number for number in range(1, keep) if not _numbered(path, number).exists()), keep - 1)
        for number in range(free, 1, -1):
            _numbered(path, number - 1).replace(_numbered(path, number))
        newest.unlink(missing_ok=True)
        _link(path, newest)


def _link(path: Path, name: Path) -> None:
    """Give the file at `path` a second name; where the disk knows no such thing, a copy."""
    try:
        os.link(path, name)
    except FileExistsError:
        raise
    except OSError:
        with _temporary(path) as copy, path.open("rb") as file:
            shutil.copyfileobj(file, copy)
            _flush(copy)
            _replace(name, copy)


def _replace(path: Path, file: BinaryIO) -> None:
    """Rename the file to `path`, and bring its new name to the disk."""
    if sys.platform == "win32":
        file.close()  # Windows renames no open file, and syncs no folder
    Path(file.name).replace(path)
    if sys.platform != "win32":
        _sync(path.parent)


def _flush(file: BinaryIO) -> None:
    """Bring all of a file to the disk."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _flushing(file: BinaryIO) -> Iterator[None]:
    """Bring to the disk what is in a file, while something else is done with it: the disk is what takes longest."""
    file.flush()
    with ThreadPoolExecutor(1) as pool:
        flushed = None
        with suppress(RuntimeError):  # no thread starts when the interpreter ends
            flushed = pool.submit(os.fsync, file.fileno())
        yield
        if flushed is not None:
            flushed.result()


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the disk can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise

"""The format of a checkpoint: torch's archive, and a digest by which any other byte in it is found.

Knows bytes, and what is wrong with them; knows nothing of files but what to call one. An archive is what `torch.save`
makes of {"paramgroups": VERSION, **content}, and `torch.load(path, weights_only=True)` alone opens it. It is a zip
file, and its last comment is "paramgroups sha256 " and, in hex, the digest of every byte before. SHA-256, because
processors have instructions for it and everyone has the tool: `head -c -64 FILE | sha256sum` prints what ends FILE.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint

from paramgroups.errors import (
    CheckpointError,
    DamagedFileError,
    ForeignFileError,
    IncompatibleFileError,
    TruncatedFileError,
    UnsavableError,
    listing,
)

VERSION: Final = 1
_MARK: Final = "paramgroups"
_KEY: Final = b"X\x0b\x00\x00\x00paramgroups"  # the mark in the pickle that is the archive's first entry
_LAST: Final = b"PK\x05\x06"  # the archive's last record: 22 bytes, then the comment, whose length is in the two before
_RECORD: Final = 22
_LABEL: Final = b"paramgroups sha256 "
_HEX: Final = 64
_LOOKED_AT: Final = 1 << 16  # bytes at each end of a file that is not whole
_CHUNK: Final = 1 << 18


def dump(content: Mapping[str, Any], file: BinaryIO, path: Path) -> None:
    """Fill an empty file, open for reading and writing, with all but the digest; `path` is what messages call it.

    Raises:
        UnsavableError: the content cannot be saved, or could not be read again.
        OSError: the system refuses.
    """
    if _MARK in content:
        raise UnsavableError(str(path), f"holds {_MARK!r} for itself, and so does the content", "Rename that entry.")
    _save({_MARK: VERSION, **content}, file, path)
    file.seek(-2, os.SEEK_END)
    file.write((len(_LABEL) + _HEX).to_bytes(2, "little") + _LABEL)


def seal(file: BinaryIO) -> None:
    """Put the digest of all that is in a file at its end."""
    file.write(_digest(file, file.seek(0, os.SEEK_END)))


def load(file: BinaryIO, path: Path, map_location: torch.device | str) -> dict[str, Any]:
    """What `dump` was given, from a file that was sealed; nothing in it is run.

    Raises:
        ForeignFileError: the file is none of ours.
        TruncatedFileError: it has lost its end.
        DamagedFileError: its bytes are not those that were written.
        IncompatibleFileError: it is whole, but of a newer version, or nothing this torch loads here.
        OSError: the system refuses.
    """
    _verify(file, path)
    content = _load(file, path, map_location)
    if not isinstance(content, dict) or not isinstance(content.get(_MARK), int) or content[_MARK] < 1:
        raise _foreign(path)
    version = content.pop(_MARK)
    if version > VERSION:
        problem = f"has the format {version}, and this version of paramgroups knows those up to {VERSION}"
        raise IncompatibleFileError(str(path), problem, "Update it: pip install --upgrade paramgroups")
    return content


def _save(content: dict[str, Any], file: BinaryIO, path: Path) -> None:
    """Torch's archive, if it is one that `torch.load` opens without running code."""
    outer = sys.exc_info()[1]
    remedy = "Save plain containers, numbers, text and tensors; .item() makes a plain number of a numpy or torch one."
    try:
        torch.save(content, file)
        file.seek(0)
        unsafe = get_unsafe_globals_in_checkpoint(file)
    except Exception as error:  # an object that is pickled may raise anything
        origin = _origin(error, outer)
        if isinstance(origin, OSError) or not isinstance(origin, Exception):
            raise origin from None
        raise UnsavableError(str(path), f"cannot hold this content: {_sentence(origin)}", remedy) from error
    if unsafe:
        problem = f"would hold what is not read without running code: {listing(sorted(unsafe))}"
        raise UnsavableError(str(path), problem, remedy)


def _load(file: BinaryIO, path: Path, map_location: torch.device | str) -> object:
    """What is in an archive that is whole."""
    outer = sys.exc_info()[1]
    try:
        file.seek(0)
        return torch.load(file, map_location=map_location, weights_only=True)
    except Exception as error:  # whoever forges a digest may have written anything
        sentence = _sentence(_origin(error, outer))
        problem = f"is whole, but torch {torch.__version__} cannot load it here: {sentence}"
        remedy = "Load it onto a device of this machine, with the torch that wrote it or a newer one."
        raise IncompatibleFileError(str(path), problem, remedy) from error


def _origin(error: BaseException, outer: BaseException | None) -> BaseException:
    """The first of the exceptions that led to this one, but none that was there before, `outer`.

    Torch ends its archive whatever happens, and fails at that: of a full disk only the context of its error tells.
    """
    while error.__context__ is not None and error.__context__ is not outer:
        error = error.__context__
    return error


def _sentence(error: BaseException) -> str:
    """The first sentence of an error's text; torch's go on with advice on how to run the code after all."""
    return (str(error).splitlines() or [repr(error)])[0].partition(". ")[0].rstrip(".")


def _digest(file: BinaryIO, size: int) -> bytes:
    """The digest of the first `size` bytes, in hex; the file stands right behind them."""
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest().encode()


def _verify(file: BinaryIO, path: Path) -> None:
    """Refuse a file unless its digest is that of all bytes before."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _LOOKED_AT, 0))
    end = file.read(_LOOKED_AT)
    if not end[:-_HEX].endswith(_LABEL) or _digest(file, size - _HEX) != end[-_HEX:]:
        file.seek(0)
        raise _fault(file.read(_LOOKED_AT), end, path)


def _fault(head: bytes, end: bytes, path: Path) -> CheckpointError:
    """What is wrong with a file whose digest is not that of its bytes, told from its two ends."""
    label = end.rfind(_LABEL)
    bare = end[-_RECORD:].startswith(_LAST) and end.endswith(b"\0\0")  # an archive that ends without a comment
    if label < 0 and (bare or _KEY not in head):
        return _foreign(path, empty=not head)
    remedy = f"Read an older one: where it was saved with keep=2 or more, that is {path}.1."
    complete = end[-(_RECORD + len(_LABEL) + _HEX) :].startswith(_LAST)
    if complete or 0 <= label <= len(end) - len(_LABEL) - _HEX:
        return DamagedFileError(str(path), "is damaged: its bytes are not those that were written", remedy)
    return TruncatedFileError(str(path), "is cut short: its end is missing", remedy)


def _foreign(path: Path, *, empty: bool = False) -> ForeignFileError:
    """The error for a file that is none of ours."""
    problem = "is empty" if empty else "is no checkpoint of paramgroups"
    return ForeignFileError(str(path), problem, "Name a file that paramgroups wrote; torch.load reads torch's own.")

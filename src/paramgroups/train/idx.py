"""The IDX format, in which MNIST and its relatives are kept: one tensor of bytes a file, often gzipped.

Knows the format (http://yann.lecun.com/exdb/mnist); knows nothing of what the bytes show.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from paramgroups.errors import DataError

_BYTES = 0x08  # the code of unsigned bytes, the only type these data sets use
_REMEDY = "Download it again, complete, e.g. from https://github.com/zalandoresearch/fashion-mnist#get-the-data."


def read_idx(folder: Path, name: str, *, ndim: int) -> Tensor:
    """The tensor of bytes in the file `name`, or in `name.gz`.

    Raises:
        DataError: the file is missing, is not IDX, or is cut off.
    """
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        missing = f"{folder / name} (or {name}.gz)"
        raise DataError(missing, "is missing", "Put the four files there, or say where they are: data.root.")
    content = _content(path)
    header = 4 + 4 * ndim
    if len(content) < header or content[:4] != bytes((0, 0, _BYTES, ndim)):
        raise DataError(str(path), f"is no IDX file of bytes in {ndim} dimensions", _REMEDY)
    shape = struct.unpack(f">{ndim}I", content[4:header])
    if len(content) - header != math.prod(shape):
        problem = f"should hold {math.prod(shape):,} bytes, {' × '.join(map(str, shape))}, and has"
        raise DataError(str(path), f"{problem} {len(content) - header:,}", _REMEDY)
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)[header:].reshape(shape)


def _content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(str(path), f"cannot be read ({error})", _REMEDY) from error

"""Files in the IDX format, whole and broken."""

import gzip
import struct

import pytest
import torch

from paramgroups.errors import DataError
from paramgroups.train.idx import read_idx

PIXELS = bytes(range(12))
WHOLE = struct.pack(">4B3I", 0, 0, 8, 3, 2, 3, 2) + PIXELS


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_file_gives_its_tensor(tmp_path, packed):
    """The shape is in the header, the last dimension runs fastest; gzip or not."""
    path = tmp_path / ("images.gz" if packed else "images")
    path.write_bytes(gzip.compress(WHOLE) if packed else WHOLE)
    expected = torch.arange(12, dtype=torch.uint8).reshape(2, 3, 2)
    assert torch.equal(read_idx(tmp_path, "images", ndim=3), expected)


def test_a_missing_file_is_named_with_the_setting_that_says_where(tmp_path):
    """Both names under which it was looked for."""
    with pytest.raises(DataError) as caught:
        read_idx(tmp_path, "images", ndim=3)
    assert str(caught.value) == (
        f"{tmp_path / 'images'} (or images.gz) is missing.\nPut the four files there, or say where they are: data.root."
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (WHOLE[:-1], r"should hold 12 bytes, 2 × 3 × 2, and has 11\."),
        (WHOLE + b"x", r"should hold 12 bytes, 2 × 3 × 2, and has 13\."),
        (b"<html>not found</html>", r"is no IDX file of bytes in 3 dimensions\."),
        (b"", r"is no IDX file"),
        (WHOLE[:3] + b"\x01" + WHOLE[4:], r"is no IDX file of bytes in 3 dimensions"),
    ],
    ids=["cut", "long", "html", "empty", "labels"],
)
def test_a_broken_file_is_told_from_a_whole_one(tmp_path, content, problem):
    """A download that was cut off, or is an error page, trains nothing."""
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(DataError, match=rf"images {problem}[\s\S]*Download it again"):
        read_idx(tmp_path, "images", ndim=3)


@pytest.mark.parametrize("content", [gzip.compress(WHOLE)[:-9], WHOLE, gzip.compress(WHOLE)[:-8] + b"12345678"])
def test_a_broken_archive_is_told_too(tmp_path, content):
    """Cut off, not packed at all, or damaged."""
    (tmp_path / "images.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"images\.gz cannot be read"):
        read_idx(tmp_path, "images", ndim=3)

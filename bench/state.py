"""Claim: saving costs at most 1.1× torch.save + fsync + a digest, loading at most 1.1× torch.load + a digest.

The file: 1,000 tensors, 100 M float32 elements in all, 400 MB. Baseline of `write`: torch.save to a file, fsync, then
the same digest (SHA-256) over the file; of `read`: that digest, then torch.load(weights_only=True). What is loaded is
compared before anything is timed. The files are in the current folder, since in memory there is no fsync to speak of.

    python bench/state.py
"""

import hashlib
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch

from paramgroups.state import files

TENSORS, ELEMENTS, ROUNDS = 1_000, 100_000, 11


def digest(path):
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 18):
            found.update(chunk)
    return found.hexdigest()


def torch_write(path, content):
    with path.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    digest(path)


def torch_read(path):
    digest(path)
    return torch.load(path, weights_only=True)


def seconds(call, *arguments):
    os.sync()  # what the call before left to the disk is not this one's time
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def compare(title, ours, theirs):
    times = []
    for turn in range(ROUNDS):  # who goes first changes
        pair = (ours, theirs) if turn % 2 else (theirs, ours)
        first, second = (seconds(*call) for call in pair)
        times.append((first, second) if turn % 2 else (second, first))
    mine, other = (statistics.median(column) for column in zip(*times, strict=True))
    low, ratio, high = statistics.quantiles([a / b for a, b in times], n=4)
    print(f"{title:<6} {mine:>7.3f} {other:>7.3f} {ratio:>5.2f}×  ({low:.2f}, {high:.2f})")


def main():
    content = {f"layer.{index}.weight": torch.randn(ELEMENTS) for index in range(TENSORS)}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        ours, theirs = Path(folder, "ours.pt"), Path(folder, "torch.pt")
        files.write(ours, content)
        torch_write(theirs, content)
        mine, other = files.read(ours), torch_read(theirs)
        assert mine.keys() == other.keys() == content.keys()
        assert all(mine[name].equal(content[name]) and other[name].equal(content[name]) for name in content)
        del mine, other
        print(f"torch {torch.__version__}; {TENSORS:,} × {ELEMENTS:,} float32; median of {ROUNDS} pairs")
        print(f"{'':<6} {'ours s':>7} {'torch s':>7} {'ratio':>6}  (quartiles)")
        compare("write", (files.write, ours, content), (torch_write, theirs, content))
        compare("read", (files.read, ours), (torch_read, theirs))
        # HERE: named state: pg.save against the above, pg.load against torch_read + load_state_dict.


if __name__ == "__main__":
    main()

"""Claim: pg.save costs at most 1.1× torch.save + fsync + a digest, pg.load 1.1× torch.load + it + load_state_dict.

The state: AdamW's over 1,000 tensors, 100 M float32 elements in all, 400 MB. The digest is the same on both sides,
SHA-256 over the file. What is loaded is compared before anything is timed. The files are in the current folder, since
in memory there is no fsync to speak of. A disk is noisy: pairs change their order, and beside the ratios is how far
torch's own times are apart. Then named state alone, over ever more parameters: the time for each is even. The last
row needs 6 GB, and minutes to make the optimizer: `python bench/state.py 10000 100000` goes without.

    python bench/state.py
"""

import hashlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

import paramgroups as pg

TENSORS, ELEMENTS, ROUNDS = 1_000, 50_000, 21  # AdamW keeps two numbers an element
NAMES = (10_000, 100_000, 1_000_000)


def digest(path):
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 18):
            found.update(chunk)
    return found.hexdigest()


def optimizer(tensors, elements):
    """AdamW after a step, its parameters named."""
    named = [(f"layer.{index}.weight", torch.nn.Parameter(torch.randn(elements))) for index in range(tensors)]
    made = torch.optim.AdamW(named, lr=1e-3, foreach=False)
    for _, parameter in named:
        parameter.grad = parameter.detach()
    made.step()
    made.zero_grad()
    return made


def torch_save(path, made):
    with path.open("wb") as file:
        torch.save(made.state_dict(), file)
        file.flush()
        os.fsync(file.fileno())
    digest(path)


def torch_load(path, made):
    digest(path)
    made.load_state_dict(torch.load(path, weights_only=True))


def equal(one, other):
    """Whether two optimizers have the same state, parameter by parameter."""
    pairs = zip(one.state.values(), other.state.values(), strict=True)
    return all(a[key].equal(b[key]) for a, b in pairs for key in ("step", "exp_avg", "exp_avg_sq"))


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
    least, _, most = statistics.quantiles([b / other for _, b in times], n=4)
    print(f"{title:<6} {mine:>7.3f} {other:>7.3f} {ratio:>5.2f}×  ({low:.2f}, {high:.2f})   ({least:.2f}, {most:.2f})")


def main():
    saved, loaded = optimizer(TENSORS, ELEMENTS), optimizer(TENSORS, ELEMENTS)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        ours, theirs = Path(folder, "ours.pt"), Path(folder, "torch.pt")
        pg.save(ours, saved)
        torch_save(theirs, saved)
        for load, path in ((pg.load, ours), (torch_load, theirs)):
            loaded.state.clear()
            load(path, loaded)
            assert equal(saved, loaded)
        print(f"torch {torch.__version__}; {TENSORS:,} × {2 * ELEMENTS:,} float32; median of {ROUNDS} pairs")
        print(f"{'':<6} {'ours s':>7} {'torch s':>7} {'ratio':>6}  (quartiles)    (torch's own)")
        compare("save", (pg.save, ours, saved), (torch_save, theirs, saved))
        compare("load", (pg.load, ours, loaded), (torch_load, theirs, loaded))
    del saved, loaded
    print(f"\n{'names':>9} {'named s':>8} {'loaded s':>9} {'µs each':>8}")
    for names in [int(each) for each in sys.argv[1:]] or NAMES:
        made = optimizer(names, 1)
        state = pg.named_state(made)
        taken, put = seconds(pg.named_state, made), seconds(pg.load_named_state, made, state)
        print(f"{names:>9,} {taken:>8.2f} {put:>9.2f} {(taken + put) / names * 1e6:>8.1f}")


if __name__ == "__main__":
    main()

"""Claim: a step of Muon costs no more than torch's on a CPU, and small matrices gain from sharing a batch.

Layers of two matrices, n×n and n×4n, float32, 2 threads; baseline: `torch.optim.Muon`. Agreement is checked first:
after a step the parameters differ by less than 1.5e-2 of the step's length. Where a processor does not multiply
bfloat16, torch emulates it, and ours multiplies the same numbers in float32: most of that ratio is not batching. What
batching alone is worth shows against ours, one matrix at a time.

    python bench/muon.py             # where bfloat16 is emulated torch's step of the first line takes minutes
    python bench/muon.py --quick     # 2 layers in that line
"""

import statistics
import sys
import time

import torch
from torch import nn

from paramgroups.optim import Muon, muon

AT_ONCE = muon._AT_ONCE["cpu"]
BIG = 2 if "--quick" in sys.argv else 24
LINES = [  # layers, n, groups, pairs against torch's
    (BIG, 256, 1, 3),
    (24, 32, 1, 15),
    (24, 32, 24, 15),
]
AGREE, DECAY = 1.5e-2, 0.1


def made(kind, layers, n, groups):
    torch.manual_seed(0)
    params = [nn.Parameter(torch.randn(shape)) for _ in range(layers) for shape in ((n, n), (n, 4 * n))]
    for param in params:
        param.grad = torch.randn_like(param)
    return kind([{"params": params[g::groups]} for g in range(groups)], lr=0.02, weight_decay=DECAY), params


def seconds(optimizer, at_once):
    muon._AT_ONCE["cpu"] = at_once
    start = time.perf_counter()
    optimizer.step()
    return time.perf_counter() - start


def check(before, ours, theirs):
    for old, one, other in zip(before, ours, theirs, strict=True):
        length = (other - old * (1 - 0.02 * DECAY)).norm()
        assert (one - other).norm() <= AGREE * length, ((one - other).norm() / length).item()


def compare(title, kind, at_once, pairs, line):
    layers, n, groups = line
    (optimizer, ours), (baseline, theirs) = made(Muon, *line), made(kind, *line)
    before = [param.detach().clone() for param in ours]
    seconds(optimizer, AT_ONCE)
    seconds(baseline, at_once)
    check(before, ours, theirs)
    times = [(seconds(optimizer, AT_ONCE), seconds(baseline, at_once)) for _ in range(pairs)]
    mine, other = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
    low, ratio, high = statistics.quantiles([b / a for a, b in times], n=4)
    shapes = f"{layers} × ({n}×{n}, {n}×{4 * n})"
    print(f"{shapes:<25} {groups:>6} {title:<14} {mine:>9.1f} {other:>10.1f} {ratio:>6.2f}×  ({low:.2f}, {high:.2f})")


def main():
    torch.set_num_threads(2)
    native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    print(f"torch {torch.__version__}, {'native' if native else 'emulated'} bfloat16 products")
    print(
        f"{'matrices':<25} {'groups':>6} {'against':<14} {'ours, ms':>9} {'theirs, ms':>10} {'ratio':>7}  (quartiles)"
    )
    for *line, pairs in LINES:
        compare("torch", torch.optim.Muon, AT_ONCE, pairs, line)
        compare("one at a time", Muon, 1, 15, line)


if __name__ == "__main__":
    main()

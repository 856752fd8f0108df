"""Claim: a step of Muon costs no more on a CPU than torch's, whose Newton–Schulz takes one matrix at a time.

24 layers of 256×256 and 256×1024, float32, 2 threads, in 1 group and in 24; baseline: `torch.optim.Muon`. Agreement is
checked first, relative to the norm of the update. Where the processor does not multiply bfloat16, torch emulates it and
ours multiplies the same numbers as float32: most of the ratio is that. So a second baseline takes ours with batches of
one matrix, which is what batching alone is worth; beside it, 24 layers of 32×32 and 32×128.

    python bench/muon.py
"""

import statistics
import time

import torch

from paramgroups.optim import muon

LAYERS, AGREE = 24, 1.5e-2  # relative to the update's norm: two bfloat16 roundings
PAIRS = {"torch": 3, "ours, one at a time": 15}  # torch's takes a minute where bfloat16 is emulated


def weights(width, groups):
    torch.manual_seed(0)
    shapes = [(width, width), (width, 4 * width)] * LAYERS
    made = [torch.nn.Parameter(torch.randn(shape) / width**0.5) for shape in shapes]
    for parameter in made:
        parameter.grad = torch.randn_like(parameter)
    return [{"params": made[start::groups]} for start in range(groups)], made


def optimizer(kind, width, groups):
    params, made = weights(width, groups)
    return kind(params, lr=0.02), made


def seconds(made, at_once):
    muon._AT_ONCE = at_once
    start = time.perf_counter()
    made.step()
    return time.perf_counter() - start


def main():
    torch.set_num_threads(2)
    native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    print(f"torch {torch.__version__}; bfloat16 products {'native' if native else 'emulated'}")
    print(f"{'matrices':<32} {'groups':>6} {'against':<20} {'ours ms':>9} {'their ms':>9} {'ratio':>6}  (quartiles)")
    at_once = muon._AT_ONCE
    for width in (256, 32):
        for groups in (1, LAYERS):
            for title, pairs in PAIRS.items():
                (ours, mine), (theirs, other) = (
                    optimizer(kind, width, groups) for kind in (muon.Muon, torch.optim.Muon if title == "torch" else muon.Muon)
                )
                least = at_once if title == "torch" else 1
                before = [parameter.detach().clone() for parameter in mine]
                seconds(ours, at_once), seconds(theirs, least)
                for old, one, two in zip(before, mine, other, strict=True):
                    assert (one - two).norm() <= AGREE * (two - old * (1 - 0.02 * 0.1)).norm()
                seconds(ours, at_once)
                times = [(seconds(ours, at_once), seconds(theirs, least)) for _ in range(pairs)]
                a, b = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
                low, ratio, high = statistics.quantiles([b / a for a, b in times], n=4)
                shapes = f"{LAYERS} of {width}×{width}, {width}×{4 * width}"
                print(f"{shapes:<32} {groups:>6} {title:<20} {a:>9.1f} {b:>9.1f} {ratio:>5.2f}×  ({low:.2f}, {high:.2f})")


if __name__ == "__main__":
    main()

"""Claim: several algorithms as one optimizer cost no more than 1.05 times what its optimizers cost stepped apart.

Muon for hidden matrices, AdamW for vectors, 20 groups, float32, 2 threads, against one Muon and one AdamW over the same
groups, both sides in each pair in turn. Parameters and state are compared first, to the bit. The second line has
matrices so small that what Composite itself does shows most; the third is AdamW alone under two names.

    python bench/composite.py
"""

import statistics
import time

import torch
from torch import nn

import paramgroups as pg
from paramgroups.optim import AdamW, Muon

GROUPS, PAIRS, ASKED = 20, 40, 1.05
LINES = [  # title, classes, layers, width
    ("Muon + AdamW", {"muon": Muon, "adamw": AdamW}, 24, 64),
    ("Muon + AdamW, tiny", {"muon": Muon, "adamw": AdamW}, 20, 4),
    ("AdamW + AdamW", {"muon": AdamW, "adamw": AdamW}, 100, 64),
]


def dicts(layers, width):
    """Ten groups of matrices, ten of vectors, in turns, each with an lr of its own."""
    torch.manual_seed(0)
    params = [nn.Parameter(torch.randn(shape)) for _ in range(layers) for shape in ((width, width), (width,))]
    for param in params:
        param.grad = torch.randn_like(param)
    groups = [
        {"params": params[kind::2][index :: GROUPS // 2], "algorithm": name, "lr": 1e-3 * (1 + index)}
        for index in range(GROUPS // 2)
        for kind, name in enumerate(("muon", "adamw"))
    ]
    return params, groups


def one(algorithms, layers, width):
    params, groups = dicts(layers, width)
    optimizer = pg.optim.Composite(groups, algorithms)
    return params, optimizer.step, [optimizer]


def apart(algorithms, layers, width):
    params, groups = dicts(layers, width)
    optimizers = [kind([g for g in groups if g["algorithm"] == name]) for name, kind in algorithms.items()]

    def step():
        for each in optimizers:
            each.step()

    return params, step, optimizers


def check(mine, theirs):
    """The same parameters and the same state."""
    ours, _, (composite,) = mine
    others, _, optimizers = theirs
    state = {parameter: kept for each in optimizers for parameter, kept in each.state.items()}
    for own, other in zip(ours, others, strict=True):
        assert torch.equal(own, other)
        assert composite.state[own].keys() == state[other].keys()
        assert all(torch.equal(composite.state[own][key], kept) for key, kept in state[other].items())


def seconds(step, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def line(title, algorithms, layers, width):
    mine, theirs = one(algorithms, layers, width), apart(algorithms, layers, width)
    for _ in range(5):
        for _, step, _ in (mine, theirs):
            step()
    check(mine, theirs)
    once = [seconds(step, 3) for _, step, _ in (mine, theirs)]
    repeats = max(1, int(0.02 / once[1]))
    times = []
    for pair in range(PAIRS):
        order = (mine, theirs) if pair % 2 else (theirs, mine)
        taken = {id(side): seconds(side[1], repeats) for side in order}
        times.append((taken[id(mine)], taken[id(theirs)]))
    check(mine, theirs)
    ours, others = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
    low, ratio, high = statistics.quantiles([a / b for a, b in times], n=4)
    print(f"{title:<20}{2 * layers:>8}{ours:>10.3f}{others:>10.3f}{ratio:>9.3f}×  ({low:.3f}, {high:.3f})", flush=True)


def main():
    torch.set_num_threads(2)
    print(f"torch {torch.__version__}, {GROUPS} groups, {PAIRS} pairs; asked: at most {ASKED}× in the first line")
    print(f"{'':<20}{'tensors':>8}{'one, ms':>10}{'apart, ms':>10}{'ratio':>10}  (quartiles)")
    for each in LINES:
        line(*each)


if __name__ == "__main__":
    main()

"""Claim: a plan of 20 rules over a model of 100,000 parameters takes under 3 s, and grows linearly (2x: ≤ 2.3×).

The model is on the meta device; the rules are of every kind. Baseline: none (no library does this); the figure is time.
What the plan comes to is checked before it is timed: every parameter is in exactly one group.

    python bench/plan.py
"""

import gc
import statistics
import time

import torch
from torch import nn

import paramgroups as pg

ROUNDS = 5
RULES = [
    pg.Rule(pg.NORMS | pg.BIASES, weight_decay=0.0, name="no_decay"),
    pg.Rule(pg.Kind(nn.Linear) & pg.Ndim(2), eps=1e-6),
    pg.Rule(pg.Matching(r"\.weight$"), weight_decay=0.3),
    pg.Rule("*", lr=pg.Times(2.0)),
    pg.Rule(~pg.Named("*.bias"), eps=1e-5),
    *(pg.Rule(f"layers.{digit}*", lr=pg.Times(0.9)) for digit in range(9)),
    *(pg.Rule(pg.Within(f"layers.{digit}?*"), weight_decay=0.1 * digit) for digit in range(1, 7)),
]


def model(parameters):
    with torch.device("meta"):
        return nn.ModuleDict({"layers": nn.ModuleList(nn.Linear(8, 8) for _ in range(parameters // 2))})


def seconds(net):
    gc.collect()
    start = time.perf_counter()
    pg.Plan(*RULES, lr=1e-3, weight_decay=0.05).on(net)
    return time.perf_counter() - start


def main():
    nets = {count: model(count) for count in (50_000, 100_000)}
    for count, net in nets.items():
        grouping = pg.Plan(*RULES, lr=1e-3, weight_decay=0.05).on(net)
        assert sum(len(group.params) for group in grouping.groups) == len({p.name for p in grouping.params}) == count
    times = [[seconds(net) for net in nets.values()] for _ in range(ROUNDS)]
    half, whole = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"torch {torch.__version__}; {len(RULES)} rules, median of {ROUNDS}")
    print(f" 50,000 parameters  {half:6.2f} s")
    print(f"100,000 parameters  {whole:6.2f} s   {whole / half:.2f}× as long")


if __name__ == "__main__":
    main()

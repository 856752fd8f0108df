"""Claim: to compare groups between ranks, each takes at most a third of the time that planning them takes.

Of `plan.build` in a run of several processes, over a model on the meta device: what a rank says of its groups, and the
digest of that, which is all that is sent (64 characters a rank). Baseline: `plan.on`, with the rules of bench/plan.py.

    python bench/agreement.py
"""

import gc
import statistics
import time

import torch

import paramgroups as pg
from paramgroups.agreement import Account
from paramgroups.build import statements
from plan import RULES, model

ROUNDS = 5


def seconds(act):
    gc.collect()
    start = time.perf_counter()
    result = act()
    return time.perf_counter() - start, result


def main():
    plan, net = pg.Plan(*RULES, lr=1e-3, weight_decay=0.05), model(100_000)
    optimizer = plan.build(net, torch.optim.AdamW)
    planning, comparing = [], []
    for _ in range(ROUNDS):
        took, grouping = seconds(lambda: plan.on(net, torch.optim.AdamW))
        planning.append(took)
        took, digest = seconds(lambda: Account(statements=statements(grouping, optimizer)).digest)  # noqa: B023 - called at once
        comparing.append(took)
        assert len(digest) == 64
    whole, part = statistics.median(planning), statistics.median(comparing)
    print(f"torch {torch.__version__}; 100,000 parameters, {len(RULES)} rules, median of {ROUNDS}")
    print(f"plan     {whole:6.2f} s\ncompare  {part:6.2f} s   {part / whole:.2f}× as long")


if __name__ == "__main__":
    main()

"""Claim: a cosine's million values come at once, where transformers and torch go step by step; jitted optax is faster.

`schedule.values` beside optax's `cosine_decay_schedule` (jitted, over the whole array, compiled before it is timed),
transformers' `get_cosine_schedule_with_warmup` (its function called step by step), and torch's `CosineAnnealingLR`.
Values are compared before anything is timed. A library that is not installed is named and left out: `make setup`
installs neither optax nor transformers.

    python bench/peers.py
"""

import statistics
import time
import warnings
from importlib.util import find_spec

import numpy as np

import paramgroups as pg

STEPS, ROUNDS = 1_000_000, 7
FEW = 20_000  # steps of what goes step by step
SCHEDULE = pg.Cosine(STEPS)


def ours():
    return SCHEDULE.values(np.arange(STEPS), base=0.1)


def optax():
    import jax
    import optax

    schedule = jax.jit(optax.cosine_decay_schedule(0.1, STEPS))
    counts = jax.numpy.arange(STEPS)
    return lambda: np.asarray(schedule(counts).block_until_ready()), STEPS


def transformers():
    import torch
    from transformers import get_cosine_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    factor = get_cosine_schedule_with_warmup(optimizer, 0, STEPS).lr_lambdas[0]
    return lambda: np.array([0.1 * factor(step) for step in range(FEW)]), FEW


def torch():
    import torch

    def run():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        found = []
        for _ in range(FEW):
            found.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
        return np.array(found)

    return run, FEW


def nanoseconds(run, steps):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / steps * 1e9


def main():
    warnings.simplefilter("ignore")  # torch: a scheduler stepped before its optimizer
    print(f"ns a value; median of {ROUNDS} pairs")
    for name, make in {"optax": optax, "transformers": transformers, "torch": torch}.items():
        if find_spec(name) is None:
            print(f"{name:<14} is not installed")
            continue
        theirs, steps = make()
        np.testing.assert_allclose(theirs(), ours()[:steps], rtol=1e-4, atol=1e-7)
        pairs = [(nanoseconds(ours, STEPS), nanoseconds(theirs, steps)) for _ in range(ROUNDS)]
        mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
        low, ratio, high = statistics.quantiles([b / a for a, b in pairs], n=4)
        print(f"{name:<14} ours {mine:7.1f}  theirs {other:9.1f}  {ratio:7.1f}×  ({low:.1f}, {high:.1f})")


if __name__ == "__main__":
    main()

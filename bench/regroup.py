"""Claim: on 10,000 parameters, `split` takes under 50 ms, with or without a scheduler that follows, and grows linearly.

Half of the parameters leave the one group for another, and are merged into it again. Half of the time goes into seeing
the model's parameters by name, which is shown beside. Names and state are checked to have followed, each time.

    python bench/regroup.py
"""

import statistics
import time

import torch

import paramgroups as pg
from paramgroups.collector import paused
from paramgroups.params import named

COUNTS, ROUNDS = (10_000, 20_000), 25


def made(count, *, scheduled):
    """AdamW over so many parameters that all have state."""
    model = torch.nn.ModuleList(torch.nn.Linear(1, 1) for _ in range(count // 2))
    optimizer = pg.Plan(lr=0.1, weight_decay=0.01).build(model, torch.optim.AdamW, foreach=False)
    scheduler = pg.Scheduler(optimizer, lr=pg.Cosine(1000), weight_decay=pg.Linear(1000)) if scheduled else None
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return model, optimizer, scheduler


def seconds(act):
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def timed(model, optimizer):
    """The times of each act, round by round."""
    count = len(optimizer.param_groups[0]["params"])
    acts = {
        "named(model)": paused()(lambda: named(model)),
        "split": lambda: pg.regroup.split(optimizer, "*.bias", name="biases"),
        "merge": lambda: pg.regroup.merge(optimizer, "default", "biases"),
    }
    steps = {id(parameter): id(own) for parameter, own in optimizer.state.items()}
    times = {title: [] for title in acts}
    for _ in range(ROUNDS + 1):
        for title, act in acts.items():
            times[title].append(seconds(act) * 1e3)
            if title == "split":
                assert [len(group["params"]) for group in optimizer.param_groups] == [count // 2, count // 2]
                assert all(name.endswith("bias") for name in pg.view(optimizer)["biases"].parameter_names)
    assert {id(parameter): id(own) for parameter, own in optimizer.state.items()} == steps
    return {title: own[1:] for title, own in times.items()}


def main():
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}; median of {ROUNDS} rounds, in ms (quartiles)")
    for count in COUNTS:
        for scheduled in (False, True):
            model, optimizer, scheduler = made(count, scheduled=scheduled)
            under = f"with {len(scheduler.values())} driven values" if scheduler else "alone"
            for title, own in timed(model, optimizer).items():
                low, median, high = statistics.quantiles(own, n=4)
                print(f"{count:>6,}  {title:<14} {under:<22} {median:>7.1f}  ({low:.1f}, {high:.1f})")


if __name__ == "__main__":
    main()

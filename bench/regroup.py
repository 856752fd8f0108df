"""Claim: on 10,000 parameters, `split` takes under 50 ms, with or without a scheduler that follows.

Half of the parameters leave the one group for another, and are merged into it again. Most of the time goes into seeing
the model's parameters by name, which is shown beside. Names and state are checked to have followed, each time.

    python bench/regroup.py
"""

import statistics
import time

import torch

import paramgroups as pg
from paramgroups.params import named

LAYERS, ROUNDS = 5_000, 15


def made(*, scheduled):
    """AdamW over 10,000 parameters that all have state."""
    model = torch.nn.ModuleList(torch.nn.Linear(1, 1) for _ in range(LAYERS))
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


def main():
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}; median of {ROUNDS} rounds, in ms (quartiles)")
    for scheduled in (False, True):
        model, optimizer, scheduler = made(scheduled=scheduled)
        steps = {id(parameter): id(own) for parameter, own in optimizer.state.items()}
        acts = {
            "named(model)": lambda model=model: named(model),
            "split": lambda optimizer=optimizer: pg.regroup.split(optimizer, "*.bias", name="biases"),
            "merge": lambda optimizer=optimizer: pg.regroup.merge(optimizer, "default", "biases"),
        }
        times = {title: [] for title in acts}
        for _ in range(ROUNDS + 1):
            for title, act in acts.items():
                times[title].append(seconds(act) * 1e3)
                if title == "split":
                    assert [len(group["params"]) for group in optimizer.param_groups] == [LAYERS, LAYERS]
                    assert all(name.endswith("bias") for name in pg.view(optimizer)["biases"].parameter_names)
        assert {id(parameter): id(own) for parameter, own in optimizer.state.items()} == steps
        for title, own in times.items():
            low, median, high = statistics.quantiles(own[1:], n=4)
            under = f"with {len(scheduler.values())} driven values" if scheduler else "alone"
            print(f"{title:<14} {under:<22} {median:>7.1f}  ({low:.1f}, {high:.1f})")


if __name__ == "__main__":
    main()

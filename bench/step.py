"""Claim: one step over all groups costs nearly the same in 1, 50 and 300 groups, and less than any of torch's steps.

AdamW and SGD with momentum, float32, 2 threads, against the best of torch's for-loop, foreach and fused, all timed in
the same rounds, each in a process of its own. Parameters are compared after the same steps before anything is timed.
Then the memory that steps add at their peak, and whole training steps of a small network, and of a transformer of 20 M
parameters in 50 groups.

    python bench/step.py             # all of it, some minutes
    python bench/step.py --quick     # the tables alone, fewer rounds
"""

import functools
import itertools
import multiprocessing
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import nn

import paramgroups as pg

QUICK = "--quick" in sys.argv
ROUNDS = 7 if QUICK else 15
LINES = {  # tensors, elements -> groups -> how many times as fast at least, for AdamW and SGD
    (300, 100): {1: (5.0, 4.0), 50: (6.0, 5.0), 300: (9.0, 8.0)},
    (300, 10_000): {1: None, 50: (2.0, 2.0), 300: None},
    (300, 100_000): {1: None, 50: (1.1, 1.1), 300: None},
}
FLAT = {100: 2.5, 10_000: 1.1, 100_000: 1.1}  # elements -> how much longer 300 groups may take than 1
OPTIMIZERS = {"AdamW": {}, "SGD": {"momentum": 0.9}}
BYTES = {"AdamW": 28, "SGD": 20}  # moved for each element: all but the gradient is read and written
TORCHS = {"for-loop": {"foreach": False, "fused": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}


def made(kind, tensors, elements, groups, **options):
    """An optimizer over so many tensors with gradients, after two steps, in which it makes what it keeps."""
    torch.manual_seed(0)
    params = [nn.Parameter(torch.randn(elements)) for _ in range(tensors)]
    for param in params:
        param.grad = torch.randn(elements)
    in_groups = [{"params": params[g::groups], "lr": 1e-3 * (1 + g / groups)} for g in range(groups)]
    optimizer = kind(in_groups, **options)
    optimizer.step()
    optimizer.step()
    return optimizer


def seconds(step, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def rounds_of(sides, repeats, pause=0.0):
    """Every side timed in turn, in so many rounds; the order is turned from round to round."""
    rounds = []
    for turn in range(ROUNDS):
        times = {}
        for index in range(len(sides)):
            place = (index + turn) % len(sides)
            time.sleep(pause)
            times[place] = sides[place](repeats)
        rounds.append([times[index] for index in range(len(sides))])
    return rounds


def serve(connection, package, name, *shape):
    """An optimizer that sends its parameters, and then the seconds that a step takes, as often as it is asked."""
    torch.set_num_threads(2)
    how = {} if package == "ours" else TORCHS[package]
    kind = getattr(pg.optim if package == "ours" else torch.optim, name)
    optimizer = made(kind, *shape, **OPTIMIZERS[name], **how)
    connection.send([group["params"][0].detach().numpy() for group in optimizer.param_groups])
    while (repeats := connection.recv()) is not None:
        connection.send(seconds(optimizer.step, repeats))


class Alone:
    """An optimizer in a process of its own, as a training run has one.

    In one process torch's threads, which spin for a while after each of its steps, would take a core from what is timed
    next, and the tensors of four optimizers would drive each other out of the cache.
    """

    def __init__(self, *what):
        here, there = multiprocessing.get_context("spawn").Pipe()
        self.process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, *what), daemon=True)
        self.process.start()
        self.connection = here

    def __call__(self, repeats):
        self.connection.send(repeats)
        return self.connection.recv()

    def end(self):
        self.connection.send(None)
        self.process.join()


def line(name, tensors, elements, groups, asked):
    """One line of the table."""
    sides = [Alone(package, name, tensors, elements, groups) for package in ("ours", *TORCHS)]
    params = [side.connection.recv() for side in sides]
    for other in params[1:]:
        for own, theirs in zip(params[0], other, strict=True):
            torch.testing.assert_close(torch.from_numpy(own), torch.from_numpy(theirs))
    repeats = max(5, int(0.02 / sides[3](3)))
    rounds = rounds_of(sides, repeats, pause=0.02)
    for side in sides:
        side.end()
    mine, *others = (statistics.median(column) for column in zip(*rounds, strict=True))
    best = min(range(len(others)), key=others.__getitem__)
    low, ratio, high = statistics.quantiles([each[1 + best] / each[0] for each in rounds], n=4)
    rate = f"{tensors * elements * BYTES[name] / mine / 1e9:6.1f}" if elements > 100 else ""
    wanted = f"≥ {asked[list(OPTIMIZERS).index(name)]}×" if asked else ""
    print(
        f"{name:<6}{tensors:>5} × {elements:>7,} {groups:>6} {mine * 1e3:>9.3f} {others[best] * 1e3:>9.3f} "
        f"{list(TORCHS)[best]:>8} {ratio:>6.1f}×  ({low:.1f}, {high:.1f}) {wanted:>8} {rate}",
        flush=True,
    )


def table():
    print(
        f"{'tensors':>21} {'groups':>6} {'ours ms':>9} {'torch ms':>9} {'best':>8} {'ratio':>7}  quartiles, asked, GB/s"
    )
    for name, ((tensors, elements), groups) in itertools.product(OPTIMIZERS, LINES.items()):
        for count, asked in groups.items():
            line(name, tensors, elements, count, asked)
    print("\nours in 300 groups against 1, in the same rounds:")
    for name, (elements, asked) in itertools.product(OPTIMIZERS, FLAT.items()):
        sides = [Alone("ours", name, 300, elements, groups) for groups in (300, 1)]
        for side in sides:
            side.connection.recv()
        rounds = rounds_of(sides, max(5, int(0.02 / sides[0](3))), pause=0.02)
        for side in sides:
            side.end()
        low, ratio, high = statistics.quantiles([many / one for many, one in rounds], n=4)
        print(f"{name:<6}  300 × {elements:>7,}  {ratio:.2f}×  ({low:.2f}, {high:.2f})  (asked: at most {asked}×)")


def peak(kind):
    """By how many MiB a process grows in 20 steps of AdamW, 300 tensors of 100,000 in 50 groups, after three."""
    code = f"import sys; sys.argv = ['']; sys.path.insert(0, 'bench'); import step; step.grow({kind!r})"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def grow(kind):
    torch.set_num_threads(2)
    how = {"ours": (pg.optim.AdamW, {}), "fused": (torch.optim.AdamW, {"fused": True})}[kind]
    optimizer = made(how[0], 300, 100_000, 50, **how[1])
    optimizer.step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        optimizer.step()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def small():
    return nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))


def transformer():
    layers = (nn.TransformerEncoderLayer(512, 8, 2048, dropout=0.0, batch_first=True) for _ in range(6))
    return nn.Sequential(*layers, nn.Linear(512, 1000))


def training_step(build, batch, groups, kind, how):
    """What runs a forward pass, a backward pass and an update; and the model."""
    torch.manual_seed(0)
    model = build()
    params = list(model.parameters())
    optimizer = kind([{"params": params[g::groups]} for g in range(groups)], lr=1e-4, **how)

    def step():
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()

    return step, model


def networks():
    theirs = torch.optim.AdamW
    kinds = {"ours": (pg.optim.AdamW, {}), "torch's fused": (theirs, {"fused": True}), "torch's": (theirs, {})}
    print("\nwhole training steps with AdamW:")
    for title, build, batch, groups, repeats in (
        ("784-100-10, batch 64", small, torch.randn(64, 784), 1, 100),
        ("transformer, 20 M", transformer, torch.randn(2, 32, 512), 50, 1),
    ):
        sides = [training_step(build, batch, groups, *how) for how in kinds.values()]
        for _ in range(3):
            for step, _ in sides:
                step()
        for _, model in sides[1:]:
            torch.testing.assert_close(list(sides[0][1].parameters()), list(model.parameters()), rtol=1e-3, atol=1e-4)
        rounds = rounds_of([functools.partial(seconds, step) for step, _ in sides], repeats)
        mine = statistics.median(each[0] for each in rounds) * 1e3
        for index, name in enumerate(kinds):
            if index:
                low, ratio, high = statistics.quantiles([each[index] / each[0] for each in rounds], n=4)
                other = statistics.median(each[index] for each in rounds) * 1e3
                print(f"{title:<22} ours {mine:8.2f} ms, {name} {other:8.2f} ms: {ratio:.2f}×  ({low:.2f}, {high:.2f})")


def main():
    torch.set_num_threads(2)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; median of {ROUNDS} rounds")
    table()
    if not QUICK:
        print(f"\nmemory that 20 steps add: ours {peak('ours'):.2f} MiB, torch's fused {peak('fused'):.2f} MiB")
        networks()


if __name__ == "__main__":
    main()

"""Claim: one step over all groups costs nearly the same in 1, 50 and 300 groups, and less than any of torch's steps.

AdamW and SGD with momentum, float32, 2 threads, against the best of torch's for-loop, foreach and fused, each measured in
the same pairs; parameters are compared after the same steps before anything is timed. Then the extra memory of a step at
its peak, and whole training steps of a small network and of a transformer of 20 M parameters in 50 groups.

    python bench/step.py             # all of it, some minutes
    python bench/step.py --quick     # the first table alone, fewer rounds
"""

import itertools
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import nn

import paramgroups as pg

QUICK = "--quick" in sys.argv
PAIRS = 7 if QUICK else 15
LINES = {  # tensors, elements -> groups -> how many times as fast at least (AdamW, SGD)
    (300, 100): {1: (5.0, 4.0), 50: (6.0, 5.0), 300: (9.0, 8.0)},
    (300, 10_000): {1: (None, None), 50: (2.0, 2.0), 300: (None, None)},
    (300, 100_000): {1: (None, None), 50: (1.1, 1.1), 300: (None, None)},
}
OPTIMIZERS = {"AdamW": {}, "SGD": {"momentum": 0.9}}
BYTES = {"AdamW": 28, "SGD": 20}  # moved for each element: all but the gradient is read and written
TORCHS = ({"foreach": False, "fused": False}, {"foreach": True}, {"fused": True})


def made(kind, tensors, elements, groups, **options):
    """An optimizer over so many tensors with gradients, after two steps, in which it makes what it keeps."""
    torch.manual_seed(0)
    params = [nn.Parameter(torch.randn(elements)) for _ in range(tensors)]
    for param in params:
        param.grad = torch.randn(elements)
    optimizer = kind([{"params": params[index::groups], "lr": 1e-3 * (1 + index / groups)} for index in range(groups)], **options)
    optimizer.step()
    optimizer.step()
    return optimizer


def seconds(step, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def table():
    print(f"{'':<8}{'tensors':>16} {'groups':>6} {'ours ms':>9} {'torch ms':>9} {'best':>8} {'ratio':>7}  quartiles     asked   GB/s")
    alone = {}
    for (name, options), ((tensors, elements), lines) in itertools.product(OPTIMIZERS.items(), LINES.items()):
        for groups, asked in lines.items():
            ours = made(getattr(pg.optim, name), tensors, elements, groups, **options)
            theirs = [made(getattr(torch.optim, name), tensors, elements, groups, **options, **how) for how in TORCHS]
            for own, other in zip(ours.param_groups, theirs[0].param_groups, strict=True):
                torch.testing.assert_close(own["params"], other["params"])
            sides = [ours.step, *(other.step for other in theirs)]
            repeats = max(1, int(0.02 / seconds(theirs[2].step, 3)))
            rounds = [[seconds(step, repeats) for step in sides] for _ in range(PAIRS)]
            mine, *others = (statistics.median(column) for column in zip(*rounds, strict=True))
            best = min(range(3), key=others.__getitem__)
            low, ratio, high = statistics.quantiles([each[1 + best] / each[0] for each in rounds], n=4)
            wanted = asked[list(OPTIMIZERS).index(name)]
            rate = f"{tensors * elements * BYTES[name] / mine / 1e9:6.1f}" if elements > 1000 else ""
            print(
                f"{name:<8}{tensors:>5} × {elements:>8,} {groups:>6} {mine * 1e3:>9.3f} {others[best] * 1e3:>9.3f} "
                f"{('for-loop', 'foreach', 'fused')[best]:>8} {ratio:>6.1f}×  ({low:.1f}, {high:.1f})"
                f"{f'≥ {wanted}×' if wanted else '':>10} {rate}",
                flush=True,
            )
            alone[name, elements, groups] = mine
    print()
    for name, elements in itertools.product(OPTIMIZERS, (100, 10_000, 100_000)):
        ratio = alone[name, elements, 300] / alone[name, elements, 1]
        print(f"{name}: ours in 300 groups against 1, 300 × {elements:,}: {ratio:.2f}× (asked ≤ {2.5 if elements == 100 else 1.1}×)")


def peak(kind):
    """How far the process's memory grows in 20 steps of 300 tensors of 100,000, after those that make state. In MiB."""
    code = f"import sys; sys.argv = ['']; sys.path.insert(0, 'bench'); import step; step.grow({kind!r})"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def grow(kind):
    optimizer = made(pg.optim.AdamW, 300, 100_000, 50) if kind == "ours" else made(torch.optim.AdamW, 300, 100_000, 50, fused=True)
    optimizer.step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        optimizer.step()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def networks():
    """A whole training step: forward, backward, update."""
    small = lambda: nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10)), torch.randn(64, 784), 1  # noqa: E731
    layer = lambda: nn.TransformerEncoderLayer(512, 8, 2048, dropout=0.0, batch_first=True)  # noqa: E731
    large = lambda: nn.Sequential(*(layer() for _ in range(6)), nn.Linear(512, 1000)), torch.randn(2, 32, 512), 50  # noqa: E731
    for title, (build, batch, groups) in {"784-100-10, batch 64": small, "transformer, 20 M": large}.items():
        sides = []
        for kind, how in ((pg.optim.AdamW, {}), (torch.optim.AdamW, {"fused": True}), (torch.optim.AdamW, {})):
            torch.manual_seed(0)
            model = build()
            params = list(model.parameters())
            optimizer = kind([{"params": params[index::groups]} for index in range(min(groups, len(params)))], lr=1e-4, **how)

            def step(model=model, optimizer=optimizer):
                optimizer.zero_grad()
                model(batch).square().mean().backward()
                optimizer.step()

            for _ in range(3):
                step()
            sides.append((step, model))
        for _, model in sides[1:]:
            torch.testing.assert_close(list(sides[0][1].parameters()), list(model.parameters()), rtol=1e-3, atol=1e-4)
        repeats = 100 if groups == 1 else 1
        rounds = [[seconds(step, repeats) for step, _ in sides] for _ in range(PAIRS)]
        for index, name in ((1, "fused"), (2, "default")):
            low, ratio, high = statistics.quantiles([each[index] / each[0] for each in rounds], n=4)
            mine, other = (statistics.median(each[side] for each in rounds) * 1e3 for side in (0, index))
            print(f"{title:<22} ours {mine:8.2f} ms, torch's {name} {other:8.2f} ms: {ratio:.2f}× ({low:.2f}, {high:.2f})", flush=True)


def main():
    torch.set_num_threads(2)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; median of {PAIRS} rounds")
    table()
    if not QUICK:
        print(f"\nmemory at its peak, grown in 20 steps: ours {peak('ours'):.2f} MiB, torch's fused {peak('fused'):.2f} MiB\n")
        networks()


if __name__ == "__main__":
    main()

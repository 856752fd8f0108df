"""The values of Dive into Deep Learning's schedulers, from formulas written here.

The classes are printed in the book and are in no package (d2l 1.0.3 has none of them), so there is nothing to install:
these are the book's formulas once more, each as a loop over the epochs with what it remembers, as the book has it.

    python -m tools.goldens.d2l
"""

import math

from hypothesis import strategies as st

from tools.goldens import tables


def square_root(epochs, lr=0.1):
    for epoch in range(epochs):
        yield lr / math.sqrt(epoch + 1.0)


def factor(epochs, factor=1, stop_factor_lr=1e-7, base_lr=0.1):
    lr = base_lr
    for _ in range(epochs):
        lr = max(stop_factor_lr, lr * factor)
        yield lr


def multi_factor(epochs, step, factor, base_lr):
    lr = base_lr
    for epoch in range(epochs):
        if epoch in step:
            lr *= factor
        yield lr


def cosine(epochs, *, max_update, base_lr=0.01, final_lr=0, warmup_steps=0, warmup_begin_lr=0):
    lr = base_lr
    for epoch in range(epochs):
        if epoch < warmup_steps:
            yield warmup_begin_lr + (base_lr - warmup_begin_lr) * epoch / warmup_steps
            continue
        if epoch <= max_update:
            angle = math.pi * (epoch - warmup_steps) / (max_update - warmup_steps)
            lr = final_lr + (base_lr - final_lr) * (1.0 + math.cos(angle)) / 2.0
        yield lr


SCHEDULERS = {
    "SquareRootScheduler": square_root,
    "FactorScheduler": factor,
    "MultiFactorScheduler": multi_factor,
    "CosineScheduler": cosine,
}

lrs = tables.numbers(1e-4, 2.0)
floors = tables.numbers(1e-7, 1e-2)


@st.composite
def cosines(draw):
    steps = draw(st.integers(1, 60))
    optional = {
        "base_lr": lrs,
        "final_lr": st.just(0) | floors,
        "warmup_steps": st.integers(0, steps - 1),
        "warmup_begin_lr": st.just(0) | floors,
    }
    return draw(tables.arguments({"max_update": st.just(steps)}, **optional))


DRAWN = {
    "SquareRootScheduler": (8, tables.arguments(lr=lrs)),
    "FactorScheduler": (
        12,
        tables.arguments(factor=tables.numbers(0.5, 1.0), stop_factor_lr=floors, base_lr=lrs),
    ),
    "MultiFactorScheduler": (
        12,
        tables.arguments(
            {
                "step": st.lists(st.integers(0, 50), max_size=5),
                "factor": tables.numbers(0.05, 1.0),
                "base_lr": lrs,
            }
        ),
    ),
    "CosineScheduler": (14, cosines()),
}
EDGES = [  # those of the book, and what it does not say
    ("SquareRootScheduler", {"lr": 0.1}),
    ("FactorScheduler", {"factor": 0.9, "stop_factor_lr": 1e-2, "base_lr": 2.0}),
    ("FactorScheduler", {"factor": 0.5, "stop_factor_lr": 0.5, "base_lr": 0.1}),
    ("FactorScheduler", {"factor": 0}),
    ("MultiFactorScheduler", {"step": [15, 30], "factor": 0.5, "base_lr": 0.5}),
    ("MultiFactorScheduler", {"step": [30, 0, 15, 15], "factor": 0.5, "base_lr": 0.5}),
    ("MultiFactorScheduler", {"step": [3], "factor": 0, "base_lr": 0.5}),
    ("CosineScheduler", {"max_update": 20, "base_lr": 0.3, "final_lr": 0.01}),
    ("CosineScheduler", {"max_update": 20, "warmup_steps": 5, "base_lr": 0.3, "final_lr": 0.01}),
    ("CosineScheduler", {"max_update": 20, "warmup_steps": 19, "base_lr": 0.3, "final_lr": 0.5}),
    ("CosineScheduler", {"max_update": 1}),
]


def case(call, arguments):
    steps = arguments.get("max_update", 50)
    values = SCHEDULERS[call](tables.beyond(steps), **arguments)
    return {"call": call, "arguments": arguments, "base": 0.1, "values": list(map(float, values))}


def main():
    drawn = [
        (call, arguments) for call, (count, options) in DRAWN.items() for arguments in tables.drawn(options, count)
    ]
    tables.write("d2l", [], [case(*each) for each in [*EDGES, *drawn]], book="section 12.11, its formulas")


if __name__ == "__main__":
    main()

"""DeepSpeed's lr or momentum of a group, as the constructor sets it and after each `step()`.

python -m venv /some/where && /some/where/bin/pip install torch==2.13.0 hypothesis
/some/where/bin/pip install packaging psutil tqdm einops msgpack ninja py-cpuinfo pydantic hjson
/some/where/bin/pip install --no-deps deepspeed==0.19.8
/some/where/bin/python -m tools.goldens.deepspeed

`drives` is not DeepSpeed's own: it says whether the values are those of lr or of the first of the betas.
"""

import torch
from deepspeed.runtime import lr_schedules
from hypothesis import strategies as st

from tools.goldens.tables import arguments, beyond, drawn, numbers, stepped, write

bases = numbers(1e-4, 1.0)
lows, highs = st.just(0.0) | numbers(1e-6, 1e-2), numbers(1e-2, 1.0)
ratios = st.just(0.0) | numbers(1e-4, 0.9)
rates = st.just(0.0) | numbers(0.01, 3.0)
warmup = {"warmup_num_steps": st.integers(1, 30)}
ways = st.sampled_from(["log", "linear"])
cycle = {
    "cycle_min_lr": numbers(1e-6, 1e-2),
    "cycle_max_lr": highs,
    "cycle_first_step_size": st.integers(1, 30),
}
shape = {
    "cycle_second_step_size": st.integers(0, 30),
    "cycle_first_stair_count": st.integers(0, 8),
    "cycle_second_stair_count": st.integers(0, 8),
    "decay_step_size": st.integers(0, 9),
    "decay_lr_rate": rates,
}
momentum = {"drives": st.just("momentum"), "decay_mom_rate": rates}
DRAWN = {
    "LRRangeTest": (
        15,
        arguments(
            {"lr_range_test_min_lr": bases, "lr_range_test_step_size": st.integers(1, 40)},
            lr_range_test_step_rate=numbers(0.01, 10.0),
            lr_range_test_staircase=st.booleans(),
        ),
    ),
    "OneCycle": (
        30,
        arguments(cycle, **shape)
        | arguments({**cycle, **momentum}, **shape, cycle_min_mom=numbers(0.5, 0.8), cycle_max_mom=numbers(0.8, 0.99)),
    ),
    "WarmupLR": (15, arguments(warmup, warmup_min_lr=lows, warmup_max_lr=highs, warmup_type=ways)),
    "WarmupDecayLR": (
        20,
        arguments(
            {**warmup, "total_num_steps": st.integers(5, 60)}, warmup_min_lr=lows, warmup_max_lr=highs, warmup_type=ways
        ),
    ),
    "WarmupCosineLR": (
        20,
        arguments(
            {**warmup, "total_num_steps": st.integers(5, 60)},
            warmup_min_ratio=ratios,
            cos_min_ratio=ratios,
            warmup_type=ways,
        ),
    ),
}
EDGES = [
    ("LRRangeTest", {}),
    ("OneCycle", {"cycle_min_lr": 0.1, "cycle_max_lr": 0.5, "cycle_first_step_size": 7, "decay_lr_rate": 0.5}),
    (
        "OneCycle",
        {
            "cycle_min_lr": 0.1,
            "cycle_max_lr": 0.5,
            "cycle_first_step_size": 6,
            "cycle_second_step_size": 0,
            "cycle_second_stair_count": 3,
            "decay_lr_rate": 0.5,
            "decay_step_size": 2,
        },
    ),
    *(
        (
            "OneCycle",
            {
                "cycle_min_lr": 0.1,
                "cycle_max_lr": 0.5,
                "cycle_first_step_size": first,
                "cycle_second_step_size": second,
                "cycle_first_stair_count": stairs,
            },
        )
        for first, second, stairs in ((7, 11, 3), (3, 10, 5), (10, 3, 4))
    ),
    *(
        (
            "OneCycle",
            {
                "cycle_min_lr": 0.1,
                "cycle_max_lr": 0.5,
                "cycle_first_step_size": 7,
                "cycle_second_step_size": 12,
                "decay_step_size": 3,
                "decay_lr_rate": 0.5,
                "decay_mom_rate": 0.01,
                **driven,
            },
        )
        for driven in ({}, {"drives": "momentum"})
    ),
    ("WarmupLR", {"warmup_num_steps": 1}),
    ("WarmupLR", {"warmup_num_steps": 2, "warmup_type": "linear"}),
    ("WarmupDecayLR", {"total_num_steps": 10, "warmup_num_steps": 20}),
    ("WarmupDecayLR", {"total_num_steps": 10, "warmup_num_steps": 10, "warmup_max_lr": None}),
    ("WarmupCosineLR", {"total_num_steps": 10, "warmup_num_steps": 20}),
    ("WarmupCosineLR", {"total_num_steps": 10, "warmup_num_steps": 2, "warmup_min_ratio": 0.5}),
]


def case(name, given, base):
    passed = dict(given)
    driven = passed.pop("drives", "lr")
    optimizer = torch.optim.Adam([torch.zeros(1)], lr=base)
    scheduler = getattr(lr_schedules, name)(optimizer, **passed)
    group = optimizer.param_groups[0]

    def value_at(step):
        if step:
            scheduler.step()
        return group["lr"] if driven == "lr" else group["betas"][0]

    first = given.get("cycle_first_step_size", 0)
    steps = given.get("total_num_steps", first + given.get("cycle_second_step_size", first))
    return {"call": name, "arguments": given, "base": base, **stepped(beyond(max(steps, 40)), value_at)}


CASES = [
    (name, given, base)
    for name, (count, strategy) in DRAWN.items()
    for given, base in drawn(st.tuples(strategy, bases), count)
]
write("deepspeed", ["deepspeed", "torch"], [case(*each) for each in [*CASES, *((*edge, 0.5) for edge in EDGES)]])

"""transformers' schedules: the lr of a group after each `step()`.

python -m venv /some/where && /some/where/bin/pip install torch==2.13.0 transformers==5.24.0 hypothesis
/some/where/bin/python -m tools.goldens.transformers

An argument `lr` is not transformers' own: it is the default lr of the optimizer, which transformers reads from it.
Where it is not given, the group's own lr is that default.
"""

import torch
from hypothesis import strategies as st
from transformers import optimization

from tools.goldens.tables import arguments, beyond, drawn, numbers, stepped, write

LONGEST = 60
bases = numbers(1e-4, 1.0)
warmup = {"num_warmup_steps": st.integers(0, 15)}
run = {**warmup, "num_training_steps": st.integers(16, LONGEST)}
waves = st.sampled_from([0.5, 1.0, 1.5, 2.5, 0.75]) | numbers(0.1, 4.0)
rates = st.just(0.0) | numbers(0.001, 1.0)
floors = st.fixed_dictionaries({"min_lr_rate": rates}) | st.fixed_dictionaries(
    {"min_lr": numbers(1e-6, 1e-3), "lr": bases}
)
ways = st.sampled_from(["linear", "cosine", "1-sqrt"])
wsd = {**warmup, "num_decay_steps": st.integers(0, 20)}
wsd_options = {"warmup_type": ways, "decay_type": ways, "min_lr_ratio": rates, "num_cycles": waves}


def floored(**optional):
    """A run between the base and a floor, which is given one way or the other."""
    return st.tuples(arguments(run, num_cycles=waves, **optional), floors).map(lambda both: {**both[0], **both[1]})


DRAWN = {
    "get_constant_schedule": (1, arguments()),
    "get_constant_schedule_with_warmup": (3, arguments(warmup)),
    "get_linear_schedule_with_warmup": (6, arguments(run)),
    "get_cosine_schedule_with_warmup": (10, arguments(run, num_cycles=waves)),
    "get_cosine_with_hard_restarts_schedule_with_warmup": (
        14,
        arguments(run, num_cycles=st.integers(1, 12) | numbers(0.3, 6.0)),
    ),
    "get_polynomial_decay_schedule_with_warmup": (
        12,
        arguments(run, lr_end=st.just(0.0) | numbers(1e-8, 1e-5), power=numbers(0.25, 4.0), lr=bases),
    ),
    "get_inverse_sqrt_schedule": (6, arguments(warmup, timescale=st.integers(1, 50))),
    "get_cosine_with_min_lr_schedule_with_warmup": (10, floored()),
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate": (12, floored(warmup_lr_rate=rates)),
    "get_wsd_schedule": (
        16,
        arguments({**wsd, "num_training_steps": st.integers(1, LONGEST)}, **wsd_options)
        | arguments({**wsd, "num_stable_steps": st.integers(0, 20)}, **wsd_options),
    ),
}
NAMED = {
    "constant": {},
    "constant_with_warmup": {"num_warmup_steps": 4},
    "linear": {"num_warmup_steps": 4, "num_training_steps": 30},
    "cosine": {"num_warmup_steps": 4, "num_training_steps": 30, "scheduler_specific_kwargs": {"num_cycles": 1.25}},
    "cosine_with_restarts": {
        "num_warmup_steps": 4,
        "num_training_steps": 30,
        "scheduler_specific_kwargs": {"num_cycles": 3},
    },
    "polynomial": {
        "num_warmup_steps": 4,
        "num_training_steps": 30,
        "scheduler_specific_kwargs": {"power": 2.0, "lr_end": 1e-3, "lr": 0.2},
    },
    "inverse_sqrt": {"num_warmup_steps": 4, "scheduler_specific_kwargs": {"timescale": 9}},
    "cosine_with_min_lr": {
        "num_warmup_steps": 4,
        "num_training_steps": 30,
        "scheduler_specific_kwargs": {"min_lr": 1e-3, "lr": 0.2},
    },
    "cosine_warmup_with_min_lr": {
        "num_warmup_steps": 4,
        "num_training_steps": 30,
        "scheduler_specific_kwargs": {"min_lr_rate": 0.1, "warmup_lr_rate": 0.2},
    },
    "warmup_stable_decay": {
        "num_warmup_steps": 4,
        "num_training_steps": 30,
        "scheduler_specific_kwargs": {"num_decay_steps": 8},
    },
}
EDGES = [
    ("get_linear_schedule_with_warmup", {"num_warmup_steps": 0, "num_training_steps": 10}),
    ("get_linear_schedule_with_warmup", {"num_warmup_steps": 10, "num_training_steps": 10}),
    ("get_linear_schedule_with_warmup", {"num_warmup_steps": 10, "num_training_steps": 4}),
    ("get_cosine_schedule_with_warmup", {"num_warmup_steps": 10, "num_training_steps": 4}),
    ("get_cosine_with_hard_restarts_schedule_with_warmup", {"num_warmup_steps": 10, "num_training_steps": 4}),
    *(  # where the product falls short of a whole number
        (
            "get_cosine_with_hard_restarts_schedule_with_warmup",
            {"num_warmup_steps": 0, "num_training_steps": steps, "num_cycles": cycles},
        )
        for steps, cycles in ((49, 49), (55, 11), (98, 14))
    ),
    ("get_polynomial_decay_schedule_with_warmup", {"num_warmup_steps": 10, "num_training_steps": 4}),
    ("get_inverse_sqrt_schedule", {"num_warmup_steps": 0}),  # 10,000
    *(
        (
            "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
            {"num_warmup_steps": steps, "num_training_steps": 10, "min_lr_rate": 0.1, **rate},
        )
        for steps in (0, 1)
        for rate in ({}, {"warmup_lr_rate": 0.3})
    ),
    (  # no room: the decay starts in its middle
        "get_wsd_schedule",
        {"num_warmup_steps": 6, "num_decay_steps": 10, "num_training_steps": 12, "decay_type": "linear"},
    ),
    ("get_wsd_schedule", {"num_warmup_steps": 6, "num_decay_steps": 4, "num_training_steps": 1}),  # nor for itself
]


def case(number, name, given):
    own = dict(given.get("scheduler_specific_kwargs", given))
    base = 0.1 * 10 ** -(number % 4)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=base)
    optimizer.defaults["lr"] = own.pop("lr", base)
    passed = {**given, "scheduler_specific_kwargs": own} if "scheduler_specific_kwargs" in given else own
    if name == "get_scheduler":
        passed = {"name": passed["name"], "optimizer": optimizer, **passed}
        scheduler = optimization.get_scheduler(**passed)
    else:
        scheduler = getattr(optimization, name)(optimizer, **passed)

    def value_at(step):
        if step:
            optimizer.step()
            scheduler.step()
        return optimizer.param_groups[0]["lr"]

    steps = given.get("num_training_steps") or sum(value for key, value in given.items() if key.endswith("_steps"))
    return {"call": name, "arguments": given, "base": base, **stepped(beyond(max(steps, 10)), value_at)}


CASES = [
    *((name, given) for name, (count, strategy) in DRAWN.items() for given in drawn(strategy, count)),
    *EDGES,
    *(("get_scheduler", {"name": name, **given}) for name, given in NAMED.items()),
]
write("transformers", ["transformers", "torch"], [case(number, *made) for number, made in enumerate(CASES)])

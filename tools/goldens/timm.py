"""timm's schedulers: the lr of a group as the constructor sets it, and then after `step(t)` for t = 1, 2, ...

python -m venv /some/where && /some/where/bin/pip install torch==2.13.0 hypothesis
/some/where/bin/pip install --no-deps timm==1.0.31
/some/where/bin/python -m tools.goldens.timm

timm's own `__init__` is not run, for it imports torchvision, which has no build for a CPU alone; `timm.scheduler` is,
and needs nothing else.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch
from hypothesis import strategies as st

from tests.goldens import decoded
from tools.goldens.tables import arguments, beyond, drawn, numbers, stepped, write

package = ModuleType("timm")
package.__path__ = find_spec("timm").submodule_search_locations
sys.modules["timm"] = package
scheduler = import_module("timm.scheduler")

RUN, LONG = 50, 105  # the cycles that are misplaced are late
bases = numbers(1e-3, 1.0)
floors = st.just(0.0) | numbers(1e-6, 1e-3)
lengths = st.integers(2, 40)
warmup = {"warmup_t": st.integers(0, 12), "warmup_lr_init": floors, "warmup_prefix": st.booleans()}
noise_range = st.integers(0, 20) | st.tuples(st.integers(0, 10), st.integers(11, 40)).map(list)
noise = {
    "noise_pct": numbers(0.05, 0.9),
    "noise_std": numbers(0.1, 2.0),
    "noise_seed": st.integers(0, 2**32 - 1),
}
cycles = {
    "cycle_mul": st.sampled_from([1.0, 1.5, 2.0, 3.0, 1.1]),
    "cycle_decay": st.sampled_from([1.0, 0.5, 0.1, 0.9, 1.25]),
    "cycle_limit": st.integers(1, 6),
}
k_decay = {"k_decay": st.sampled_from([1.0, 0.5, 1.5, 2.0])}


def own(required, **optional):
    """Sets of arguments, half of them with noise."""
    quiet = arguments(required, **warmup, **optional)
    noisy = arguments({**required, "noise_range_t": noise_range}, **warmup, **optional, **noise)
    return quiet | noisy


wsd = st.integers(2, 40).flatmap(
    lambda steps: arguments(
        {"t_initial": st.just(steps), "decay_t": st.integers(1, steps), "warmup_t": st.integers(1, 12)},
        lr_min=floors,
        stable_fn=st.sampled_from(["constant", "rsqrt", "power"]),
        stable_timescale=st.integers(1, 30) | numbers(0.5, 30.0),
        stable_power=numbers(0.2, 2.0),
        decay_fn=st.sampled_from(["linear", "1-sqrt", "cosine", "power", "exp"]),
        decay_power=numbers(0.25, 3.0),
        decay_ratio=numbers(0.01, 0.9),
        warmup_lr_init=floors,
    )
)
created = arguments(
    {
        "sched": st.sampled_from(["cosine", "tanh", "poly", "step", "constant", "multistep", "wsd", "rsqrt"]),
        "warmup_epochs": st.integers(1, 6),  # for rsqrt, which takes its timescale from it
    },
    num_epochs=st.integers(20, 40),
    decay_milestones=st.lists(st.integers(1, 40), max_size=3).map(sorted),
    decay_rate=numbers(0.1, 0.9),
    min_lr=floors,
    warmup_lr=floors,
    warmup_prefix=st.booleans(),
    noise=numbers(0.1, 0.9),
    cycle_mul=st.sampled_from([1.0, 2.0]),
    cycle_decay=st.sampled_from([1.0, 0.5]),
    cycle_limit=st.integers(1, 3),
    k_decay=st.sampled_from([1.0, 2.0]),
)
DRAWN = {
    "CosineLRScheduler": (30, own({"t_initial": lengths}, lr_min=floors, **cycles, **k_decay)),
    "TanhLRScheduler": (
        24,
        own({"t_initial": lengths}, lr_min=floors, lb=numbers(-8.0, -1.0), ub=numbers(1.0, 4.0), **cycles),
    ),
    "PolyLRScheduler": (24, own({"t_initial": lengths}, lr_min=floors, power=numbers(0.25, 3.0), **cycles, **k_decay)),
    "StepLRScheduler": (
        16,
        own({"decay_t": st.integers(1, 20) | numbers(0.3, 9.0), "decay_rate": numbers(0.1, 1.2)}),
    ),
    "MultiStepLRScheduler": (
        16,
        own({"decay_t": st.lists(st.integers(0, 40), max_size=4).map(sorted), "decay_rate": numbers(0.1, 1.2)}),
    ),
    "WSDLRScheduler": (30, wsd),
    "create_scheduler_v2": (30, created),
}
EDGES = [
    *(("CosineLRScheduler", {"t_initial": 10, "warmup_t": 3, "warmup_prefix": prefix}) for prefix in (False, True)),
    ("CosineLRScheduler", {"t_initial": 10, "warmup_t": 15}),  # nothing left of it
    ("CosineLRScheduler", {"t_initial": 10, "cycle_limit": 0}),
    ("CosineLRScheduler", {"t_initial": 10, "noise_range_t": 0, "noise_seed": None}),  # no noise at 0
    *(  # where the logarithm is a step late
        (name, {"t_initial": first, "cycle_mul": ratio, "cycle_limit": 6, "cycle_decay": 0.9})
        for name in ("CosineLRScheduler", "TanhLRScheduler", "PolyLRScheduler")
        for first, ratio in ((1, 3.0), (16, 1.25), (25, 1.2))
    ),
    ("TanhLRScheduler", {"t_initial": 10}),
    ("TanhLRScheduler", {"t_initial": 10, "lr_min": 0.01, "warmup_t": 3, "warmup_lr_init": 0.001}),
    ("TanhLRScheduler", {"t_initial": 10, "lr_min": 0.01, "warmup_t": 12}),
    ("PolyLRScheduler", {"t_initial": 10}),
    ("MultiStepLRScheduler", {"decay_t": [0, 1, 5, 5], "decay_rate": 0.5}),
    ("MultiStepLRScheduler", {"decay_t": [1, 5], "decay_rate": 0.5, "warmup_t": 3}),
    ("MultiStepLRScheduler", {"decay_t": [1, 5], "decay_rate": 0.5, "warmup_t": 3, "warmup_prefix": False}),
    ("WSDLRScheduler", {"t_initial": 20, "decay_t": 5}),
    ("WSDLRScheduler", {"t_initial": 20, "decay_t": 20, "lr_min": 2.0}),  # above the base
    ("WSDLRScheduler", {"t_initial": 20, "decay_t": 8, "stable_fn": "rsqrt", "stable_timescale": 2, "lr_min": 0.3}),
    ("WSDLRScheduler", {"t_initial": 20, "decay_t": 8, "decay_fn": {"function": "(1 - step) ** 3"}}),
    ("create_scheduler_v2", {"sched": "cosine", "num_epochs": 12, "step_on_epochs": False, "updates_per_epoch": 4}),
    ("create_scheduler_v2", {"sched": "step", "num_epochs": 10, "decay_epochs": 2.4, "decay_rate": 0.5}),
    (
        "create_scheduler_v2",
        {
            "sched": "rsqrt",
            "num_epochs": 12,
            "warmup_epochs": 2,
            "stable_timescale": 1.5,
            "decay_epochs": 3,
            "step_on_epochs": False,
            "updates_per_epoch": 4,
            "noise": [0.5, 0.75],
        },
    ),
    (
        "create_scheduler_v2",
        {"sched": "multistep", "decay_milestones": [2, 4], "step_on_epochs": False, "updates_per_epoch": 5},
    ),
]


def case(name, given, base):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=base)
    passed = decoded(given, None)
    made = getattr(scheduler, name, None) or getattr(scheduler.scheduler_factory, name)
    made = made(optimizer, **passed)
    stepper = made[0] if isinstance(made, tuple) else made

    def value_at(t):
        if t:
            (stepper.step if stepper.t_in_epochs else stepper.step_update)(t)
        return optimizer.param_groups[0]["lr"]

    return {
        "call": name,
        "arguments": given,
        "base": base,
        **stepped(beyond(LONG if "cycle_mul" in given else RUN), value_at),
    }


CASES = [
    (name, given, base)
    for name, (count, strategy) in DRAWN.items()
    for given, base in drawn(st.tuples(strategy, bases), count)
]
write("timm", ["timm", "torch"], [case(*made) for made in CASES + [(*edge, 0.5) for edge in EDGES]])

"""torchtitan's learning rate of a group at each step.

python -m venv /some/where && /some/where/bin/pip install torch==2.13.0 hypothesis tyro spmd_types
/some/where/bin/pip install --no-deps torchtitan==0.3.0
/some/where/bin/python -m tools.goldens.torchtitan

`training_steps` is what the trainer hands to `build`; the other arguments are the config's.
"""

import torch
from hypothesis import strategies as st
from torchtitan.components.optimizer.lr_scheduler import LRSchedulersContainer

from tools.goldens.tables import arguments, beyond, drawn, numbers, stepped, write

bases = numbers(1e-4, 1.0)
options = arguments(
    {"training_steps": st.integers(5, 70), "warmup_steps": st.integers(0, 30)},
    total_steps=st.integers(5, 70),
    decay_ratio=st.just(0.0) | st.floats(0.05, 1.2).map(lambda ratio: round(ratio, 2)),
    decay_type=st.sampled_from(["linear", "sqrt", "cosine"]),
    min_lr_factor=st.just(0.0) | numbers(0.001, 1.0),
)
EDGES = [
    {"training_steps": 10, "warmup_steps": 2, "decay_ratio": 0.5},
    {"training_steps": 10, "warmup_steps": 0},
    {"training_steps": 10, "warmup_steps": 10},
    {"training_steps": 10, "warmup_steps": 30},
    {"training_steps": 10},  # 200, of which 10 are left
    {"training_steps": 10, "warmup_steps": 1, "decay_ratio": 0.25},  # round(2.5) is 2
    {"training_steps": 14, "warmup_steps": 1, "decay_ratio": 0.25},  # round(3.5) is 4
    {"training_steps": 10, "warmup_steps": 4, "decay_ratio": 1.0, "decay_type": "cosine", "min_lr_factor": 0.1},
]


def case(given, base):
    passed = dict(given)
    steps = passed.pop("training_steps")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=base)
    scheduler = LRSchedulersContainer.Config(**passed).build(optimizers=[optimizer], training_steps=steps)

    def value_at(step):
        if step:
            optimizer.step()
            try:
                scheduler.step()
            except AssertionError as error:
                raise ValueError(f"AssertionError: {error}") from error
        return optimizer.param_groups[0]["lr"]

    return {
        "call": "LRSchedulersContainer",
        "arguments": given,
        "base": base,
        **stepped(beyond(given.get("total_steps", steps)), value_at),
    }


DRAWN = drawn(st.tuples(options, bases), 60)
write("torchtitan", ["torchtitan", "torch"], [case(*each) for each in [*DRAWN, *((edge, 0.3) for edge in EDGES)]])

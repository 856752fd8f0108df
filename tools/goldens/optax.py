"""optax's schedules, in float64.

python -m venv /some/where && /some/where/bin/pip install optax==0.2.8 hypothesis
/some/where/bin/python -m tools.goldens.optax
"""

import jax
import jax.numpy as jnp
import optax
from hypothesis import strategies as st

from tests.goldens import decoded
from tools.goldens.tables import arguments, beyond, drawn, numbers, stepped, write

jax.config.update("jax_enable_x64", True)

values = st.just(0.0) | numbers(1e-5, 1.0)
peaks = numbers(1e-5, 1.0)
steps = st.integers(1, 60)
few = st.integers(0, 12)
scales = st.just(0.0) | numbers(0.05, 3.0)
mappings = st.dictionaries(st.integers(0, 70), scales, max_size=4).map(lambda drawn: {"mapping": [*drawn.items()]})
linear = {"init_value": values, "end_value": values, "transition_steps": steps}
decays = {"transition_steps": st.integers(1, 20), "decay_rate": numbers(0.1, 1.5)}
decay_options = {"transition_begin": few, "staircase": st.booleans(), "end_value": numbers(1e-5, 2.0)}
warmup = {"init_value": values, "peak_value": peaks, "warmup_steps": few}
cosine = {**warmup, "decay_steps": st.integers(13, 70)}
cosine_options = {"end_value": values, "exponent": numbers(0.25, 4.0)}
cycle_length = {**cosine, "decay_steps": st.integers(13, 25)}
shares = st.floats(0.0, 1.0).map(lambda share: round(share, 2))


def call(name, made):
    return made.map(lambda drawn: {"call": name, "arguments": drawn})


inner = st.one_of(
    call("linear_schedule", arguments(linear, transition_begin=few)),
    call("constant_schedule", arguments({"value": values})),
    call("exponential_decay", arguments({"init_value": peaks, **decays}, staircase=st.booleans())),
    call("cosine_decay_schedule", arguments({"init_value": peaks, "decay_steps": steps})),
)
joined = st.lists(st.integers(0, 60), min_size=1, max_size=3).flatmap(
    lambda moments: st.lists(inner, min_size=len(moments) + 1, max_size=len(moments) + 1).map(
        lambda parts: {"schedules": parts, "boundaries": sorted(moments)}
    )
)
DRAWN = {
    "constant_schedule": (2, arguments({"value": values})),
    "linear_schedule": (8, arguments(linear, transition_begin=few)),
    "polynomial_schedule": (8, arguments({**linear, "power": numbers(0.25, 4.0)}, transition_begin=few)),
    "exponential_decay": (12, arguments({"init_value": peaks, **decays}, **decay_options)),
    "cosine_decay_schedule": (
        10,
        arguments({"init_value": peaks, "decay_steps": steps}, alpha=shares, exponent=numbers(0.25, 4.0)),
    ),
    "piecewise_constant_schedule": (8, arguments({"init_value": peaks}, boundaries_and_scales=mappings)),
    "piecewise_interpolate_schedule": (
        12,
        arguments(
            {"interpolate_type": st.sampled_from(["linear", "cosine"]), "init_value": peaks},
            boundaries_and_scales=mappings,
        ),
    ),
    "linear_onecycle_schedule": (
        8,
        arguments(
            {"transition_steps": steps, "peak_value": peaks},
            pct_start=shares,
            pct_final=shares,
            div_factor=numbers(1.0, 100.0),
            final_div_factor=numbers(1.0, 1e5),
        ),
    ),
    "cosine_onecycle_schedule": (
        8,
        arguments(
            {"transition_steps": steps, "peak_value": peaks},
            pct_start=shares,
            div_factor=numbers(1.0, 100.0),
            final_div_factor=numbers(1.0, 1e5),
        ),
    ),
    "warmup_constant_schedule": (5, arguments({"init_value": values, "peak_value": values, "warmup_steps": few})),
    "warmup_cosine_decay_schedule": (10, arguments(cosine, **cosine_options)),
    "warmup_exponential_decay_schedule": (10, arguments({**warmup, **decays}, **decay_options)),
    "sgdr_schedule": (
        6,
        st.lists(arguments(cycle_length, **cosine_options), min_size=1, max_size=3).map(
            lambda cycles: {"cosine_kwargs": cycles}
        ),
    ),
    "join_schedules": (8, joined),
}
EDGES = [
    ("linear_schedule", {"init_value": 0.1, "end_value": 1.0, "transition_steps": 0}),  # stays at init_value
    ("polynomial_schedule", {"init_value": 0.1, "end_value": 1.0, "power": 0.0, "transition_steps": 5}),
    ("exponential_decay", {"init_value": 0.1, "transition_steps": 0, "decay_rate": 0.5}),  # likewise
    ("exponential_decay", {"init_value": 0.1, "transition_steps": 5, "decay_rate": 0.0}),  # likewise
    ("exponential_decay", {"init_value": 0.1, "transition_steps": 5, "decay_rate": 0.5, "end_value": 0.2}),
    ("exponential_decay", {"init_value": 0.1, "transition_steps": 5, "decay_rate": 1.5, "end_value": 0.05}),
    ("cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 5, "exponent": 0.0}),
    ("cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 5, "alpha": 2.0}),
    ("piecewise_constant_schedule", {"init_value": 0.1, "boundaries_and_scales": {"mapping": [[0, 0.5], [5, 0.0]]}}),
    ("linear_onecycle_schedule", {"transition_steps": 20, "peak_value": 0.1, "pct_final": 1.0}),
    ("linear_onecycle_schedule", {"transition_steps": 20, "peak_value": 0.1, "pct_start": 0.9}),  # after pct_final
    ("cosine_onecycle_schedule", {"transition_steps": 20, "peak_value": 0.1, "pct_start": 1.0}),
    ("warmup_constant_schedule", {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 0}),  # 0 for ever
    (
        "warmup_cosine_decay_schedule",
        {"init_value": 0.1, "peak_value": 0.0, "warmup_steps": 2, "decay_steps": 9, "end_value": 0.05},
    ),
    (
        "join_schedules",
        {
            "schedules": [{"call": "constant_schedule", "arguments": {"value": value}} for value in (0.1, 0.2, 0.3)],
            "boundaries": [4, 4],
        },
    ),
]


def levels(given):
    """All numbers that are values."""
    if isinstance(given, dict):
        for name, value in given.items():
            if name in {"init_value", "peak_value", "end_value", "value"}:
                yield value
            yield from levels(value)
    elif isinstance(given, list):
        for value in given:
            yield from levels(value)


def case(name, given):
    schedule = decoded({"call": name, "arguments": given}, lambda name, given: getattr(optax, name)(**given))
    return {
        "call": name,
        "arguments": given,
        "base": max(levels(given)) or 1.0,  # none counts; this is the scale of what is compared
        **stepped(beyond(75), lambda step: schedule(jnp.asarray(step, jnp.int64))),
    }


CASES = [(name, given) for name, (count, strategy) in DRAWN.items() for given in drawn(strategy, count)]
write("optax", ["optax", "jax", "numpy"], [case(name, given) for name, given in CASES + EDGES])

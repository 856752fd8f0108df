"""Megatron-LM's learning rate and weight decay of a group, after each update.

python -m venv /some/where && /some/where/bin/pip install torch==2.13.0 packaging hypothesis
/some/where/bin/pip install --no-deps megatron-core==0.16.1
/some/where/bin/python -m tools.goldens.megatron

Three arguments are not the class's own: `increment` is what `step` is called with, `wd_mult` is the group's, and
`drives` says which of the two hyperparameters the values are of.
"""

import warnings
from types import SimpleNamespace

from hypothesis import strategies as st

from tools.goldens.tables import arguments, beyond, drawn, numbers, stepped, write

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the fused kernels that are not installed
    from megatron.core.optimizer_param_scheduler import OptimizerParamScheduler

RUN = 60
lrs = st.tuples(st.just(0.0) | numbers(1e-6, 1e-3), st.just(0.0) | numbers(1e-6, 1e-3), numbers(1e-3, 1.0))
lengths = st.tuples(st.integers(0, 20), st.integers(21, RUN), st.integers(0, RUN + 10))
styles = st.tuples(
    st.sampled_from(["constant", "linear", "cosine", "inverse-square-root", "WSD", "WSD"]),
    st.sampled_from(["linear", "cosine", "exponential", "minus_sqrt"]),
)
decays = st.tuples(
    st.just(0.0) | numbers(1e-4, 0.1), st.just(0.1) | numbers(0.1, 1.0), st.sampled_from(["linear", "cosine"])
)


def given(drives):
    """Sets of all of Megatron's arguments, and of ours."""

    def put(parts):
        (init, low, high), (warmup, steps, last), (style, wsd_style), (start, end, wd_style), extra = parts
        return {
            "init_lr": init,
            "max_lr": high,
            "min_lr": low,
            "lr_warmup_steps": warmup,
            "lr_decay_steps": steps,
            "lr_decay_style": style,
            "start_wd": start,
            "end_wd": end,
            "wd_incr_steps": last or 1,
            "wd_incr_style": wd_style,
            **({"wsd_decay_steps": last, "lr_wsd_decay_style": wsd_style} if style == "WSD" else {}),
            **({} if drives == "lr" else {"drives": drives}),
            **extra,
        }

    ours = (
        {"increment": st.integers(1, 7)}
        if drives == "lr"
        else {"increment": st.integers(1, 7), "wd_mult": numbers(0.1, 2.0)}
    )
    return st.tuples(lrs, lengths, styles, decays, arguments(**ours)).map(put)


PLAIN = {
    "init_lr": 0.0,
    "max_lr": 1.0,
    "min_lr": 0.1,
    "lr_warmup_steps": 2,
    "lr_decay_steps": 10,
    "lr_decay_style": "linear",
    "start_wd": 0.04,
    "end_wd": 0.4,
    "wd_incr_steps": 4,
    "wd_incr_style": "cosine",
}
WSD = ("linear", "cosine", "exponential", "minus_sqrt")
EDGES = [
    *({"lr_decay_style": "WSD", "wsd_decay_steps": 4, "lr_wsd_decay_style": style} for style in WSD),
    *({"lr_decay_style": "WSD", "wsd_decay_steps": steps, "lr_wsd_decay_style": "linear"} for steps in (0, 8, 9, 15)),
    *({"lr_decay_style": "inverse-square-root", "lr_warmup_steps": steps} for steps in (0, 1, 5)),
    *({"lr_decay_style": style, "lr_warmup_steps": 0, "init_lr": 0.5} for style in ("constant", "linear", "cosine")),
    {"lr_decay_style": "constant", "increment": 3},
    {"increment": 100},
    *({"drives": "weight_decay", "wd_incr_style": style} for style in ("linear", "cosine")),
    {"drives": "weight_decay", "wd_incr_style": "constant", "start_wd": 0.4},
    {"drives": "weight_decay", "wd_mult": 0.0},
]


def case(options):
    passed = dict(options)
    drives, increment, multiplier = passed.pop("drives", "lr"), passed.pop("increment", 1), passed.pop("wd_mult", 1.0)
    group = {"wd_mult": multiplier}
    scheduler = OptimizerParamScheduler(SimpleNamespace(param_groups=[group]), **passed)

    def value_at(step):
        if step:
            scheduler.step(increment)
        return group[drives]

    last = max(options["lr_decay_steps"], options["wd_incr_steps"])
    return {
        "call": "OptimizerParamScheduler",
        "arguments": options,
        "base": options["max_lr" if drives == "lr" else "end_wd"],  # none counts; this is the scale of what is compared
        **stepped(beyond(max(last // increment, 8)), value_at),
    }


DRAWN = [*drawn(given("lr"), 50), *drawn(given("weight_decay"), 20)]
write(
    "megatron",
    ["megatron-core", "torch"],
    [case(options) for options in [*DRAWN, *({**PLAIN, **edge} for edge in EDGES)]],
)

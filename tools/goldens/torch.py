"""The values of torch's schedulers, by stepping them on an optimizer of one group.

    python -m venv env && env/bin/pip install torch==2.13.0 hypothesis && env/bin/python -m tools.goldens.torch

What is kept is what stands in the group before each step, as `scheduler.step()` left it there: where torch multiplies
at every step what the one before left, that product with its rounding, and not the closed form of it.
"""

import warnings

import torch
from hypothesis import strategies as st
from torch.optim import lr_scheduler, swa_utils

from tests.goldens import decoded
from tools.goldens import tables
from tools.goldens.tables import arguments, numbers

STEPS = 60  # of a scheduler that does not say how long it is
MOMENTUM = "momentum"


def made(optimizer, call, options):
    """Torch's scheduler of that name."""
    if call == "ChainedScheduler":
        return lr_scheduler.ChainedScheduler(**options, optimizer=optimizer)
    kind = swa_utils.SWALR if call == "SWALR" else getattr(lr_scheduler, call)
    return kind(optimizer, **options)


def length(options):
    """How many steps the run is that a scheduler is for."""
    if "total_steps" in options:
        return options["total_steps"]
    if "epochs" in options:
        return options["epochs"] * options["steps_per_epoch"]
    sizes = {"total_iters", "T_max", "anneal_epochs"} & options.keys()
    return min(max([2 * options[size] for size in sizes], default=STEPS), 80)


def case(call, options, base=0.1):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base, momentum=0.5)
    driven = options.get("drives", "lr")
    given = decoded(
        {name: value for name, value in options.items() if name != "drives"}, lambda *each: made(optimizer, *each)
    )
    scheduler = made(optimizer, call, given)

    def value_at(step):
        if step:
            optimizer.step()
            scheduler.step()
        return optimizer.param_groups[0][driven]

    count = length(options)
    count = count + 3 if call == "OneCycleLR" else tables.beyond(count)
    return {"call": call, "arguments": options, "base": base, **tables.stepped(count, value_at)}


# --- argument sets --------------------------------------------------------------------------------------------------

bases = numbers(1e-4, 2.0)
shares = numbers(0.01, 1.0)
floors = numbers(1e-6, 0.2)
counts = st.integers(1, 40)
gammas = numbers(0.5, 1.0)
strategies = st.sampled_from(["cos", "linear"])
functions = st.sampled_from(
    [
        "0.95 ** step",
        "0.5 ** (step // 10)",
        "min(1.0, (step + 1) / 10)",
        "1 / math.sqrt(1 + step)",
        "(1 + math.cos(math.pi * step / 30)) / 2",
        "1.0 if step < 20 else 0.1",
    ]
).map(lambda text: {"function": text})
ratios = st.sampled_from(["0.95", "0.5 if step % 10 == 0 else 1.0", "1 - 0.5 / (step + 1)", "1.02"]).map(
    lambda text: {"function": text}
)
steps_down = st.lists(st.integers(0, STEPS), max_size=5)


@st.composite
def cyclic(draw):
    low = draw(numbers(1e-3, 0.1))
    options = {"base_lr": low, "max_lr": draw(numbers(low, 1.0)), "step_size_up": draw(st.integers(1, 20))}
    options |= draw(arguments(step_size_down=st.none() | st.integers(0, 20), base_momentum=shares, max_momentum=shares))
    scale = draw(st.sampled_from(["none", "triangular", "triangular2", "exp_range", "cycle", "iterations"]))
    if scale == "exp_range":
        options |= {"mode": scale, "gamma": draw(numbers(0.9, 1.0))}
    elif scale in {"cycle", "iterations"}:
        options |= {"scale_fn": {"function": "1 / (1 + step)"}, "scale_mode": scale}
    elif scale != "none":
        options["mode"] = scale
    return options | draw(st.sampled_from([{}, {}, {"drives": MOMENTUM}]))


@st.composite
def one_cycles(draw):
    steps = draw(st.integers(12, 60))
    long = draw(st.sampled_from([{"total_steps": steps}, {"epochs": steps // 4, "steps_per_epoch": 4}]))
    optional = {
        "pct_start": numbers(0.1, 0.45),
        "anneal_strategy": strategies,
        "base_momentum": shares,
        "max_momentum": shares,
        "div_factor": numbers(1.0, 50.0),
        "final_div_factor": numbers(1.0, 1e5),
        "three_phase": st.booleans(),
    }
    options = draw(arguments({"max_lr": numbers(1e-3, 2.0)}, **optional))
    return {**long, **options, **draw(st.sampled_from([{}, {}, {"drives": MOMENTUM}]))}


PLAIN = {
    "LambdaLR": arguments({"lr_lambda": functions}),
    "MultiplicativeLR": arguments({"lr_lambda": ratios}),
    "StepLR": arguments({"step_size": st.integers(1, 20)}, gamma=shares),
    "MultiStepLR": arguments({"milestones": steps_down}, gamma=shares),
    "ConstantLR": arguments(factor=shares, total_iters=counts),
    "LinearLR": arguments(start_factor=shares, end_factor=st.just(0.0) | shares, total_iters=counts),
    "ExponentialLR": arguments({"gamma": gammas}),
    "PolynomialLR": arguments(total_iters=counts, power=numbers(0.25, 4.0)),
    "CosineAnnealingLR": arguments({"T_max": counts}, eta_min=floors),
    "CosineAnnealingWarmRestarts": arguments({"T_0": st.integers(1, 20)}, T_mult=st.integers(1, 3), eta_min=floors),
    "CyclicLR": cyclic(),
    "OneCycleLR": one_cycles(),
    "SWALR": arguments({"swa_lr": numbers(1e-3, 1.0)}, anneal_epochs=st.integers(0, 30), anneal_strategy=strategies),
}


def nested(call, options):
    return {"call": call, "arguments": options}


@st.composite
def one_of(draw, calls):
    call = draw(st.sampled_from(calls))
    return nested(call, draw(PLAIN[call].filter(lambda options: "drives" not in options)))


MULTIPLY = ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR", "MultiplicativeLR"]
ANY = [*PLAIN]


@st.composite
def sequences(draw, calls, first=None):
    parts = [draw(first or one_of(calls)), *draw(st.lists(one_of(calls), max_size=3))]
    milestones = draw(st.lists(st.integers(1, 50), min_size=len(parts) - 1, max_size=len(parts) - 1, unique=True))
    return {"schedulers": parts, "milestones": sorted(milestones)}


@st.composite
def chains(draw, calls, others=None):
    part = one_of(calls) if others is None else one_of(calls) | others
    return {"schedulers": draw(st.lists(part, min_size=1, max_size=3))}


COMPOSED = [
    ("SequentialLR", sequences(MULTIPLY), 6),
    ("SequentialLR", sequences(ANY), 14),
    ("SequentialLR", sequences(ANY, chains(ANY).map(lambda options: nested("ChainedScheduler", options))), 8),
    ("SequentialLR", sequences(ANY, sequences(ANY).map(lambda options: nested("SequentialLR", options))), 6),
    ("ChainedScheduler", chains(MULTIPLY), 6),
    ("ChainedScheduler", chains(ANY), 14),
    ("ChainedScheduler", chains(ANY, sequences(ANY).map(lambda options: nested("SequentialLR", options))), 8),
]

LINEAR = nested("LinearLR", {"start_factor": 0.1, "total_iters": 5})
COSINE = nested("CosineAnnealingLR", {"T_max": 15})
FLOORED = nested("CosineAnnealingLR", {"T_max": 15, "eta_min": 0.02})
HALF = nested("ConstantLR", {"factor": 0.5, "total_iters": 5})
FALLING = nested("ExponentialLR", {"gamma": 0.9})
WARMED = nested("SequentialLR", {"schedulers": [LINEAR, COSINE], "milestones": [5]})
BOTH = nested("ChainedScheduler", {"schedulers": [HALF, FALLING]})
SHORT = {"max_lr": 1.0, "total_steps": 30}
LAMBDA = nested("LambdaLR", {"lr_lambda": {"function": "0.95 ** step"}})

EDGES = [
    ("MultiStepLR", {"milestones": [10, 10, 20]}),  # a milestone given twice counts twice
    ("MultiStepLR", {"milestones": [30, 0, 5]}),
    ("MultiStepLR", {"milestones": []}),
    ("StepLR", {"step_size": 7, "gamma": 0.0}),
    ("ConstantLR", {"total_iters": 0}),  # for ever
    ("ConstantLR", {"factor": 0.0, "total_iters": 4}),  # torch divides by 0
    ("LinearLR", {}),
    ("LinearLR", {"total_iters": 0}),  # for ever
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 30}),
    ("ExponentialLR", {"gamma": 0.0}),
    ("ExponentialLR", {"gamma": 1.1}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 0}),
    ("PolynomialLR", {"total_iters": 9, "power": 0.0}),
    ("CosineAnnealingLR", {"T_max": 10}),  # climbs back
    ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.5}),  # a low base rises
    ("CosineAnnealingLR", {"T_max": 1, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 1, "T_mult": 3}),  # where logarithms misplace cycles
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "eta_min": 0.5}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 1, "step_size_down": 0}),
    ("CyclicLR", {"base_lr": 0.5, "max_lr": 0.1, "step_size_up": 3, "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 50}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 50, "drives": MOMENTUM}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 50, "anneal_strategy": "linear"}),  # below 0 at the end
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 50, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 50, "three_phase": True, "drives": MOMENTUM}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 1}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 2, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20, "pct_start": 0.0}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20, "pct_start": 1.0}),  # torch divides by 0
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20, "pct_start": 0.7, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20, "cycle_momentum": False}),
    ("SWALR", {"swa_lr": 0.05, "anneal_epochs": 0}),
    ("SWALR", {"swa_lr": 0.5}),
    ("SequentialLR", {"schedulers": [LINEAR, COSINE], "milestones": [5]}),
    ("SequentialLR", {"schedulers": [COSINE], "milestones": []}),
    ("SequentialLR", {"schedulers": [LINEAR, COSINE], "milestones": [0]}),
    ("SequentialLR", {"schedulers": [LINEAR, HALF, COSINE], "milestones": [5, 5]}),
    ("SequentialLR", {"schedulers": [COSINE, nested("SWALR", {"swa_lr": 0.01})], "milestones": [10]}),
    ("SequentialLR", {"schedulers": [LINEAR, nested("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1})], "milestones": [5]}),
    ("SequentialLR", {"schedulers": [LINEAR, nested("OneCycleLR", SHORT)], "milestones": [5]}),  # from its first lr
    ("SequentialLR", {"schedulers": [BOTH, COSINE], "milestones": [9]}),
    ("SequentialLR", {"schedulers": [WARMED, FALLING], "milestones": [12]}),  # a step ahead of its own milestones
    ("ChainedScheduler", {"schedulers": [HALF, FLOORED]}),  # no product
    ("ChainedScheduler", {"schedulers": [HALF, FALLING]}),
    ("ChainedScheduler", {"schedulers": [LINEAR, LAMBDA]}),  # the warm-up is wiped out
    ("ChainedScheduler", {"schedulers": [FALLING, COSINE]}),  # past T_max
    ("ChainedScheduler", {"schedulers": [WARMED, FALLING]}),
    ("ChainedScheduler", {"schedulers": [COSINE, nested("SWALR", {"swa_lr": 0.01})]}),
]


def main():
    warnings.simplefilter("ignore")
    drawn = [(call, each) for call, options in PLAIN.items() for each in tables.drawn(st.tuples(options, bases), 12)]
    drawn += [
        (call, each) for call, options, count in COMPOSED for each in tables.drawn(st.tuples(options, bases), count)
    ]
    cases = [case(*edge) for edge in EDGES] + [case(call, options, base) for call, (options, base) in drawn]
    tables.write("torch", ["torch"], cases)


if __name__ == "__main__":
    main()

"""fastai's schedules: what stands in the optimizer at each batch of a fit.

python -m venv /some/where && /some/where/bin/pip install torch==2.13.0 hypothesis
/some/where/bin/pip install "fastcore>=2.2.22" "fastdownload<2" "fasttransform>=0.0.3" "fastprogress>=0.2.4" \
    "plum-dispatch<2.10" matplotlib pandas requests pyyaml scikit-learn cloudpickle packaging
/some/where/bin/pip install --no-deps fastai==2.8.12
/some/where/bin/python -W ignore -m tools.goldens.fastai

It is a real fit, of a model of three groups. `steps`, `group`, `groups` and `drives` are not fastai's own: how many
batches the fit has, whose values they are, and of which hyperparameter. There is no batch at the end, so no value.
"""

import tempfile

from fastai.basics import Callback, DataLoader, DataLoaders, Learner, nn, torch
from fastai.callback import schedule
from fastai.optimizer import SGD
from hypothesis import strategies as st

from tests.goldens import decoded
from tools.goldens.tables import arguments, drawn, numbers, write

GROUPS = 3
values = numbers(1e-5, 1.0)
ends = {"start": st.just(0.0) | values, "end": st.just(0.0) | values}
steps = {"steps": st.integers(4, 90)}
shares = st.floats(0.0, 0.99).map(lambda share: round(share, 2))
peaks = values | st.tuples(st.none() | values, values).map(lambda pair: {"slice": [*pair]})
spread = {"group": st.integers(0, GROUPS - 1), "groups": st.just(GROUPS)}
part = st.one_of(
    *(
        arguments(given).map(lambda drawn, name=name: {"call": name, "arguments": drawn})
        for name, given in {
            "SchedLin": ends,
            "SchedCos": ends,
            "SchedNo": ends,
            "SchedExp": {"start": values, "end": values},
            "SchedPoly": {**ends, "power": numbers(0.25, 4.0)},
        }.items()
    )
)
# Shares whose sum is 1 to the bit, as fastai asserts: numbers of 128ths, and tenths.
pcts = st.lists(st.integers(1, 60), min_size=1, max_size=3).map(
    lambda counts: [*(count / 256 for count in counts), 1 - sum(counts) / 256]
) | st.sampled_from([[0.1, 0.9], [0.3, 0.7], [0.3, 0.4, 0.3], [0.6, 0.1, 0.3], [0.0, 1.0]])
combined = pcts.flatmap(
    lambda shares: arguments(
        {"pcts": st.just(shares), "scheds": st.lists(part, min_size=len(shares), max_size=len(shares)), **steps}
    )
).filter(lambda given: sum(given["pcts"]) == 1.0)
DRAWN = {
    "SchedLin": (4, arguments({**ends, **steps})),
    "SchedCos": (4, arguments({**ends, **steps})),
    "SchedNo": (2, arguments({**ends, **steps})),
    "SchedExp": (4, arguments({"start": values, "end": values, **steps})),
    "SchedPoly": (5, arguments({**ends, "power": numbers(0.25, 4.0), **steps})),
    "combine_scheds": (14, combined),
    "combined_cos": (6, arguments({"pct": shares, "start": values, "middle": values, "end": values, **steps})),
    "fit_one_cycle": (
        22,
        arguments(
            {**steps, **spread},
            lr_max=peaks,
            div=numbers(1.0, 100.0),
            div_final=numbers(1.0, 1e5),
            pct_start=shares,
            moms=st.tuples(*[numbers(0.5, 0.99)] * 3).map(list),
            drives=st.sampled_from(["lr", "momentum"]),
        ),
    ),
    "fit_flat_cos": (
        8,
        arguments({**steps, **spread}, lr=peaks, div_final=numbers(1.0, 1e5), pct_start=shares),
    ),
    "fit_sgdr": (
        8,
        arguments(
            {"n_cycles": st.integers(1, 3), "cycle_len": st.integers(1, 3), "batches": st.integers(1, 7), **spread},
            lr_max=peaks,
            cycle_mult=st.integers(2, 3),
        ),
    ),
    "LRFinder": (3, arguments(start_lr=numbers(1e-8, 1e-3), end_lr=numbers(1e-2, 10.0), num_it=st.integers(1, 80))),
}
EDGES = [
    ("fit_one_cycle", {"steps": 100}),
    ("fit_one_cycle", {"steps": 100, "drives": "momentum"}),
    ("fit_one_cycle", {"steps": 30, "lr_max": {"slice": [1e-4, 1e-2]}, "group": 0, "groups": 1}),
    ("fit_flat_cos", {"steps": 40}),
    ("fit_sgdr", {"n_cycles": 3, "cycle_len": 1, "batches": 10}),
]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList(torch.zeros(1) for _ in range(GROUPS))

    def forward(self, x):
        return x * sum(self.weights)


class Seen(Callback):
    order = schedule.ParamScheduler.order + 1

    def __init__(self):
        self.hypers = []

    def before_batch(self):
        if self.training:
            self.hypers.append([dict(hyper) for hyper in self.opt.hypers])


def fit(name, given, learner, seen):
    """Run the fit that fastai's function is about."""
    epochs = 1
    if name == "LRFinder":
        learner.fit(1, cbs=[schedule.LRFinder(**given, stop_div=False), seen])
    elif name == "fit_sgdr":
        learner.fit_sgdr(**given, cbs=seen)
    elif name.startswith("fit_"):
        getattr(learner, name)(epochs, **given, cbs=seen)
    else:
        made = decoded({"call": name, "arguments": given}, lambda name, given: getattr(schedule, name)(**given))
        learner.fit(epochs, cbs=[schedule.ParamScheduler({"lr": made}), seen])


def case(name, given, base=0.1):
    passed = decoded(given, lambda call, given: {"call": call, "arguments": given})
    batches, group, groups = passed.pop("batches", None), passed.pop("group", 0), passed.pop("groups", 1)
    driven = {"lr": "lr", "momentum": "mom"}[passed.pop("drives", "lr")]
    count = batches or passed.pop("steps", None) or max(passed.get("num_it", 100), 6) + 1
    data = [(torch.zeros(1), torch.zeros(1))] * count
    loaders = DataLoaders(DataLoader(data, bs=1), DataLoader(data[:1], bs=1))
    split = (
        (lambda model: [[weight] for weight in model.weights])
        if groups == GROUPS
        else (lambda model: [[*model.weights]])
    )
    seen = Seen()
    with tempfile.TemporaryDirectory() as folder:
        learner = Learner(
            loaders, Model(), loss_func=nn.functional.mse_loss, opt_func=SGD, splitter=split, lr=base, path=folder
        )
        with learner.no_bar(), learner.no_logging():
            fit(name, passed, learner, seen)
    arguments = {key: value for key, value in given.items() if key != "batches"}
    if batches:
        arguments["steps"] = len(seen.hypers)
    own = [value for key, value in given.items() if key in {"start", "end", "middle", "end_lr"}]
    return {
        "call": name,
        "arguments": arguments,
        "base": max(own, default=0.0) or base,
        "values": [float(hypers[group][driven]) for hypers in seen.hypers],
        "ends": "the fit is over",
    }


CASES = [(name, given) for name, (count, strategy) in DRAWN.items() for given in drawn(strategy, count)]
write("fastai", ["fastai", "fastcore", "torch"], [case(*each) for each in CASES + EDGES])

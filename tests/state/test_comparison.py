"""How two checkpoints differ: all that does, and nothing else."""

import copy
import json
import math

import pytest
import torch

import paramgroups as pg
import runs
from paramgroups.state import named_state
from paramgroups.state.comparison import Change, Values, compare


def content(net, optimizer, scheduler=None, extra=None):
    """What a file of this run holds."""
    state = None if scheduler is None else scheduler.state_dict()
    whole = {"optimizer": named_state(optimizer, net), "scheduler": state, "model": net.state_dict(), "extra": extra}
    return copy.deepcopy(whole)


@pytest.fixture
def run():
    """What a file of a short run holds."""
    net, optimizer, scheduler = runs.made()
    runs.train(net, optimizer, 3)
    return content(net, optimizer, scheduler, {"epoch": 1})


def changed(run, *path, to):
    """The same but for one thing, found by a way through it."""
    other = copy.deepcopy(run)
    *way, last = path
    inner = other
    for key in way:
        inner = inner[key]
    inner[last] = to
    return other


def values(one, other):
    """What is said of the values that differ."""
    return [each for each in compare(one, other).values if each.differ]


def test_equal_checkpoints_are_equal(run):
    """NaN included; every value was looked at."""
    run["model"]["mask"] = torch.tensor([math.nan, math.inf, 1.0])
    run["optimizer"]["groups"][0]["run"]["d"] = math.nan
    run["extra"] |= {"worst": math.nan, "history": [], "note": "good", "seen": True}
    found = compare(run, copy.deepcopy(run))
    assert found.equal
    assert found.changes == ()
    assert [(each.part, each.both) for each in found.values] == [
        ("state [step]", 4),
        ("state [exp_avg]", 4),
        ("state [exp_avg_sq]", 4),
        ("model", 5),
        ("extra", 4),
    ]


@pytest.mark.parametrize(
    ("path", "to", "change"),
    [
        (("optimizer", "optimizer"), ("x.Y",), Change("optimizer", ("class",), "torch.optim.adamw.AdamW", "x.Y")),
        (("optimizer", "parameters", "body.bias", "shape"), (3,), Change("shape", ("body.bias",), (2,), (3,))),
        (("optimizer", "parameters", "body.bias", "dtype"), "x", Change("dtype", ("body.bias",), None, "x")),
        (("optimizer", "groups", 1, "settings", "eps"), 1.0, Change("setting", ("eps/head",), 1e-8, 1.0)),
        (("optimizer", "groups", 1, "settings", "eps"), torch.tensor(1.0), Change("setting", ("eps/head",), 1e-8, 1.0)),
        (("optimizer", "groups", 0, "run", "k"), 3, Change("setting", ("k/default",), None, 3)),
        (("optimizer", "groups", 0, "rules"), ("x",), Change("setting", ("rules/default",), (), ("x",))),
        (("scheduler", "step"), 4, Change("position", ("update",), 3, 4)),
        (("scheduler", "horizon"), None, Change("schedule", ("horizon",), "Horizon(steps=20)", None)),
        (("scheduler", "schedules"), [[None, {"lr": "A"}]], None),
        (("scheduler", "groups", 1, "bases", "lr"), 2.0, Change("base", ("lr/head",), 1.0, 2.0)),
        (("scheduler", "journal"), [{}], Change("journal", ("entries",), "0, 0 only here", "1, 1 only here")),
        (("extra",), {"epoch": 1, "more": 1}, Change("extra", ("more",), None, "held")),
        (("extra",), None, Change("extra", ("epoch",), "held", None)),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) and not isinstance(value, Change) else "",
)
def test_one_change_is_one_change(run, path, to, change):
    """Told the other way round from the other side."""
    other = changed(run, *path, to=to)
    found, back = compare(run, other), compare(other, run)
    assert not found.equal
    if change is None:
        planned = {name: (each.first, each.second) for each in found.changes for name in each.where}
        assert planned.keys() == {"lr/*", "weight_decay/*"}
        assert planned["lr/*"][1] == "A"
    else:
        assert found.changes == (change,)
        assert back.changes == (change._replace(first=change.second, second=change.first),)


def test_regrouped_parameters_are_gathered(run):
    """By where from and where to; what two groups share is compared once, with both their names."""
    net = runs.model()
    plan = pg.Plan(pg.Rule("*.bias", name="biases", lr=0.3), lr=0.1, weight_decay=0.01)
    optimizer = plan.build(net, torch.optim.AdamW)
    optimizer.load_state_dict(optimizer.state_dict())
    changes = compare(run, content(net, optimizer)).changes
    assert [each for each in changes if each.what == "group"] == [
        Change("group", ("body.bias",), "default", "biases"),
        Change("group", ("head.weight",), "head", "default"),
        Change("group", ("head.bias",), "head", "biases"),
    ]
    places = {place for each in changes if each.what == "setting" for place in each.where if place.startswith("lr/")}
    assert places == {"lr/default", "lr/default → biases", "lr/head → default", "lr/head → biases"}


def test_parameters_and_state_that_one_lacks(run):
    """Parameters, entries of their state, and what the model holds; the state of a parameter goes with it."""
    other = copy.deepcopy(run)
    del other["optimizer"]["parameters"]["head.bias"]
    other["optimizer"]["groups"][1]["parameters"] = ("head.weight",)
    del other["optimizer"]["parameters"]["body.bias"]["state"]["step"]
    other["optimizer"]["others"] = {"clock": 3}
    other["model"]["mean"] = other["model"].pop("body.bias")
    assert compare(run, other).changes == (
        Change("parameter", ("head.bias",), "held", None),
        Change("state", ("body.bias [step]",), "held", None),
        Change("state", ("clock",), None, "held"),
        Change("model", ("body.bias",), "held", None),
        Change("model", ("mean",), None, "held"),
    )
    run["optimizer"]["others"] = {"clock": 5}
    assert Values("state", 1, 1, 2.0, "clock") in values(run, other)


def test_the_largest_difference_is_found(run):
    """Of all values of a part, whatever the dtype; where it is, by name."""
    other = copy.deepcopy(run)
    other["model"]["head.weight"][0, 1] += 0.5
    other["model"]["body.bias"] += 0.25
    other["optimizer"]["parameters"]["body.weight"]["state"]["step"] += 4
    other["extra"]["epoch"] = 3
    assert values(run, other) == [
        Values("state [step]", 4, 1, 4.0, "body.weight [step]"),
        Values("model", 4, 2, 0.5, "head.weight"),
        Values("extra", 1, 1, 2.0, "epoch"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "most"),
    [
        (torch.tensor([1, 2**53 + 1]), torch.tensor([1, 2**53]), 1.0),
        (torch.tensor([True, False]), torch.tensor([True, True]), 1.0),
        (torch.tensor([1.0, 2.0]).bfloat16(), torch.tensor([1.0, 4.0]).bfloat16(), 2.0),
        (torch.tensor([1.0, 2.0]).to(torch.float8_e4m3fn), torch.tensor([1.0, 4.0]).to(torch.float8_e4m3fn), 2.0),
        (torch.tensor([1.0 + 0.0j]), torch.tensor([1.0 + 2.0j]), 2.0),
        (torch.eye(3).to_sparse(), 3 * torch.eye(3).to_sparse(), 2.0),
        (torch.tensor([math.inf, 1.0]), torch.tensor([math.inf, 2.0]), 1.0),
        (torch.tensor([math.nan, 1.0]), torch.tensor([0.0, 1.0]), math.nan),
        (torch.ones(2), torch.ones(3), None),
        (torch.ones(2), torch.ones(2).double(), None),
        (torch.ones(()), 1.0, None),
        ("a", "b", None),
        (1, 1.0, None),
        (1.5, math.nan, math.nan),
        (None, "b", None),
    ],
)
def test_every_kind_of_value_is_compared(run, one, other, most):
    """What is of different kinds, or no number, differs by nothing that could be told."""
    mine, theirs = changed(run, "extra", to={"x": one}), changed(run, "extra", to={"x": other})
    assert compare(mine, mine).equal
    ((part, both, differ, found, where),) = values(mine, theirs)
    assert (part, both, differ, where) == ("extra", 1, 1, "x")
    assert found == most or (math.isnan(found) and math.isnan(most))
    assert json.loads(json.dumps(compare(mine, theirs).data(), allow_nan=False))["equal"] is False


def test_the_tables_name_a_few_places(run):
    """What changed, and by how much the values differ; nothing that is the same."""
    other = changed(run, "model", to={})
    other["optimizer"]["groups"][1]["settings"]["lr"] = 3.0
    for name in ("body.weight", "head.weight"):
        other["optimizer"]["parameters"][name]["state"]["exp_avg"] = torch.zeros(2, 2)
    run["model"]["mean"] = torch.zeros(2)
    changes, compared = map(str, compare(run, other).tables())
    assert [" ".join(line.split()) for line in changes.splitlines()] == [
        "what where first second",
        "setting lr/head 0.8 3",
        "model body.weight held —",
        "body.bias",
        "head.weight",
        "head.bias",
        "and 1 more",
    ]
    assert compared.splitlines()[2].split()[:4] == ["state", "[exp_avg]", "4", "2"]
    assert len(compare(run, copy.deepcopy(run)).tables()) == 1
    bare = {"optimizer": ("x",), "parameters": {}, "groups": [], "others": {}}
    nothing = {"optimizer": bare, "scheduler": None, "model": None, "extra": None}
    assert compare(nothing, nothing).tables() == []

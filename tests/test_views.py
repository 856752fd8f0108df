"""Groups of any optimizer looked up by name, read and written live."""

import copy
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import Optimizer

import paramgroups as pg
from paramgroups.errors import (
    DuplicateNameError,
    DuplicateParameterError,
    GroupIndexError,
    GroupNameError,
    HyperparameterValueError,
    InvalidNameError,
    MixedValueError,
    NotAModelError,
    NotAnOptimizerError,
    ParameterNameError,
    UnknownHyperparameterError,
)

TORCH = [
    kind
    for kind in vars(torch.optim).values()
    if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
]


def adamw(*groups: dict[str, Any], **defaults: Any) -> torch.optim.AdamW:
    """A torch optimizer, a fresh parameter for each group."""
    return torch.optim.AdamW([{"params": [nn.Parameter(torch.zeros(2))], **group} for group in groups], **defaults)


def planned() -> Optimizer:
    """Three groups by two rules."""
    model = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    rules = pg.Rule(pg.BIASES, weight_decay=0.0, name="no_decay"), pg.Rule("head.*", lr=1e-2)
    optimizer: Optimizer = pg.Plan(*rules, lr=1e-3, weight_decay=0.1).build(model, torch.optim.AdamW)
    return optimizer


@pytest.mark.parametrize("kind", TORCH, ids=lambda kind: kind.__name__)
def test_every_optimizer_of_torch_can_be_viewed_and_set(kind):
    """Built by torch alone: found by name and index, each number read and written back, shown in the table."""
    view = pg.view(kind([{"params": [nn.Parameter(torch.zeros(2, 2))], "name": "only"}]))
    (group,) = view._optimizer.param_groups
    for key in view["only"].keys():  # noqa: SIM118 - a Selection is no mapping: `in` over it gives groups
        assert view[0][key] is group[key]
        view["only"][key] = group[key]
    if "lr" in view["only"].keys():  # noqa: SIM118 - as above
        view["only"].lr = 0.5
        assert group["lr"] == 0.5
        assert "0.5" in str(view)
        assert pg.snapshot(view._optimizer)["lr/only"] == 0.5


def test_what_is_no_optimizer_cannot_be_viewed():
    """A model, or the class itself."""
    for value in (nn.Linear(2, 2), torch.optim.SGD):
        with pytest.raises(NotAnOptimizerError, match=r"is not a torch\.optim\.Optimizer"):
            pg.view(value)  # type: ignore[arg-type]  # that is the point


KEYS = [
    ("default", ["default"]),
    ("no_decay", ["no_decay", "no_decay.head"]),
    ("head", ["head", "no_decay.head"]),
    ("no_decay.head", ["no_decay.head"]),
    ("*head", ["head", "no_decay.head"]),
    ("*", ["default", "no_decay", "head", "no_decay.head"]),
    (0, ["default"]),
    (-1, ["no_decay.head"]),
    (slice(1, 3), ["no_decay", "head"]),
]


@pytest.mark.parametrize(("key", "names"), KEYS, ids=str)
def test_a_key_is_a_rule_then_a_group_then_a_glob(key, names):
    """A rule's name finds every group it contributed to, even where a group is called the same."""
    optimizer = planned()
    view = pg.view(optimizer)
    by_place = [group["name"] for group in optimizer.param_groups if group["name"] in names]
    assert view[key].names == [name for name in by_place if name in names]
    assert sorted(view[key].names) == sorted(names)
    assert len(view[key]) == len(names)
    assert key in view


def test_what_is_not_there_is_an_error_with_the_way_out():
    """By name with the nearest, by index with the count and how to make a second."""
    view = pg.view(adamw({}))
    with pytest.raises(GroupIndexError, match=r"There is no parameter group 1: the optimizer has 1 \('group0'\)"):
        view[1]
    with pytest.raises(IndexError, match=r"add_param_group"):
        view[-2]
    with pytest.raises(GroupIndexError, match=r"There is no parameter group 3:None"):
        view[3:]
    with pytest.raises(GroupNameError, match=r"Did you mean 'group0'"):
        view["gruop0"]
    with pytest.raises(TypeError, match=r"not by True"):
        view[True]
    missing: list[Any] = ["head", 1.5, None]
    assert [key for key in missing if key in view] == []


def test_groups_are_iterated_in_order():
    """As a sequence: length, iteration, reversal."""
    view = pg.view(planned())
    assert len(view) == 4
    assert [group.name for group in view] == view.names
    assert [group.name for group in reversed(view)] == view.names[::-1]
    assert [group.name for group in view["head"]] == view["head"].names


def test_nothing_of_a_group_is_kept():
    """A load replaces group dicts, a user adds and removes groups: the same view and selection see it."""
    optimizer = adamw({"name": "a"}, lr=0.1)
    view, selection = pg.view(optimizer), pg.view(optimizer)["a"]
    state = optimizer.state_dict()
    state["param_groups"][0]["lr"] = 0.7
    optimizer.load_state_dict(state)
    assert selection.lr == view["a"].lr == 0.7
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "name": "ab"})
    every = view["a*"]
    assert (len(view), every.names) == (2, ["a", "ab"])
    last = view[1]
    del optimizer.param_groups[1]
    assert every.names == ["a"]
    with pytest.raises(GroupIndexError):
        _ = last.lr


def test_a_selection_can_be_copied():
    """A copy is of the same optimizer; a deep copy has its own."""
    optimizer = adamw({"name": "a"}, lr=0.1)
    selection = pg.view(optimizer)["a"]
    twin, other = copy.copy(selection), copy.deepcopy(selection)
    twin.lr = 0.2
    assert (selection.lr, optimizer.param_groups[0]["lr"], other.lr) == (0.2, 0.2, 0.1)


def test_a_shared_value_is_read_and_a_mixed_one_is_an_error():
    """Groups that differ have no one value; the error shows each."""
    view = pg.view(adamw({"name": "a", "lr": 0.1}, {"name": "b", "lr": 0.2}))
    assert view["*"].betas == (0.9, 0.999)
    assert view["*"]["betas[0]"] == 0.9
    with pytest.raises(MixedValueError, match=r"lr differs between the selected groups \(a: 0.1, b: 0.2\)"):
        _ = view["*"].lr
    with pytest.raises(MixedValueError, match="name differs"):
        _ = view["*"].name


def test_parameters_and_their_names_come_in_order():
    """Of the selected groups only; without names an error says how to give them."""
    optimizer = planned()
    head = pg.view(optimizer)["head"]
    assert head.parameter_names == ["head.weight", "head.bias"]
    assert [tuple(p.shape) for p in head.params] == [(2, 2), (2,)]
    with pytest.raises(ParameterNameError, match=r"name_groups"):
        _ = pg.view(adamw({}))[0].parameter_names


@pytest.mark.parametrize("name", ["weigth_decay", "params", "name", "momentum", "__len__x"])
def test_an_unknown_hyperparameter_is_an_error_either_way(name):
    """Read as an attribute it is an AttributeError, as `hasattr` needs; written, nothing new appears in the group."""
    optimizer = adamw({"name": "a"})
    selection = pg.view(optimizer)["a"]
    with pytest.raises(UnknownHyperparameterError):
        selection[name] = 0.1
    with pytest.raises(UnknownHyperparameterError, match=r"given in group 'a', is no hyperparameter of AdamW"):
        _ = selection[name]
    assert name in {"params", "name"} or not hasattr(selection, name)
    assert name in {"params", "name"} or name not in optimizer.param_groups[0]


def test_what_only_some_groups_have_is_not_read_as_if_all_had_it():
    """A custom key of one group is no shared value."""
    view = pg.view(adamw({"name": "a", "scale": 2.0}, {"name": "b"}))
    assert view["a"].scale == 2.0
    with pytest.raises(UnknownHyperparameterError):
        view["*"]["scale"]
    assert "scale" not in view["*"].keys()  # noqa: SIM118 - a Selection is no mapping


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("lr", -1, "lr = -1 in group 'a' and 'b' cannot be used.\nIt must be a finite number of at least 0."),
        ("lr", None, "lr = None in group 'a' and 'b' cannot be used.\nIt must be a finite number of at least 0."),
        ("betas", (0.9, 2), "betas = (0.9, 2) in group 'a' and 'b' cannot be used.\nIt must be a tuple of numbers"),
        ("betas[2]", 0.5, "betas = (0.9, 0.999) in group 'a' and 'b' cannot be used.\nIt must be a tuple that has"),
        ("lr[0]", 0.5, "lr = 0.001 in group 'a' and 'b' cannot be used.\nIt must be a tuple that has a number 0"),
        ("betas[0]", 1.0, "betas[0] = 1.0 in group 'a' and 'b' cannot be used.\nIt must be a number in [0, 1)."),
    ],
)
def test_a_value_that_cannot_be_used_is_not_written(key, value, text):
    """The text says where; neither group is touched."""
    optimizer = adamw({"name": "a"}, {"name": "b"})
    before = [dict(group) for group in optimizer.param_groups]
    with pytest.raises(HyperparameterValueError) as caught:
        pg.view(optimizer)["*"][key] = value
    assert str(caught.value).startswith(text)
    assert [dict(group) for group in optimizer.param_groups] == before


def test_what_numpy_computed_is_stored_plain():
    """A numpy scalar would be pickled as one, and refused by a weights-only load."""
    optimizer = adamw({})
    pg.view(optimizer)[0].lr = np.float32(0.5)
    pg.view(optimizer)[0].betas = [np.float64(0.5), 0.9]
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]) == (0.5, (0.5, 0.9))
    assert type(optimizer.param_groups[0]["betas"][0]) is float


@pytest.mark.parametrize("value", [0.25, torch.tensor(0.25)], ids=["number", "tensor"])
def test_a_tensor_is_filled_in_place(value):
    """A captured graph or a compiled step goes on reading it."""
    own = torch.tensor(0.5)
    optimizer = adamw({"lr": own}, capturable=True)
    pg.view(optimizer)[0].lr = value
    assert optimizer.param_groups[0]["lr"] is own
    assert own == 0.25


def test_a_write_to_one_group_does_not_reach_another_through_a_shared_tensor():
    """By default torch gives every group the same default tensor: the group that is written gets its own."""
    shared = torch.tensor(0.5)
    optimizer = adamw({"name": "a"}, {"name": "b"}, lr=shared, capturable=True)
    pg.view(optimizer)["a"].lr = 0.25
    assert [float(group["lr"]) for group in optimizer.param_groups] == [0.25, 0.5]
    assert optimizer.defaults["lr"] == 0.5


def test_a_tensor_written_to_several_groups_is_not_shared():
    """Each gets a clone."""
    optimizer = adamw({}, {}, capturable=True)
    pg.view(optimizer)["*"].lr = torch.tensor(0.5)
    first, second = (group["lr"] for group in optimizer.param_groups)
    assert first == second
    assert first is not second


def test_the_table_shows_every_number_tensors_too():
    """One row a group; flags and None are left out; so says the snapshot, by path."""
    optimizer = adamw({"name": "a", "lr": torch.tensor(0.5)}, {"name": "b", "lr": 0.25}, capturable=True)
    assert str(pg.view(optimizer)).splitlines() == [
        "group  tensors  elements    lr  betas           eps  weight_decay",
        "a            1         2   0.5  (0.9, 0.999)  1e-08          0.01",
        "b            1         2  0.25  (0.9, 0.999)  1e-08          0.01",
    ]
    assert pg.snapshot(optimizer) == {
        f"{key}/{group}": value
        for group, lr in (("a", 0.5), ("b", 0.25))
        for key, value in {"lr": lr, "betas[0]": 0.9, "betas[1]": 0.999, "eps": 1e-8, "weight_decay": 0.01}.items()
    }
    assert repr(pg.view(optimizer)) == "view(<AdamW>): ['a', 'b']"
    assert repr(pg.view(optimizer)["a"]).startswith("<a: lr=0.5, betas=(0.9, 0.999), eps=1e-08")


def model() -> nn.ModuleDict:
    """Two layers, and one of two."""
    return nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))})


def test_groups_of_a_strange_optimizer_get_names():
    """Its own name, else the deepest module that holds the group alone, else its number."""
    net = model()
    groups: list[dict[str, Any]] = [
        {"params": [net["body"].weight], "name": "mine"},
        {"params": net.get_submodule("head.0").parameters()},
        {"params": [net["body"].bias, *net.get_submodule("head.1").parameters()]},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    view = pg.name_groups(optimizer, torch.nn.DataParallel(net))
    assert view.names == ["mine", "head.0", "group2"]
    assert view["head.0"].parameter_names == ["head.0.weight", "head.0.bias"]
    assert [group["name"] for group in optimizer.param_groups] == view.names


def test_two_groups_of_one_module_are_numbered():
    """Neither gets the module's name."""
    net = model()
    optimizer = torch.optim.SGD([{"params": [net["body"].weight]}, {"params": [net["body"].bias]}], lr=0.1)
    assert pg.name_groups(optimizer, net).names == ["group0", "group1"]
    assert pg.name_groups(optimizer, net, ["w", "b"]).names == ["w", "b"]


@pytest.mark.parametrize(
    ("names", "error", "text"),
    [
        (["a"], ValueError, "1 names were given for 2 groups"),
        (["a", "a"], DuplicateNameError, "The name 'a' is borne by group 0 and by group 1"),
        (["a", "b/c"], InvalidNameError, "'b/c' cannot be the name"),
    ],
)
def test_names_that_cannot_be_given_are_an_error(names, error, text):
    """And none is given."""
    net = model()
    optimizer = torch.optim.SGD([{"params": m.parameters()} for m in net.values()], lr=0.1)
    with pytest.raises(error, match=text):
        pg.name_groups(optimizer, net, names)
    assert pg.view(optimizer).names == ["group0", "group1"]


def test_a_parameter_of_no_model_or_in_two_groups_is_an_error():
    """The message says where it stands."""
    net = model()
    optimizer = torch.optim.SGD([{"params": net["body"].parameters()}], lr=0.1)
    with pytest.raises(ParameterNameError, match=r"group 'group0' \(number 0, shape \(2, 2\)\) is not in this model"):
        pg.name_groups(optimizer, net["head"])
    optimizer.param_groups.append({**optimizer.param_groups[0]})
    with pytest.raises(
        DuplicateParameterError, match=r"'body.weight' is in group 'group0' \(number 0\) and in group 'group1'"
    ):
        pg.name_groups(optimizer, net)


def test_reading_every_group_is_linear_in_the_groups(monkeypatch):
    """Names are looked up by who asks for a name, and not again at each read."""
    optimizer = torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))]} for _ in range(30)], lr=0.1)
    calls: list[Optimizer] = []
    module = sys.modules[pg.view.__module__]
    monkeypatch.setattr(module, "labels", calls.append)
    assert {group.lr for group in pg.view(optimizer)} == {0.1}
    assert calls == []


def test_a_tuple_of_another_length_is_refused():
    """By itself torch would take it, and the next step would fail."""
    for view in (pg.view(adamw({"name": "head"})), pg.view(adamw({"name": "head", "betas": (0.8, 0.9)}))):
        before = view["head"].betas
        with pytest.raises(HyperparameterValueError, match=r"betas = \(0\.9,\) in group 'head'(.|\n)*a tuple of 2"):
            view["head"].betas = (0.9,)
        assert view["head"].betas == before


def test_model_and_optimizer_swapped_are_told_apart():
    """Either order of the wrong things names what was passed, by type, and the right order."""
    net: Any = model()
    optimizer: Any = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(NotAnOptimizerError, match=r"^a ModuleDict is not(.|\n)*name_groups\(optimizer, model\)"):
        pg.name_groups(net, optimizer)
    with pytest.raises(NotAnOptimizerError, match=r"^a ModuleDict is not(.|\n)*Pass the optimizer itself"):
        pg.view(net)
    with pytest.raises(NotAModelError, match=r"^an? SGD is not a model"):
        pg.name_groups(optimizer, optimizer)

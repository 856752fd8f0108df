"""Torch's positional state, adopted by name: a run goes on as it would have, or the state is refused."""

import copy
import io

import pytest
import torch
from torch import nn, optim

import paramgroups as pg
from kinds import OURS, TORCH
from paramgroups.errors import NotAnOptimizerError, StateMismatchError
from paramgroups.optim import Composite
from paramgroups.state import adopt, load_named_state, named_state
from paramgroups.state.fitting import settings

PLAN = pg.Plan(pg.Rule("2.*", name="last", lr=pg.Times(0.5)), lr=0.01)
LAYERS = [["0.weight", "0.bias"], ["2.weight", "2.bias"]]
FLAT = [*LAYERS[0], *LAYERS[1]]
CASES = {name: case for name, case in {**TORCH, **OURS}.items() if case[0] is not Composite}  # it has several classes
GROUPED = {case: found for case, found in CASES.items() if case != "LBFGS"}  # which has one group, always
UNASKED = {optim.LBFGS, optim.SparseAdam}  # no step of a stand-in tells what these keep


def model(kind=optim.AdamW):
    """A small model whose parameters this class can train, always the same; one of its layers has one unit."""
    torch.manual_seed(0)
    if kind is optim.SparseAdam:
        return nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Flatten(-1), nn.Embedding(2, 3, sparse=True))
    bias = not issubclass(kind, optim.Muon)
    return nn.Sequential(nn.Linear(3, 4, bias), nn.Tanh(), nn.Linear(4, 1, bias))


def train(net, optimizer, steps=3):
    """Real updates on a fixed batch."""

    def loss():
        optimizer.zero_grad()
        if isinstance(net[0], nn.Embedding):
            found = (net[0](torch.tensor([1, 3])) * net[2](torch.tensor([0, 1]))).sum()
        else:
            found = net(torch.linspace(-1, 1, 6).reshape(2, 3)).pow(2).sum()
        found.backward()
        return found

    for _ in range(steps):
        optimizer.step(loss)


def trained(kind=optim.AdamW, names=None, **options):
    """A model and its optimizer after three steps; with `names`, grouped so, each group at an lr of its own."""
    net = model(kind)
    own = dict(net.named_parameters())
    groups = [[own[name] for name in group if name in own] for group in names or [own]]
    optimizer = kind([{"params": group, "lr": 0.01 / (i + 1)} for i, group in enumerate(groups)], **options)
    train(net, optimizer)
    return net, optimizer


def saved(optimizer):
    """Its state as it comes back from a file of torch's."""
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def regrouped(optimizer, net, order=-1):
    """A copy of the model, and an optimizer of the same class for it: a group a parameter, the last first, same lr."""
    twin = copy.deepcopy(net)
    lrs = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    pairs = zip(net.parameters(), twin.named_parameters(), strict=True)
    groups = [{"params": [other], "lr": lrs[own]} for own, other in pairs][::order]
    options = {key: value for key, value in settings(optimizer, optimizer.param_groups[0]).items() if key != "lr"}
    if isinstance(optimizer, optim.LBFGS):
        groups = [{**groups[0], "params": [name for group in groups for name in group["params"]]}]
    return twin, type(optimizer)(groups, **options)


def same(one, other):
    """Whether two values are equal bit by bit, tensors within included."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def goes_on(net, optimizer, state):
    """Whether a differently grouped optimizer that is given the state goes on as this one does."""
    twin, other = regrouped(optimizer, net, order=1 if isinstance(optimizer, optim.LBFGS) else -1)
    report = load_named_state(other, state)
    assert report.complete
    train(net, optimizer)
    train(twin, other)
    ends = [named_state(optimizer, net)["parameters"], named_state(other, twin)["parameters"]]
    return same(*ends) and same(dict(net.named_parameters()), dict(twin.named_parameters()))


@pytest.mark.parametrize(("kind", "options"), CASES.values(), ids=CASES)
def test_a_run_of_one_group_goes_on_in_many(kind, options):
    """Every class of torch's, bit by bit; the model tells the names, and the class is told or found to fit."""
    for told in (kind,) if kind in UNASKED else (kind, None):
        net, optimizer = trained(kind, **options)
        assert goes_on(net, optimizer, adopt(saved(optimizer), net, optimizer_class=told))


@pytest.mark.parametrize(("kind", "options"), GROUPED.values(), ids=GROUPED)
def test_a_run_of_several_groups_goes_on_in_others(kind, options):
    """The names are given group by group, as lists or as the grouping that made them."""
    names = [[name for name in own if name in dict(model(kind).named_parameters())] for own in LAYERS]
    for given in (names, PLAN.on(model(kind))):
        net, optimizer = trained(kind, names, **options)
        told = kind if kind in UNASKED else None
        assert goes_on(net, optimizer, adopt(saved(optimizer), given, optimizer_class=told))


def test_what_is_kept_more_exactly_than_its_parameter_goes_on_so():
    """Torch's own load would round NAdam's product to the dtype of the parameters."""
    net = model().bfloat16()
    optimizer = optim.NAdam(net.parameters())

    def step(net, optimizer):
        optimizer.zero_grad()
        net(torch.ones(2, 3).bfloat16()).sum().backward()
        optimizer.step()

    step(net, optimizer)
    state = adopt(saved(optimizer), net)
    twin, other = regrouped(optimizer, net)
    assert load_named_state(other, state).complete
    assert other.state[twin[0].weight]["mu_product"].dtype == torch.float32
    step(net, optimizer)
    step(twin, other)
    assert same(named_state(optimizer, net)["parameters"], named_state(other, twin)["parameters"])


@pytest.mark.parametrize(("kind", "options"), CASES.values(), ids=CASES)
def test_what_is_adopted_is_what_would_have_been_named(kind, options):
    """The same containers, with the same tensors in them."""
    net, optimizer = trained(kind, **options)
    assert adopt(optimizer.state_dict(), net, optimizer_class=kind) == named_state(optimizer, net)


def test_a_planned_run_is_adopted_with_its_groups():
    """Names and rules of the grouping included."""
    net = model()
    optimizer = PLAN.build(net, optim.AdamW)
    train(net, optimizer)
    assert adopt(optimizer.state_dict(), PLAN.on(net), optimizer_class=optim.AdamW) == named_state(optimizer)


def test_settings_can_be_the_saved_ones():
    """What the groups were set to is adopted, too."""
    net, optimizer = trained(names=LAYERS, weight_decay=0.3)
    other = optim.AdamW([{"params": [parameter]} for parameter in net.named_parameters()], lr=1.0)
    load_named_state(other, adopt(optimizer.state_dict(), LAYERS), hyperparameters="saved")
    assert [(group["lr"], group["weight_decay"]) for group in other.param_groups] == [(0.01, 0.3)] * 2 + [
        (0.005, 0.3)
    ] * 2


def test_names_in_the_state_are_the_truth():
    """They need no others, and a model is asked for shapes alone, by whatever name a wrapper or a tie gives."""
    net = model()
    optimizer = optim.AdamW([{"params": [pair]} for pair in reversed(list(net.named_parameters()))])
    train(net, optimizer)
    state = optimizer.state_dict()
    assert list(adopt(state)["parameters"]) == ["2.bias", "2.weight", "0.bias", "0.weight"]
    assert adopt(state) == adopt(state, net) == adopt(state, [["2.bias"], ["2.weight"], ["0.bias"], ["0.weight"]])
    wrapped = nn.DataParallel(net)
    optimizer = optim.AdamW(wrapped.named_parameters())
    train(net, optimizer)
    assert list(adopt(optimizer.state_dict(), wrapped)["parameters"]) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    tied = nn.ModuleDict({"a": net[0], "b": net[0]})
    optimizer = optim.AdamW([("b.weight", net[0].weight), ("b.bias", net[0].bias)])
    assert list(adopt(optimizer.state_dict(), tied)["parameters"]) == ["a.weight", "a.bias"]


def test_a_state_that_stands_by_name_has_its_names():
    """As the gathered state of a model in shards does."""
    net, optimizer = trained()
    state = optimizer.state_dict()
    keys = ["2.bias", "2.weight", "0.bias", "0.weight"]
    state["state"] = {key: state["state"][3 - index] for index, key in enumerate(keys)}
    state["param_groups"][0]["params"] = keys
    assert same(adopt(state, net)["parameters"], named_state(optimizer, net)["parameters"])


def test_a_model_of_which_some_is_frozen_serves_either_way():
    """The optimizer had all parameters, or those that are trained."""
    net = model()
    net[0].weight.requires_grad_(False)
    every, some = (optim.SGD(params, 0.1) for params in (net.parameters(), (net[0].bias, *net[2].parameters())))
    assert list(adopt(every.state_dict(), net)["parameters"]) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert list(adopt(some.state_dict(), net)["parameters"]) == ["0.bias", "2.weight", "2.bias"]


def test_names_alone_tell_a_shape_where_the_state_does():
    """Of a vector, a matrix in rows and columns, a number; what keeps nothing has None, and moves all the same."""
    _, optimizer = trained(optim.Adafactor)
    found = adopt(optimizer.state_dict(), FLAT)["parameters"]
    assert [record["shape"] for record in found.values()] == [(4, 3), (4,), (1, 4), (1,)]
    scale = nn.Parameter(torch.tensor(1.0, requires_grad=True))
    optimizer = optim.Adam([scale, nn.Parameter(torch.ones(2))])
    scale.backward()
    optimizer.step()
    state = adopt(optimizer.state_dict(), ["scale", "unused"])
    assert [record["shape"] for record in state["parameters"].values()] == [(), None]
    other = optim.Adam([("unused", nn.Parameter(torch.ones(2))), ("scale", nn.Parameter(torch.ones(())))])
    assert load_named_state(other, state).moved == ("unused", "scale")


def test_what_another_class_keeps_otherwise_starts_anew():
    """Without a class the entries decide, one by one."""
    net, optimizer = trained(optim.SGD, momentum=0.9)
    state = adopt(optimizer.state_dict(), net)
    assert load_named_state(optim.RMSprop(net.named_parameters(), momentum=0.9), state).refitted == tuple(FLAT)
    report = load_named_state(optim.SGD(net.named_parameters(), momentum=0.5), state)
    assert report.complete
    assert report.hyperparameters[0][:3] == ("optimizer", "unknown", "torch.optim.sgd.SGD")


def test_state_of_no_parameter_is_kept_apart():
    """As `named_state` has it."""
    net, optimizer = trained()
    state = optimizer.state_dict()
    state["state"]["clock"] = {"k": 3}
    assert adopt(state, net)["others"] == {"clock": {"k": 3}}


def wrong(state, *, names=None, message, **options):
    """What is refused, and in which words."""
    with pytest.raises(StateMismatchError) as caught:
        adopt(state, names, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("given", "what", "advice"),
    [
        (
            {"model": {}, "optimizer": {"state": {}, "param_groups": []}},
            "a dict with 'model', 'optimizer'",
            "There is one in it: pass state_dict['optimizer'].",
        ),
        (
            {"optimizer_states": [{"state": {}, "param_groups": []}] * 2},
            "a dict with 'optimizer_states'",
            "There is one in it: pass state_dict['optimizer_states'][0] or state_dict['optimizer_states'][1].",
        ),
        ([1], "a list", "Pass what optimizer.state_dict() returned, with its 'state' and 'param_groups'."),
        (
            {"state": {}, "param_groups": [{"params": [0, 0]}]},
            "a dict with 'state', 'param_groups'",
            "Pass what optimizer.state_dict() returned, with its 'state' and 'param_groups'.",
        ),
    ],
    ids=["nested", "several", "list", "twice"],
)
def test_what_is_no_state_of_torch_s_is_refused(given, what, advice):
    """With the place where one is, if it is inside."""
    wrong(given, message=f"This is no state_dict of an optimizer, but {what}.\n{advice}")


def test_a_named_state_is_not_adopted_again():
    """It is loaded as it is; and a state of nothing is one."""
    message = "This state is by name already.\nLoad it as it is: pg.load_named_state(optimizer, state)."
    wrong(adopt({"state": {}, "param_groups": []}), message=message)


def test_an_order_that_nothing_tells_is_refused():
    """Several groups, or a number of parameters that is not the model's."""
    net, optimizer = trained(names=LAYERS)
    by_group = "[['body.weight', ...], ['head.weight', ...]]"
    wrong(
        optimizer.state_dict(),
        names=net,
        message="The state has groups of [2, 2] parameters and no names, and the model does not tell which are in "
        f"which.\nGive what made the groups, plan.on(model), or the names, group by group: {by_group}.",
    )
    wrong(optimizer.state_dict(), message=f"The state has no names.\nGive the model, or the names: {by_group}.")
    net[2].requires_grad_(False)
    net[0].weight.requires_grad_(False)
    wrong(
        optim.SGD(net[0].parameters(), 0.1).state_dict(),
        names=net,
        message="The state has 2 parameters and no names, and the model 4, of which 1 are trained.\n"
        "Name those that the optimizer had, in their order: ['body.weight', ...].",
    )


@pytest.mark.parametrize("names", [FLAT, [*LAYERS, []], [LAYERS[0], LAYERS[1][:1]]])
def test_names_for_other_groups_are_refused(names):
    """Each group has as many as it has parameters."""
    state = trained(names=LAYERS)[1].state_dict()
    wrong(
        state,
        names=names,
        message=f"The state has groups of [2, 2] parameters, and the names are for "
        f"{[len(own) for own in names] if isinstance(names[0], list) else [4]}.\n"
        "Name all of them, in the order of the optimizer's groups, and of the parameters in each.",
    )


def test_one_name_for_two_parameters_is_refused():
    """Each parameter has its own."""
    wrong(
        trained()[1].state_dict(),
        names=["a", "b", "a", "c"],
        message="Several parameters are given one name: 'a'.\nGive each its own.",
    )


def test_names_against_those_in_the_state_are_refused():
    """By name: whether lists say otherwise, a grouping, or the model that has no such parameter."""
    net = model()
    optimizer = optim.AdamW(net.named_parameters())
    advice = "rename when loading: rename={'old': 'new'}."
    wrong(
        optimizer.state_dict(),
        names=["0.weight", "bias", "2.bias", "2.weight"],
        message="The names contradict those in the state: this is '0.bias', and not 'bias'; '2.weight', and not "
        f"'2.bias'; '2.bias', and not '2.weight'.\nAdopt it under its own, adopt(state_dict), and {advice}",
    )
    wrong(
        optimizer.state_dict(),
        names=nn.ModuleDict({"0": net[0], "head": net[2]}),
        message="Names in the state are none of the model's: '2.weight', '2.bias'. Did you mean '0.weight' or "
        f"'head.weight'?\nAdopt it without the model, adopt(state_dict), and {advice}",
    )
    optimizer = PLAN.build(net, optim.AdamW)
    wrong(
        {**optimizer.state_dict(), "param_groups": optimizer.state_dict()["param_groups"][::-1]},
        names=PLAN.on(net),
        message="The grouping contradicts the names of the state's groups: this is 'last', and not 'default'; "
        "'default', and not 'last'.\nGive the grouping of the run that was saved, or the names, group by group: "
        "[['body.weight', ...], ['head.weight', ...]].",
    )


@pytest.mark.parametrize("names", [3, [1, 2], [["a", 1]], model().state_dict().items(), iter(["a"])])
def test_what_are_no_names_is_refused(names):
    """A mistake of the code, not of the state."""
    with pytest.raises(TypeError, match=r"names no parameters\.\nGive the model, plan\.on\(model\), or lists of names"):
        adopt(trained()[1].state_dict(), names)


def test_tensors_of_other_shapes_are_refused():
    """Parameter, entries and both shapes are named."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    _, optimizer = trained()
    wrong(
        optimizer.state_dict(),
        names=net,
        message="The state does not fit: '2.weight' has the shape (2, 4), its state exp_avg (1, 4), exp_avg_sq (1, 4); "
        "'2.bias' has the shape (2,), its state exp_avg (1,), exp_avg_sq (1,).\nIs it this model's, and in this order? "
        "Say which parameter is where: [['body.weight', ...], ['head.weight', ...]].",
    )


@pytest.mark.parametrize(("kind", "options"), CASES.values(), ids=CASES)
def test_another_order_is_refused_whatever_the_class(kind, options):
    """Where shapes tell, and where there are any: LBFGS has one row of all of them, plain SGD nothing."""
    _, optimizer = trained(kind, **options)
    other = nn.Sequential(nn.Tanh(), *list(model(kind))[::-1])
    if kind is optim.LBFGS:
        other[1].weight = nn.Parameter(torch.ones(2, 4))
    told = "all parameters in a row have the shape" if kind is optim.LBFGS else r"'1\.weight' has the shape"
    if optimizer.state_dict()["state"]:
        with pytest.raises(StateMismatchError, match=f"The state does not fit: {told}"):
            adopt(saved(optimizer), other, optimizer_class=kind)


def kept(entries):
    """A foreign optimizer's state of the model, entry by entry."""
    groups = [{"params": [0, 1, 2, 3], "lr": 0.1}]
    return {"state": dict(enumerate(entries)), "param_groups": groups}


def test_what_another_class_keeps_is_held_against_what_it_keeps_elsewhere():
    """An entry that has the parameter's shape anywhere has it everywhere, unless another has, or they make it."""
    matrix, vector, row, one = (torch.ones(shape) for shape in ((4, 3), (4,), (1, 4), (1,)))
    for fitting in (
        [{"z": matrix}, {"z": vector}, {"z": row}, {"z": one}],
        [{"z": matrix, "map": one}, {"z": vector, "map": one}, {"z": row, "map": one}, {"z": one, "map": one}],
        [{"rows": torch.ones(4, 1), "columns": torch.ones(1, 3)}, {"rows": vector}, {"columns": row}, {"rows": one}],
        [{"left": torch.ones(4, 4)}, {"left": torch.ones(4, 4)}, {"left": torch.eye(1)}, {"left": torch.eye(1)}],
    ):
        assert len(adopt(kept(fitting), model())["parameters"]) == 4
    swapped = kept([{"z": vector}, {"z": matrix}, {"z": row}, {"z": one}])
    for none_in_place in (swapped, kept([{"z": vector}, {"z": matrix}, {"z": one}, {"z": row}])):
        with pytest.raises(StateMismatchError, match=r"'0\.weight' has the shape \(4, 3\), its state z \(4,\); '0\.b"):
            adopt(none_in_place, model())
    assert adopt(swapped, FLAT)["parameters"]["0.weight"]["shape"] is None


def test_the_run_s_own_entries_are_not_guessed():
    """What stands in a group and is no setting of torch's belongs to the run, or is a setting: the class tells."""

    class Counting(optim.SGD):
        """Counts in its groups."""

    net, optimizer = trained(Counting, momentum=0.9)
    optimizer.param_groups[0] |= {"k": 7, "initial_lr": 0.1}
    wrong(
        optimizer.state_dict(),
        names=net,
        message="The groups hold 'k', which no optimizer of torch has: settings, or the run's own?\n"
        "Say which class the state is of: optimizer_class=...",
    )
    other = Counting(net.named_parameters(), momentum=0.9)
    load_named_state(other, adopt(optimizer.state_dict(), net, optimizer_class=Counting))
    assert other.param_groups[0]["k"] == 7
    with pytest.raises(NotAnOptimizerError):
        adopt(optimizer.state_dict(), net, optimizer_class=nn.Linear)  # type: ignore[arg-type]  # that is the point

"""State by name: every optimizer goes on to the bit under any grouping."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn, optim

import paramgroups as pg
import strategies_models as random
from kinds import FLAGS, OPTIMIZERS
from paramgroups import optim as ours
from paramgroups.errors import DuplicateNameError, ForeignParameterError, NothingToTrainError, StateMismatchError

NAMES = ["a", "b", "c", "d"]
START = [["a", "b"], ["c", "d"]]
GROUPINGS = {
    "split": [["a"], ["b"], ["c"], ["d"]],
    "merged": [["a", "b", "c", "d"]],
    "reordered": [["d", "b"], ["c"], ["a"]],
}
GLOBAL = {
    "LBFGS": [START[0] + START[1]],  # has one group, and one state for all of it, in its order
    "Prodigy": [["a"], ["b", "c"], ["d"]],  # sums up over all parameters in order for the d that all have
}
DTYPES = [torch.float32, torch.float64, torch.bfloat16]
TRIED = [(case, dtype) for case in OPTIMIZERS for dtype in (DTYPES[:1] if case in FLAGS else DTYPES)]


class Net(nn.Module):
    """Four parameters, the last of them a table with a sparse gradient where `sparse`."""

    def __init__(self, dtype: torch.dtype = torch.float32, *, sparse: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        shapes = [(3, 2), (2, 4), (4, 1), (2, 3)]
        for name, shape in zip(NAMES, shapes, strict=True):
            self.register_parameter(name, nn.Parameter(torch.randn(shape).to(dtype)))
        self.sparse = sparse

    def gradients(self, step: int) -> None:
        """Those of a step: always the same."""
        torch.manual_seed(step)
        for name in NAMES:
            parameter = self.get_parameter(name)
            gradient = torch.randn(parameter.shape).to(parameter.dtype)
            if self.sparse:
                gradient = gradient[:1].to_sparse(1).resize_as_(torch.empty_like(gradient).to_sparse(1))
            parameter.grad = gradient


def made(net: Net, case: str, grouping: Sequence[Sequence[str]], **options: Any) -> optim.Optimizer:
    """An optimizer over these groups, each with names in it."""
    kind, own = OPTIMIZERS[case]
    groups = [
        {"params": [(name, net.get_parameter(name)) for name in names], "name": "+".join(names)} for names in grouping
    ]
    return kind(groups, **copy.deepcopy(own), **options)


def train(net: Net, optimizer: optim.Optimizer, steps: range) -> None:
    """So many updates; an optimizer that has modes is in that of training."""
    getattr(optimizer, "train", lambda: None)()
    for step in steps:
        net.gradients(step)
        optimizer.step(lambda: net.get_parameter("a").sum().item())


def contents(net: Net, optimizer: optim.Optimizer) -> dict[str, Any]:
    """Every parameter and what is kept for it, by name."""
    return {name: (net.get_parameter(name).detach(), dict(optimizer.state[net.get_parameter(name)])) for name in NAMES}


def same(one: Any, other: Any) -> bool:
    """Whether all of it is equal to the bit, dtypes as well."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and type(one) is type(other)


def start(case: str, dtype: torch.dtype = torch.float32, steps: int = 5) -> tuple[Net, optim.Optimizer]:
    """A run as it is saved."""
    net = Net(dtype, sparse=case == "SparseAdam")
    optimizer = made(net, case, GLOBAL[case] if case == "LBFGS" else START)
    train(net, optimizer, range(steps))
    return net, optimizer


@pytest.mark.parametrize("module", [optim, ours], ids=["torch", "ours"])
def test_every_optimizer_is_among_those_tried(module):
    """A class that comes with a new torch, or a new one of ours, is noticed."""
    classes = {kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, optim.Optimizer)}
    assert classes - {optim.Optimizer} <= {kind for kind, _ in OPTIMIZERS.values()}


@pytest.mark.parametrize(("case", "dtype"), TRIED, ids=str)
@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # torch's own, of SparseAdam's gradients
def test_state_goes_on_under_any_grouping(case, dtype, capsys):
    """Saved after five steps, loaded into other groups, and four more: the bits of a run that was left alone.

    L-BFGS and Prodigy, whose arithmetic knows all parameters at once, keep these in their order.
    """
    whole, unbroken = start(case, dtype, steps=9)
    for grouping in [GLOBAL[case]] if case in GLOBAL else GROUPINGS.values():
        net, optimizer = start(case, dtype)
        state = pg.named_state(optimizer)
        other = made(net, case, grouping)
        capsys.readouterr()
        report = pg.load_named_state(other, state)
        assert capsys.readouterr().out == ""  # though Prodigy's constructor prints
        assert (report.moved, report.complete, report.hyperparameters) == (
            tuple(name for names in grouping for name in names),
            True,
            (),
        )
        train(net, other, range(5, 9))
        assert same(contents(net, other), contents(whole, unbroken))


@pytest.mark.parametrize("case", ["AdamWScheduleFree", "Prodigy", "RAdamScheduleFree", "SGDScheduleFree"])
def test_what_the_run_keeps_in_its_groups_comes_along(case):
    """Every entry that no constructor takes, into each of the new groups; the mode is that of the saved parameters."""
    net, optimizer = start(case)
    if case != "Prodigy":
        optimizer.eval()  # type: ignore[attr-defined]  # schedule-free ones have it
    saved = {k: v for k, v in optimizer.param_groups[0].items() if k not in {"params", "param_names", "name"}}
    assert len(saved) > len(optimizer.defaults.keys() - {"d", "k", "train_mode", "weight_sum", "lr_max"})
    other = made(net, case, GLOBAL.get(case, GROUPINGS["split"]))
    pg.load_named_state(other, pg.named_state(optimizer))
    for group in other.param_groups:
        assert {key: group[key] for key in saved} == saved


def test_an_optimizer_that_has_state_is_put_back():
    """The run goes on, and is then taken back: what came later is gone."""
    net, optimizer = start("AdamW")
    saved = copy.deepcopy((net.state_dict(), pg.named_state(optimizer)))
    train(net, optimizer, range(5, 9))
    once = copy.deepcopy(contents(net, optimizer))
    net.load_state_dict(saved[0])
    pg.load_named_state(optimizer, saved[1])
    train(net, optimizer, range(5, 9))
    assert same(contents(net, optimizer), once)


def test_a_loaded_state_is_a_copy():
    """Neither run changes the other's, whether its tensors are state, hyperparameters or the run's own."""
    net, optimizer = start("Adam, tensor")
    optimizer.param_groups[0]["mine"] = torch.ones(2)
    optimizer.state["whole"] = {"kept": [torch.ones(1)]}  # type: ignore[index]  # some keep state of no parameter
    state = pg.named_state(optimizer)
    before = copy.deepcopy(state)
    other = made(net, "Adam, tensor", START)
    pg.load_named_state(other, state, hyperparameters="saved")
    other.state["whole"]["kept"][0].zero_()  # type: ignore[index]  # as above
    train(net, other, range(5, 9))
    for group in other.param_groups:
        group["lr"].fill_(7.0)
    other.param_groups[0]["mine"].zero_()
    assert same(state, before)


def test_state_of_no_parameter_comes_along_within_a_class():
    """What another class would make of it, nobody knows."""
    net, optimizer = start("Adam")
    optimizer.state["whole"] = {"count": 3}  # type: ignore[index]  # as above
    state = pg.named_state(optimizer)
    assert state["others"] == {"whole": {"count": 3}}
    for case, expected in (("Adam", {"count": 3}), ("AdamW", None)):
        other = made(net, case, START)
        pg.load_named_state(other, state)
        assert other.state.get("whole") == expected  # type: ignore[call-overload]  # as above


def test_what_is_saved_is_plain(tmp_path):
    """It passes through a file of torch's, read without code, and says what it is of."""
    _, optimizer = start("AdamW")
    state = pg.named_state(optimizer)
    torch.save(state, tmp_path / "state.pt")
    again = torch.load(tmp_path / "state.pt", weights_only=True)
    assert same(again, state)
    assert state["optimizer"] == ("torch.optim.adamw.AdamW", "torch.optim.adam.Adam")
    assert state["parameters"]["a"].keys() == {"shape", "state"}
    assert [(group["name"], group["rules"], group["parameters"]) for group in state["groups"]] == [
        ("a+b", (), ("a", "b")),
        ("c+d", (), ("c", "d")),
    ]
    assert {"lr", "betas", "weight_decay", "maximize"} <= state["groups"][0]["settings"].keys()
    assert (
        state["groups"][0]["settings"].keys().isdisjoint({"foreach", "fused", "capturable", "differentiable", "params"})
    )
    assert state["groups"][0]["run"] == {"decoupled_weight_decay": True}


def test_lists_do_as_well_as_tuples():
    """Whoever stores state in a format of his own may get lists back."""

    def listed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: listed(item) for key, item in value.items()}
        return [listed(item) for item in value] if isinstance(value, (tuple, list)) else value

    net, optimizer = start("AdamW")
    other = made(net, "AdamW", GROUPINGS["merged"])
    report = pg.load_named_state(other, listed(pg.named_state(optimizer)), hyperparameters="saved")
    assert (report.complete, report.hyperparameters) == (True, ())
    assert same(contents(net, other), contents(net, optimizer))


@pytest.mark.parametrize("case", ["ASGD", "NAdam"])
def test_numbers_kept_more_exactly_than_parameters_stay_so(case):
    """Torch's own load rounds them to the parameter's dtype; only in a model of another dtype are they cast."""
    net, optimizer = start(case, torch.bfloat16)
    state = pg.named_state(optimizer)
    assert state["parameters"]["a"]["dtype"] == "torch.bfloat16"
    rounded = made(net, case, START)
    rounded.load_state_dict(optimizer.state_dict())
    assert not same(contents(net, rounded), contents(net, optimizer))
    wider = Net(torch.float64)
    other = made(wider, case, START)
    pg.load_named_state(other, state)
    found = other.state[wider.get_parameter("a")]
    assert {value.dtype for key, value in found.items() if key != "step"} == {torch.float64}
    train(wider, other, range(5, 6))


# --- which name is whose --------------------------------------------------------------------------------------------


def two_layers() -> nn.ModuleDict:
    """A model with modules."""
    torch.manual_seed(0)
    return nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 1)})


def stepped(optimizer: optim.Optimizer, steps: int = 1) -> optim.Optimizer:
    """After steps on gradients of 1."""
    for _ in range(steps):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    return optimizer


def test_a_model_gives_the_names_that_nobody_gave():
    """To save and to load; clean, whatever wraps it, and the optimizer's groups are left without names."""
    net = two_layers()
    optimizer = stepped(optim.AdamW(net.parameters()))
    state = pg.named_state(optimizer, nn.DataParallel(net))
    assert list(state["parameters"]) == ["body.weight", "body.bias", "head.weight", "head.bias"]
    groups = [{"params": module.parameters()} for module in (net["head"], net["body"])]
    assert pg.load_named_state(optim.AdamW(groups), state, net).complete
    assert "name" not in optimizer.param_groups[0]


def test_names_that_were_given_come_before_those_in_the_groups():
    """The side table is the truth; names that torch keeps in groups do where there is none."""
    net = two_layers()
    optimizer = optim.AdamW(net["body"].named_parameters())
    assert list(pg.named_state(optimizer)["parameters"]) == ["weight", "bias"]
    pg.name_groups(optimizer, net)
    assert list(pg.named_state(optimizer)["parameters"]) == ["body.weight", "body.bias"]


@pytest.mark.parametrize("call", [pg.named_state, lambda optimizer: pg.load_named_state(optimizer, {})])
def test_parameters_without_names_are_refused(call: Callable[[optim.Optimizer], Any]):
    """The message says which, and what to do."""
    with pytest.raises(StateMismatchError, match=r"of group 'group0' have no names\.\nSay .*model=.*pg\.name_groups"):
        call(optim.SGD([torch.zeros(1)]))


def test_two_parameters_of_one_name_are_refused():
    """As modules' own `named_parameters` would make them."""
    net = two_layers()
    groups = [{"params": module.named_parameters()} for module in net.children()]
    with pytest.raises(StateMismatchError, match=r"bear one name: 'bias', 'weight'\.\nGive each its own\."):
        pg.named_state(optim.SGD(groups))


def test_another_models_parameters_are_refused():
    """They are told by group, number and shape."""
    net = nn.Linear(2, 1)
    with pytest.raises(ForeignParameterError, match=r"group 'group0' \(number 1, shape \(1,\)\)"):
        pg.named_state(optim.SGD([net.bias, torch.zeros(1)]), net)


def test_tied_parameters_are_one():
    """Under the first of their names."""
    net = nn.ModuleDict({"embed": nn.Embedding(3, 2), "head": nn.Linear(2, 3, bias=False)})
    net["head"].weight = net["embed"].weight
    optimizer = stepped(optim.AdamW(net.parameters()))
    state = pg.named_state(optimizer, net)
    assert list(state["parameters"]) == ["embed.weight"]
    assert pg.load_named_state(optim.AdamW(net.parameters()), state, net).moved == ("embed.weight",)


# --- law 5, on random models and plans ------------------------------------------------------------------------------


def planned(model: nn.Module, plan: pg.Plan) -> optim.AdamW:
    """An optimizer with the plan's groups, where the draw allows one."""
    try:
        found: optim.AdamW = plan.build(model, optim.AdamW)
        return found
    except (NothingToTrainError, DuplicateNameError):
        assume(condition=False)
        raise


def thaws_nothing(plan: pg.Plan) -> bool:
    """Whether a step needs no timetable."""
    return not any(isinstance(rule, pg.Rule) and rule.thaw is not None for rule in plan.rules)


@settings(max_examples=30)
@given(random.models(), random.plans().filter(thaws_nothing), random.plans(), st.sampled_from(["current", "saved"]))
def test_state_belongs_to_names(model, one, other, hyperparameters):
    """Saved under one plan and loaded under another: each parameter's state is its own, and saves as the same again."""
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    before = stepped(planned(model, one), steps=2)
    for parameter in model.parameters():
        parameter.requires_grad_(all(parameter is not each for each in frozen))
    state = copy.deepcopy(pg.named_state(before))
    after = planned(model, other)
    assume({*pg.view(after)["*"].parameter_names} & {*state["parameters"]})
    homes = {name: group["settings"] for group in state["groups"] for name in group["parameters"]}
    saved = [[homes[name] for name in group.parameter_names if name in homes] for group in pg.view(after)]
    if hyperparameters == "saved" and any(own[1:] != own[:-1] for own in saved):
        with pytest.raises(StateMismatchError, match="was saved with several values"):
            pg.load_named_state(after, state, hyperparameters=hyperparameters)
        return
    report = pg.load_named_state(after, state, hyperparameters=hyperparameters)
    again = pg.named_state(after)
    assert {*report.moved} == {*again["parameters"]} & {*state["parameters"]}
    assert {*report.fresh} == {*again["parameters"]} - {*state["parameters"]}
    assert {*report.dropped} == {*state["parameters"]} - {*again["parameters"]}
    for name in report.moved:
        assert same(again["parameters"][name], state["parameters"][name])
    third = planned(model, other)
    pg.load_named_state(third, again)
    assert same(pg.named_state(third)["parameters"], again["parameters"])
    if hyperparameters == "saved":
        for group in again["groups"]:
            assert all(homes[name] == group["settings"] for name in group["parameters"] if name in homes)

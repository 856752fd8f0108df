"""Several algorithms as one optimizer: each group is updated as its own algorithm would by itself."""

import copy
from pathlib import Path
from typing import Any

import lion_pytorch
import prodigyopt
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import optims
import paramgroups as pg
import processes
import rigs
import trainers
from composed import composed
from composed_trainers import by_hand, by_lightning, by_transformers
from duels import Kind, Situation, hold
from paramgroups.errors import (
    AlgorithmError,
    GroupRefusedError,
    InvalidNameError,
    NotAnOptimizerError,
    UncomposableError,
    UnknownAlgorithmError,
    UnknownHyperparameterError,
)
from paramgroups.optim import SGD, AdamW, Composite, Lion, Muon
from situations import SITUATIONS
from workers import reshaping

TWO = {"muon": Muon, "adamw": AdamW}


def in_turns(groups: Any, **options: Any) -> Composite:
    """The same class under two names, by which groups are updated in turns."""
    named = [group | {"algorithm": ("one", "two")[index % 2]} for index, group in enumerate(groups)]
    return Composite(named, {"one": AdamW, "two": AdamW}, "one", **options)


IN_TURNS = Kind(
    in_turns,
    torch.optim.AdamW,
    {},
    {"betas": (0.8, 0.9), "eps": 0.1, "weight_decay": 0.1, "maximize": True, "decoupled_weight_decay": False},
)


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_in_every_situation_it_is_torchs(situation: Situation):
    """Whatever happens between steps happens to several algorithms as it does to torch's one: nothing is stale."""
    hold(situation, IN_TURNS)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own use of torch.jit
@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")  # DCP in one process says so
@pytest.mark.parametrize("name", composed(trainers.situations(Path())))
def test_whoever_trains_it_is_one_optimizer(name, tmp_path):
    """Accumulation, scaling, closures, copies, checkpoints, accelerate, Fabric: the schedule follows the updates."""
    rigs.hold(composed(trainers.situations(tmp_path))[name])
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.mark.filterwarnings("ignore")  # what Lightning and transformers warn of is theirs
@pytest.mark.parametrize("train", [by_lightning, by_transformers])
def test_a_trainer_runs_it_as_a_loop_of_one_s_own_would(train, tmp_path):
    """Lightning's automatic optimization and transformers' Trainer, accumulating, saved after three updates of five."""
    known = by_hand(5)
    whole, _ = train(tmp_path / "whole", 5)
    _, saved = train(tmp_path / "part", 3)
    resumed, _ = train(tmp_path / "part", 5, saved)
    for held, seen in ((whole, known.seen), (resumed, known.seen[3:])):
        assert held.seen == seen
        assert all(stood == foretold for stood, foretold in held.seen)
        assert held.scheduler.last_epoch == 5
        torch.testing.assert_close([*held.tensors()], [*known.tensors()])
    assert all(map(torch.equal, whole.tensors(), resumed.tensors()))


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)], ids=["2 → 1", "1 → 2"])
def test_a_run_goes_on_in_another_number_of_processes(before, after, tmp_path):
    """FSDP2 and torch's distributed checkpoint: the same state, and the updates that would have been made."""
    assert processes.said(reshaping.__file__, "save", tmp_path, processes=before) == ["saved"] * before
    assert processes.said(reshaping.__file__, "load", tmp_path, processes=after) == ["same"] * after


def net() -> Any:
    """Matrices and what is none, always the same."""
    torch.manual_seed(0)
    return nn.ModuleDict({"body": nn.Linear(4, 6), "norm": nn.LayerNorm(6), "head": nn.Linear(6, 3)})


PLAN = pg.Plan(
    pg.Rule(pg.Ndim(2) & ~pg.Named("head.*"), algorithm="muon", lr=0.02, name="hidden"),
    pg.Rule(pg.NORMS | pg.BIASES, weight_decay=0.0, name="no_decay"),
    lr=0.01,
    weight_decay=0.1,
)


def built(model: nn.Module, **options: Any) -> Composite:
    """The usual one."""
    made: Composite = PLAN.build(model, TWO, default="adamw", **options)
    return made


def give(model: nn.Module, step: int) -> None:
    """Gradients that depend on the step alone."""
    drawn = torch.Generator().manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=drawn)


def test_each_group_is_updated_as_by_its_own_optimizer():
    """Five steps are those of two optimizers stepped apart, to the bit; so is the state."""
    one, other = net(), net()
    composite = built(one)
    assert [(group["name"], group["algorithm"]) for group in composite.param_groups] == [
        ("hidden", "muon"),
        ("no_decay", "adamw"),
        ("default", "adamw"),
    ]
    few: list[Any] = [
        {"params": [other["body"].bias, *other["norm"].parameters(), other["head"].bias], "weight_decay": 0.0},
        {"params": [other["head"].weight]},
    ]
    apart = [
        Muon([other["body"].weight], lr=0.02, weight_decay=0.1),
        AdamW(few, lr=0.01, weight_decay=0.1),
    ]
    for step in range(5):
        give(one, step)
        give(other, step)
        composite.step()
        for each in apart:
            each.step()
    state = {parameter: kept for each in apart for parameter, kept in each.state.items()}
    for own, known in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(own, known)
        assert composite.state[own].keys() == state[known].keys()
        assert all(torch.equal(composite.state[own][key], state[known][key]) for key in state[known])


# --- groups -----------------------------------------------------------------------------------------------------------


def test_groups_keep_the_order_in_which_they_were_given():
    """Whatever their algorithms, so that positions mean what the user wrote."""
    params = [nn.Parameter(torch.zeros(2, 2)) for _ in range(4)]
    names = ["muon", "adamw", "muon", "adamw"]
    optimizer = Composite([{"params": [p], "algorithm": a} for p, a in zip(params, names, strict=True)], TWO)
    assert [group["algorithm"] for group in optimizer.param_groups] == names
    assert [group["params"][0] is p for group, p in zip(optimizer.param_groups, params, strict=True)] == [True] * 4


def test_a_group_has_what_its_own_algorithm_has():
    """As that class would have filled it in, and what was said for all."""
    one, other = nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(2))
    optimizer = Composite(
        [{"params": [one], "algorithm": "muon", "mark": "mine"}],
        TWO,
        "adamw",
        weight_decay=0.5,
        betas=(0.8, 0.9),
    )
    optimizer.add_param_group({"params": other, "name": "rest", "lr": 0.3})
    muon, adamw = optimizer.param_groups
    alone = Muon([one], weight_decay=0.5).param_groups[0]
    assert muon == alone | {"algorithm": "muon", "mark": "mine"}
    assert adamw == AdamW([other], weight_decay=0.5, betas=(0.8, 0.9), lr=0.3).param_groups[0] | {
        "algorithm": "adamw",
        "name": "rest",
    }
    assert optimizer.defaults == {"lr": 1e-3, "weight_decay": 0.5, "eps": 1e-8, "algorithm": "adamw"}


def test_a_group_that_is_added_is_left_as_it_was_and_no_two_share_a_tensor():
    """The caller's dict is not touched; a default lr in a tensor is each group's own."""
    lr = torch.tensor(0.1)
    given = {"params": [nn.Parameter(torch.zeros(2, 2))], "algorithm": "muon"}
    optimizer = Composite([given], TWO, lr=lr)
    assert given.keys() == {"params", "algorithm"}
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))], "algorithm": "adamw", "foreach": False})
    rates = [group["lr"] for group in optimizer.param_groups]
    assert all(isinstance(rate, torch.Tensor) and rate is not lr for rate in rates)
    assert rates[0] is not rates[1]


@pytest.mark.parametrize(
    ("group", "error", "text"),
    [
        ({}, UnknownAlgorithmError, "Nothing says by which algorithm group 'group1' is updated"),
        ({"algorithm": "moun"}, UnknownAlgorithmError, "'moun' in group 'group1'.*\nDid you mean 'muon'"),
        ({"algorithm": ["muon"]}, UnknownAlgorithmError, "group 'group1' is none of those"),
        (
            {"algorithm": "adamw", "name": "rest", "momentum": 0.9},
            UnknownHyperparameterError,
            "'momentum', given in group 'rest', is no hyperparameter of AdamW",
        ),
        ({"algorithm": "adamw", "weigth_decay": 1.0}, UnknownHyperparameterError, "Did you mean 'weight_decay'"),
        (
            {"algorithm": "adamw", "name": "rest", "lr": -1.0},
            GroupRefusedError,
            "refuses group 'rest': Invalid l",
        ),
        (
            {"algorithm": "muon", "name": "rest"},
            GroupRefusedError,
            r"Muon refuses group 'rest': .* shape \(2,\)",
        ),
    ],
    ids=str,
)
def test_a_group_that_its_algorithm_does_not_take_is_refused(group, error, text):
    """By name, with what would have been right; the optimizer is as it was."""
    optimizer = Composite([{"params": [nn.Parameter(torch.zeros(2, 2))], "algorithm": "muon"}], TWO)
    before = list(optimizer.param_groups)
    with pytest.raises(error, match=text):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))], **group})
    assert optimizer.param_groups == before


def test_a_parameter_in_two_groups_is_refused_as_by_torch():
    """Whichever algorithms they have."""
    weight = nn.Parameter(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="appear in more than one parameter group"):
        Composite([{"params": [weight], "algorithm": name} for name in TWO], TWO)


@pytest.mark.parametrize(
    ("algorithms", "options", "error", "text"),
    [
        ({}, {}, TypeError, "names no algorithms"),
        (AdamW, {}, TypeError, "Pass a mapping from names to classes"),
        ({"a b": AdamW}, {}, InvalidNameError, "'a b' cannot be the name"),
        ({"adamw": nn.Linear}, {}, NotAnOptimizerError, "the class Linear is not a subclass"),
        ({"lbfgs": torch.optim.LBFGS}, {}, UncomposableError, "LBFGS cannot be one of several"),
        ({"adamw": AdamW}, {"default": "adam"}, UnknownAlgorithmError, "Did you mean 'adamw'"),
        ({"adamw": AdamW}, {"momentun": 1}, UnknownHyperparameterError, "of AdamW"),
    ],
)
def test_what_is_no_set_of_algorithms_is_refused(algorithms, options, error, text):
    """Before any group is made."""
    with pytest.raises(error, match=text):
        Composite([nn.Parameter(torch.zeros(2, 2))], algorithms, **options)


def test_an_edited_algorithm_is_found_out_or_starts_anew():
    """A group that has not what the other needs is refused before anything moves; state of another class is dropped."""
    model = net()
    optimizer = built(model)
    give(model, 0)
    optimizer.step()
    before = copy.deepcopy(list(model.parameters()))
    optimizer.param_groups[0]["algorithm"] = "adamw"
    with pytest.raises(AlgorithmError, match="Group 'hidden' is to be updated by 'adamw', but has no betas"):
        optimizer.step()
    optimizer.param_groups[0]["algorithm"] = "adam"
    with pytest.raises(UnknownAlgorithmError, match="'adam' in group 'hidden'"):
        optimizer.step()
    assert all(map(torch.equal, before, model.parameters()))
    optimizer.param_groups[0] = optimizer.param_groups[2] | {"params": [model["body"].weight]}
    optimizer.step()
    assert optimizer.state[model["body"].weight]["step"] == 1
    assert optimizer.state[model["head"].weight]["step"] == 2


def test_an_algorithm_is_not_written_through_a_view():
    """The view shows it, and says how parameters get another."""
    view = pg.view(built(net()))
    assert view["hidden"].algorithm == "muon"
    assert "adamw" in str(view)
    with pytest.raises(AlgorithmError, match=r"pg\.regroup\.move"):
        view["hidden"].algorithm = "adamw"
    with pytest.raises(UnknownHyperparameterError, match="in group 'hidden', is no hyperparameter of Muon"):
        view["hidden"]["betas"] = (0.9, 0.9)


# --- one optimizer ----------------------------------------------------------------------------------------------------


def test_hooks_fire_once_and_never_those_of_the_algorithms():
    """The optimizer's own and those of all optimizers, around the whole update."""
    model = net()
    optimizer = built(model)
    give(model, 0)
    optimizer.step()
    seen: list[Any] = []
    handles = [
        register_optimizer_step_pre_hook(lambda which, *_: seen.append(("before all", which))),
        register_optimizer_step_post_hook(lambda which, *_: seen.append(("after all", which))),
        optimizer.register_step_pre_hook(lambda which, *_: seen.append(("before", which))),
        optimizer.register_step_post_hook(lambda which, *_: seen.append(("after", which))),
    ]
    for inner in optimizer._inner.values():
        inner.register_step_post_hook(lambda *_: seen.append("inner"))
    optimizer.step()
    for handle in handles:
        handle.remove()
    assert seen == [(when, optimizer) for when in ("before all", "before", "after", "after all")]


@pytest.mark.parametrize(
    ("algorithms", "options", "left"),
    [
        ({"one": AdamW, "two": Lion}, {}, True),
        ({"one": torch.optim.AdamW, "two": SGD}, {"fused": True}, True),
        ({"one": torch.optim.AdamW, "two": SGD}, {}, False),
        ({"one": AdamW, "two": torch.optim.SGD}, {}, False),
    ],
)
def test_a_scaler_leaves_the_step_what_all_algorithms_can_do(algorithms, options, left):
    """An overflow skips all or none, and gradients are divided once, whoever does it."""
    found = []
    for scaled in (True, False):
        params = optims.parameters()
        groups = [{"params": params[i::2], "algorithm": name} for i, name in enumerate(algorithms)]
        optimizer: Any = Composite(groups, algorithms, lr=0.1, **options)
        assert optimizer._step_supports_amp_scaling is left
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0, enabled=scaled)
        scaler.scale(torch.ones(()))
        for step in range(4):
            optims.give_gradients(params, step, missing=False)
            for parameter in params:
                assert parameter.grad is not None
                parameter.grad *= scaler.get_scale() if scaled else 1.0
            before = copy.deepcopy(params)
            if step == 1:
                params[-1].grad.fill_(torch.inf)  # type: ignore[union-attr]  # it was given one
            if scaled or step != 1:
                scaler.step(optimizer)
                scaler.update()
            if step == 1:
                assert all(map(torch.equal, before, params))
        assert not {"grad_scale", "found_inf"} & vars(optimizer).keys()
        found.append(params)
    torch.testing.assert_close(*found)


def test_tables_are_made_once():
    """What is lent is what was there: no step but the first two makes a roster."""
    model = net()
    optimizer = built(model)
    rosters: list[Any] = []
    for step in range(4):
        give(model, step)
        optimizer.step()
        rosters.append(vars(optimizer._inner["adamw"])["_roster"])
    assert rosters[1] is rosters[2] is rosters[3] is not None


@pytest.mark.parametrize("copier", [copy.deepcopy, trainers.pickled, trainers.saved])
def test_a_copy_goes_on_by_itself(copier):
    """Algorithms, defaults, groups and state are in it."""
    model = net()
    optimizer = built(model, betas=(0.8, 0.9))
    give(model, 0)
    optimizer.step()
    other, twin = copier((model, optimizer))
    for step in (1, 2):
        for net_, each in ((model, optimizer), (other, twin)):
            give(net_, step)
            each.step()
    assert all(map(torch.equal, model.parameters(), other.parameters()))
    twin.add_param_group({"params": nn.Parameter(torch.zeros(2))})
    assert twin.param_groups[-1]["betas"] == (0.8, 0.9)
    assert len(optimizer.param_groups) == 3


def test_state_is_what_torch_s_classes_keep():
    """The layout is torch's own, algorithm and all, and a file of torch's takes it."""
    model = net()
    optimizer = built(model)
    give(model, 0)
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1, 2, 3, 4], [5]]
    assert [set(state["state"][index]) for index in (0, 1)] == [{"momentum_buffer"}, {"step", "exp_avg", "exp_avg_sq"}]
    other = built(net())
    other.load_state_dict(trainers.saved(state))
    assert other.state_dict()["param_groups"] == state["param_groups"]


def test_a_state_of_other_algorithms_is_refused_before_anything_changes():
    """And one of an optimizer of one class, which says nothing of algorithms."""
    model = net()
    optimizer = built(model)
    give(model, 0)
    optimizer.step()
    before = optimizer.state_dict()
    others = {"muon": Muon, "lion": Lion}
    theirs = Composite([{"params": [p], "algorithm": "lion"} for p in net().parameters()], others)
    with pytest.raises(UnknownAlgorithmError, match="'lion' in group 0 of the state"):
        optimizer.load_state_dict(theirs.state_dict())
    with pytest.raises(AlgorithmError, match=r"of an optimizer of one class\.\nLoad it by name: pg\.load_named_state"):
        optimizer.load_state_dict(AdamW(net().parameters()).state_dict())
    assert trainers.pickled(optimizer.state_dict()).keys() == before.keys()
    assert optimizer.state[model["body"].weight] is before["state"][0]


def test_whatever_a_class_makes_before_its_first_step_is_kept():
    """Torch's Adagrad keeps a sum from the start; Prodigy what it has learnt in its groups."""
    params = optims.parameters(shapes=[(2, 3), (3,), (2, 2)])
    kinds = {"adagrad": torch.optim.Adagrad, "prodigy": prodigyopt.Prodigy, "lion": lion_pytorch.Lion}
    groups: Any = [{"params": [p], "algorithm": name} for p, name in zip(params, kinds, strict=True)]
    optimizer = Composite(groups, kinds, initial_accumulator_value=0.5, decoupled_weight_decay=True)
    assert torch.equal(optimizer.state[params[0]]["sum"], torch.full((2, 3), 0.5))
    alone = optims.parameters(shapes=[(2, 3), (3,), (2, 2)])
    apart: Any = [
        torch.optim.Adagrad([alone[0]], initial_accumulator_value=0.5),
        prodigyopt.Prodigy([alone[1]]),
        lion_pytorch.Lion([alone[2]], decoupled_weight_decay=True),
    ]
    for step in range(4):
        for own, which in ((params, [optimizer]), (alone, apart)):
            optims.give_gradients(own, step, missing=False)
            for each in which:
                each.step()
    assert all(map(torch.equal, params, alone))
    assert optimizer.param_groups[1]["k"] == apart[1].param_groups[0]["k"] == 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@settings(max_examples=8)
@given(partition=st.lists(st.integers(0, 5), min_size=9, max_size=9))
def test_grouping_changes_no_bit(dtype, partition):
    """Law 7: the same algorithms under the same hyperparameters, in any groups in any order, on a processor."""
    shapes = [(4, 6), (6, 4), (4, 6), (3,), (4, 6), (6, 4), (5,), (), (2, 2)]
    names = ["muon" if len(shape) == 2 and shape != (2, 2) else "adamw" for shape in shapes]
    found = []
    for parts in ([0] * 9, partition):
        params = optims.parameters(dtype, shapes)
        groups: dict[tuple[int, str], list[nn.Parameter]] = {}
        for parameter, part, name in zip(params, parts, names, strict=True):
            groups.setdefault((part, name), []).append(parameter)
        dicts: Any = [{"params": own, "algorithm": name} for (_, name), own in sorted(groups.items(), key=repr)]
        optimizer = Composite(dicts, TWO, lr=0.02)
        for step in range(5):
            optims.give_gradients(params, step)
            optimizer.step()
        found.append((params, optimizer))
    optims.assert_equal(*found, rtol=0, atol=0)

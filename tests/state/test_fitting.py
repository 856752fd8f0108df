"""What a class keeps, told by one step of a stand-in that leaves no trace."""

import copy
from typing import Any

import prodigyopt
import pytest
import schedulefree
import torch
from torch import nn, optim

from paramgroups.state.fitting import Answers, Fitting, run_state, settings

SQUARE = torch.zeros(3, 3)
ADAM = frozenset({"step", "exp_avg", "exp_avg_sq"})


def fitting(kind: type[optim.Optimizer], answers: Answers | None = None, **options: Any) -> Fitting:
    """Of an optimizer with one group."""
    optimizer = kind([nn.Parameter(torch.ones(2, 2))], **options)
    return Fitting(type(optimizer), optimizer.param_groups[0], {} if answers is None else answers)


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (optim.Adam, {}, ADAM),
        (optim.Adam, {"amsgrad": True}, ADAM | {"max_exp_avg_sq"}),
        (optim.Adam, {"lr": torch.tensor(0.1), "foreach": True, "capturable": True}, ADAM),
        (optim.AdamW, {"fused": True}, ADAM),
        (optim.SGD, {}, set()),
        (optim.SGD, {"momentum": 0.9}, {"momentum_buffer"}),
        (optim.RMSprop, {"centered": True}, {"step", "square_avg", "grad_avg"}),
        (optim.RMSprop, {"momentum": 0.9}, {"step", "square_avg", "momentum_buffer"}),
        (optim.Adafactor, {}, {"step", "row_var", "col_var"}),
        (optim.Muon, {}, {"momentum_buffer"}),
        (prodigyopt.Prodigy, {"weight_decay": 0.1}, {"step", "s", "p0", "exp_avg", "exp_avg_sq"}),
        (prodigyopt.Prodigy, {"betas": (0.0, 0.9)}, {"step", "s", "p0", "exp_avg_sq"}),
    ],
)
def test_the_settings_decide_what_is_kept(kind, options, expected):
    """Told by the class itself, whatever it is and however it computes."""
    assert fitting(kind, **options).kept(SQUARE) == expected


def test_the_shape_may_decide_it_too():
    """Adafactor factors matrices, and Muon takes nothing else."""
    assert fitting(optim.Adafactor).kept(torch.zeros(3)) == frozenset({"step", "variance"})
    assert fitting(optim.Muon).kept(torch.zeros(3)) is None


class Stubborn(optim.SGD):
    """Wants more than parameters and settings."""

    def __init__(self, params: Any, wanted: str, lr: float = 0.1) -> None:
        super().__init__(params, lr)


@pytest.mark.parametrize("kind", [optim.LBFGS, optim.SparseAdam, schedulefree.SGDScheduleFree])
def test_some_classes_cannot_be_asked(kind):
    """One needs a closure, one sparse gradients, one a mode."""
    found = fitting(kind)
    assert (found.kept(SQUARE), found.fresh(SQUARE), found.own) == (None, None, None)


def test_nor_can_one_that_needs_what_is_in_no_group():
    """Its constructor says no."""
    optimizer = Stubborn([nn.Parameter(SQUARE)], "this")
    assert Fitting(type(optimizer), optimizer.param_groups[0], {}).kept(SQUARE) is None


def test_each_kind_of_group_is_asked_once():
    """Other numbers make no other kind, other switches do, and so does 0."""
    asked = []

    class Counted(optim.RMSprop):
        def __init__(self, params: Any, lr: Any = 0.1, momentum: float = 0.0, centered: bool = False) -> None:
            super().__init__(params, lr=lr, momentum=momentum, centered=centered)
            asked.append((lr, momentum, centered))

    answers: Answers = {}
    found = [
        fitting(Counted, answers, **options)
        for options in ({}, {"lr": 0.2}, {"momentum": 0.9}, {"momentum": 0.8}, {"centered": True})
    ]
    asked.clear()
    for each in found:
        for parameter in (SQUARE, torch.zeros(5, 4)):
            each.kept(parameter)
    assert asked == [(0.1, 0.0, False), (0.1, 0.9, False), (0.1, 0.0, True)]
    assert found[0].kind == found[1].kind != found[2].kind


def test_a_tensor_is_told_by_its_number():
    """A momentum of 0 is none, in a tensor as well."""
    one, other = (fitting(optim.Adam, lr=torch.tensor(lr)) for lr in (0.0, 0.1))
    assert one.kind != other.kind
    assert one.kept(SQUARE) == other.kept(SQUARE) == ADAM


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_fresh_state_is_that_of_a_first_step(dtype):
    """In the parameter's own shape and dtype, with the group's own numbers."""
    state = fitting(optim.Adam, amsgrad=True).fresh(torch.ones(4, 5, dtype=dtype))
    assert state is not None
    assert {key: (value.shape, value.dtype) for key, value in state.items()} == {
        "step": (torch.Size([]), torch.float32),
        **dict.fromkeys(("exp_avg", "exp_avg_sq", "max_exp_avg_sq"), (torch.Size([4, 5]), dtype)),
    }
    assert not any(value.any() for key, value in state.items() if key != "step")
    rates = (fitting(optim.Rprop, lr=lr).fresh(SQUARE) for lr in (0.1, 0.2))
    assert [float(state["step_size"][0, 0]) for state in rates if state] == pytest.approx([0.1, 0.2])


def test_asking_leaves_no_trace(capsys):
    """Nothing is drawn, printed, warned of, or changed in the optimizer."""

    class Loud(optim.Adam):
        def step(self, closure: Any = None) -> Any:
            print("stepping", torch.rand(1))  # noqa: T201  # that is the point
            torch.nn.functional.mse_loss(torch.ones(2), torch.ones(1))  # warns of the shapes
            return super().step(closure)

    optimizer = Loud([nn.Parameter(torch.ones(2))], lr=torch.tensor(0.1))
    before, seed = copy.deepcopy(optimizer.state_dict()), torch.get_rng_state()
    found = Fitting(type(optimizer), optimizer.param_groups[0], {})
    assert found.kept(SQUARE) == ADAM
    assert found.own == frozenset(optimizer.param_groups[0])
    assert optimizer.state_dict() == before
    assert torch.equal(torch.get_rng_state(), seed)
    assert capsys.readouterr() == ("", "")


def test_what_a_user_sets_and_what_the_run_keeps_are_told_apart():
    """By what the constructor takes; how a step is computed is neither."""
    optimizer = prodigyopt.Prodigy([{"params": [torch.zeros(1)], "name": "all", "mine": 3}])
    (group,) = optimizer.param_groups
    assert settings(optimizer, group).keys() >= {"lr", "betas", "d0", "slice_p"}
    assert run_state(optimizer, group).keys() == {"d", "d_max", "d_numerator", "k", "mine"}
    adam = optim.Adam([torch.zeros(1)], foreach=True)
    both = settings(adam, adam.param_groups[0]).keys() | run_state(adam, adam.param_groups[0]).keys()
    assert both.isdisjoint({"foreach", "fused", "capturable", "differentiable", "params"})


def test_the_class_tells_which_entries_of_a_group_are_its_own():
    """Those that are there after a step of it; what else is there, a user put there."""
    own = fitting(prodigyopt.Prodigy).own
    assert own is not None
    assert own >= {"d", "d_max", "d_numerator", "d_denom", "d_hat", "k"}
    assert "mine" not in own

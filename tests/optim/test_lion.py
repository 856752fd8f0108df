"""Lion against the package of its name, and what torch has no class for."""

import lion_pytorch
import pytest
import torch

from optims import SHAPES, assert_equal, parameters, served, trained
from paramgroups import optim
from paramgroups.errors import HyperparameterValueError

CASES = {"plain": {"lr": 0.01}, "decayed": {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.95)}}


def edit(group, step):
    """Other numbers in each step, as a scheduler writes them."""
    group["lr"] = 0.1 / (1 + step)


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_it_is_lion_pytorchs(options):
    """Fifty steps under changing hyperparameters give its parameters and its state."""
    made = trained(optim.Lion, options, torch.float64, edit=edit)
    assert served(made[1]) == len(SHAPES)
    assert_equal(made, trained(lion_pytorch.Lion, options, torch.float64, edit=edit), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_narrow_signs_are_the_wide_ones_where_there_is_a_direction(dtype):
    """Where the direction is larger than its rounding, every element moves as in float64, by lr."""
    lr, beta1 = 0.25, 0.9
    (narrow, one), (wide, _) = (trained(optim.Lion, {"lr": lr}, kind, steps=2) for kind in (dtype, torch.float64))
    again, _ = trained(optim.Lion, {"lr": lr}, dtype, steps=1)
    for own, other, before in zip(narrow, wide, again, strict=True):
        if own.grad is None:
            continue
        average = one.state[own]["exp_avg"].double()
        direction = beta1 * (average - 0.01 * own.grad.double()) / 0.99 + (1 - beta1) * own.grad.double()
        sure = direction.abs() > 0.02
        assert torch.equal((own - before).sign()[sure].double(), -direction.sign()[sure])
        assert bool(sure.any()) or own.numel() == 1
        assert own.shape == other.shape


def test_complex_numbers_move_in_both_parts():
    """What tables do not serve takes the definition: real and imaginary part each move by lr."""
    weight = torch.nn.Parameter(torch.zeros(2, dtype=torch.complex64))
    optimizer = optim.Lion([weight], lr=0.5)
    for _ in range(2):
        weight.grad = torch.tensor([3 - 2j, 0.1j])
        optimizer.step()
    assert weight.tolist() == [-1 + 1j, -1j]


def test_sparse_gradients_are_refused():
    """The average of a sparse gradient moves everywhere."""
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.ones(2).to_sparse()
    with pytest.raises(RuntimeError, match="Lion takes no sparse gradients"):
        optim.Lion([weight]).step()


@pytest.mark.parametrize(
    "options", [{"lr": -1.0}, {"betas": (0.9, 1.0)}, {"betas": (0.9,)}, {"weight_decay": -0.1}], ids=str
)
def test_a_value_out_of_range_is_refused(options):
    """As everywhere in the package, by name."""
    with pytest.raises(HyperparameterValueError, match=next(iter(options))):
        optim.Lion(parameters(), **options)


def test_a_gradient_that_is_no_number_leaves_its_weight_where_it_is():
    """As in the package of its name: the sign of NaN is 0."""
    found = []
    for make in (optim.Lion, lion_pytorch.Lion):
        weight = torch.nn.Parameter(torch.ones(2))
        optimizer = make([weight], lr=0.25, betas=(0.9, 0.99))
        for gradient in ([1.0, 1.0], [1.0, float("nan")]):
            weight.grad = torch.tensor(gradient)
            optimizer.step()
        found.append(weight.tolist())
    assert found == [[0.5, 0.75]] * 2

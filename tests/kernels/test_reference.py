"""The definition of an algorithm's step, on whole tensors."""

import torch

from paramgroups.kernels import reference
from paramgroups.kernels.algorithm import Algorithm, where
from paramgroups.optim.adam import ADAM, AMSGRAD


def capped(p, g, most, cap, lr):
    """A step no longer than the cap, which remembers the greatest gradient."""
    g = where(g > cap, cap + 0.0 * g, g)
    return p - lr * g, where(g > most, g, most)


CAPPED = Algorithm(capped, lambda step, cap, lr: (cap, lr * step), ("most",))


def test_it_updates_in_place():
    """Parameter and state change, the gradient does not, and scalars are made from step and hyperparameters."""
    p, g, most = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 3.0]), torch.tensor([0.75, 0.0])
    reference.run(CAPPED, p, g, [most], 2.0, [1.0, 0.25])
    assert (p.tolist(), g.tolist(), most.tolist()) == ([0.75, 1.5], [0.5, 3.0], [0.75, 1.0])


def test_absent_state_is_0():
    """Without its greatest, AMSGrad is Adam; nothing is written for what is not kept."""
    values = [0.1, 0.9, 0.999, 1e-8, 0.0, False, True]
    start, gradient = torch.tensor([1.0, -1.0]), torch.tensor([0.5, 2.0])
    found = []
    for algorithm, count in ((ADAM, 2), (AMSGRAD, 3)):
        p, state = start.clone(), [torch.zeros(2) for _ in range(count)]
        reference.run(algorithm, p, gradient, state, 1.0, values)
        found.append((p, *state[:2]))
    assert all(map(torch.equal, *found))


def test_narrow_numbers_are_computed_wide():
    """In bfloat16 a gradient's square is not rounded before its root is taken."""
    p, g = torch.tensor([1.0], dtype=torch.bfloat16), torch.tensor([0.33], dtype=torch.bfloat16)
    state = [torch.zeros(1, dtype=torch.bfloat16) for _ in range(2)]
    reference.run(ADAM, p, g, state, 1.0, [0.5, 0.0, 0.0, 0.0, 0.0, False, True])
    assert p.item() == 0.5
    assert state[1].item() == (g.float() ** 2).bfloat16().item()

"""Which classes can be one algorithm of several, and what is said of the others."""

from typing import Any

import lion_pytorch
import prodigyopt
import pytest
import schedulefree
import torch
from torch import nn
from torch.optim import Optimizer

from kinds import OPTIMIZERS
from paramgroups.errors import NotAnOptimizerError, UncomposableError
from paramgroups.optim.composable import check_behaviour, check_class

LIKE = nn.Parameter(torch.ones(3, 5))


def check(kind: type[Optimizer], options: Any = {}) -> None:  # noqa: B006 - it is not changed
    """All that is looked at."""
    check_class(kind)
    check_behaviour(kind, LIKE, options)


class Sam(Optimizer):
    """As it is published: two steps of another optimizer, and a closure."""

    def __init__(self, params: Any, rho: float = 0.05) -> None:
        super().__init__(params, {"rho": rho})
        self.base_optimizer = torch.optim.SGD(self.param_groups, lr=0.1)

    def step(self, closure: Any = None) -> Any:
        assert closure is not None, "SAM needs a closure"
        self.base_optimizer.step()


class Asking(Optimizer):
    """Needs a closure, and says so only when it is stepped."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {})

    def step(self, closure: Any = None) -> Any:
        return closure()


class Counting(Optimizer):
    """Counts its steps where no checkpoint sees them."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {})
        self.count = 0

    def step(self, closure: Any = None) -> Any:
        self.count += 1


class Averaging(Counting):
    """Keeps a tensor in a list."""

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self.averages = [torch.zeros(2)]

    def step(self, closure: Any = None) -> Any:
        self.averages[0] += 1.0


class Holding(Counting):
    """Keeps parameters beside its groups."""

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self.flat = [p for group in self.param_groups for p in group["params"]]


class Single(Counting):
    """Takes one group."""

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        if len(self.param_groups) > 1:
            raise ValueError("one group only")


class Elsewhere(Counting):
    """Steps on another device alone, whatever it is given."""

    def step(self, closure: Any = None) -> Any:
        raise RuntimeError("no such device")


class Caching(Counting):
    """What is no number is a cache, and is made anew."""

    def step(self, closure: Any = None) -> Any:
        self.cache = object()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (torch.optim.LBFGS, r"its step\(\) needs a closure"),
        (schedulefree.AdamWScheduleFree, r"it has a train\(\) and an eval\(\) mode"),
        (schedulefree.SGDScheduleFree, r"it has a train\(\) and an eval\(\) mode"),
        (Sam, "it steps another optimizer, its base_optimizer"),
        (Asking, r"its step\(\) needs a closure"),
        (Counting, "it keeps state outside `state`, in count, which no checkpoint would hold"),
        (Averaging, "it keeps state outside `state`, in averages, which"),
        (Holding, "it keeps parameters outside its groups, in flat"),
        (Single, r"it takes no two groups \(one group only\)"),
    ],
)
def test_a_class_that_cannot_be_one_of_several_is_refused_by_name(kind, reason):
    """The reason is in the error, and a way out."""
    with pytest.raises(UncomposableError, match=f"^{kind.__name__} cannot be one of several algorithms: {reason}"):
        check(kind)


COMPOSABLE = {
    name: case
    for name, case in OPTIMIZERS.items()
    if not name.endswith("ScheduleFree") and name not in {"LBFGS", "SparseAdam", "Composite, ours"}
}


@pytest.mark.parametrize(("kind", "options"), COMPOSABLE.values(), ids=COMPOSABLE)
def test_ours_torchs_and_others_classes_are_accepted(kind, options):
    """Whatever they keep is in state and groups; what they were tried on leaves no trace."""
    seeds = torch.get_rng_state()
    check(kind, options)
    assert torch.equal(torch.get_rng_state(), seeds)


@pytest.mark.parametrize("kind", [Elsewhere, Caching, lion_pytorch.Lion, prodigyopt.Prodigy])
def test_what_cannot_be_tried_or_only_caches_is_not_judged(kind):
    """A class for another device fails in its own words, when it is stepped."""
    check(kind)


def test_parameters_on_meta_are_tried_on_the_processor():
    """A model may be planned before it is loaded."""
    check_behaviour(torch.optim.AdamW, torch.empty(3, 5, device="meta"), {})
    with pytest.raises(UncomposableError):
        check_behaviour(Counting, torch.empty(3, 5, device="meta"), {})


def test_what_is_no_class_of_optimizers_is_refused():
    """As everywhere."""
    with pytest.raises(NotAnOptimizerError):
        check_class(nn.Linear)  # type: ignore[arg-type]  # that is the point

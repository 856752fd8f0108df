"""What the tables are made from may change at any time: nothing is read or written where it no longer is."""

import copy
import gc
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from duels import KINDS, PARTITION, Kind, Side, Situation, hold
from optims import parameters, served
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

from paramgroups import optim

PLACE = 0
"""Of the parameter to which it happens; it has two axes, of 7 and 9."""
FEW = {name: KINDS[name] for name in ("SGD", "Adam")}
"""One that counts steps and keeps three tensors for each parameter, and one that does not, and keeps one."""
Make = Callable[[Tensor], Tensor]


class Marked(Tensor):
    """A subclass whose numbers are its own."""


class Elsewhere(Tensor):
    """A subclass whose numbers are another tensor's."""

    held: Tensor

    @staticmethod
    def __new__(cls, held):
        wrapper = Tensor._make_wrapper_subclass(cls, held.shape, dtype=held.dtype)  # type: ignore[attr-defined]  # no stub
        wrapper.held = held
        return wrapper

    def __init__(self, held):
        pass

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        args, kwargs = tree_map(lambda each: each.held if isinstance(each, cls) else each, (args, kwargs or {}))
        return function(*args, **kwargs)

    def __deepcopy__(self, memo):
        return self.held.clone()


# --- gradients ------------------------------------------------------------------------------------


def with_gradient(side: Side, make: Callable[[Tensor], Tensor | None], *, by_data: bool = False) -> None:
    """Two steps in which one gradient is another tensor's."""
    for _ in range(2):
        side.give()
        gradient = side.params[PLACE].grad
        assert gradient is not None
        made = make(gradient)
        if by_data:
            gradient.data = made  # type: ignore[assignment]  # never None here
        else:
            side.params[PLACE].grad = made
        side.update()


def negated(gradient: Tensor) -> Tensor:
    """The same numbers, as the imaginary part of a conjugate: their opposites, still to be negated."""
    return torch.complex(torch.zeros_like(gradient), -gradient).conj().imag


def in_another_order(gradient: Tensor) -> Tensor:
    """A transposed matrix."""
    return gradient.t().contiguous().t()


def with_gaps(gradient: Tensor) -> Tensor:
    """Every second element of a longer one."""
    return gradient.repeat_interleave(2, 1)[:, ::2]


def that_needs_a_gradient(gradient: Tensor) -> Tensor:
    """As `create_graph` leaves it."""
    return (gradient.requires_grad_() * 2).view_as(gradient)


GRADIENTS = {
    "None": lambda gradient: None,
    "in another order": in_another_order,
    "with gaps": with_gaps,
    "expanded": lambda gradient: gradient[:1].expand(7, 9),
    "at an odd offset": lambda gradient: torch.cat([gradient.flatten(), gradient.flatten()])[5:68].view(7, 9),
    "negated later": negated,
    "zeros that stand nowhere": lambda gradient: torch._efficientzerotensor((7, 9)),
    "sparse": lambda gradient: gradient.to_sparse(),
    "a parameter": nn.Parameter,
    "a subclass": lambda gradient: gradient.as_subclass(Marked),
    "a subclass whose numbers are elsewhere": Elsewhere,
    "that needs a gradient": that_needs_a_gradient,
}
CHANGED_GRADIENTS = {
    "of another dtype": lambda gradient: gradient.double(),
    "of a narrower dtype": lambda gradient: gradient.bfloat16(),
    "of another shape": lambda gradient: gradient.view(9, 7),
    "of fewer elements": lambda gradient: gradient[:1],
    "of more axes": lambda gradient: gradient[None],
    "of one element": lambda gradient: gradient[0, 0],
    "in another order": in_another_order,
}


@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # torch's Adagrad says so, once
@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("make", GRADIENTS.values(), ids=GRADIENTS)
def test_a_gradient_may_be_any_tensor(make: Make, kind: Kind):
    """Whatever torch takes is taken, in the same way; whatever torch refuses is refused."""
    hold(Situation(partial(with_gradient, make=make), culprits=(PLACE,)), kind)


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("make", CHANGED_GRADIENTS.values(), ids=CHANGED_GRADIENTS)
def test_a_gradient_may_become_another(make: Make, kind: Kind):
    """Behind the back of autograd, which would not let it."""
    hold(Situation(partial(with_gradient, make=make, by_data=True), culprits=(PLACE,)), kind)


# --- parameters -----------------------------------------------------------------------------------


def with_data(side: Side, make: Make) -> None:
    """The numbers of one parameter become another tensor's."""
    parameter = side.params[PLACE]
    parameter.data = make(parameter.data)
    side.step(2)


def with_data_for_a_step(side: Side, make: Make) -> None:
    """And then those that they were."""
    parameter = side.params[PLACE]
    before = parameter.data
    with_data(side, make)
    parameter.data = before


def swapped(side: Side, make: Make) -> None:
    """Parameter and another tensor change places, as `Module.to` may do."""
    side.optimizer.zero_grad()
    torch.utils.swap_tensors(side.params[PLACE], nn.Parameter(make(side.params[PLACE].detach())))
    side.step(2)


def moved(side: Side, dtype: torch.dtype, *, swap: bool, steps: int) -> None:
    """A module is converted, stepped so often, and converted back."""
    net = nn.Module()
    net.weights = nn.ParameterList(side.params)
    torch.__future__.set_swap_module_params_on_conversion(swap)
    try:
        for kind in (dtype, torch.float32):
            side.optimizer.zero_grad()
            net.to(kind)
            assert side.params[PLACE].dtype == kind
            side.step(steps)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


OTHERS = {  # how many are served afterwards, if torch goes on
    "as they were": (torch.clone, 6),
    "of another dtype": (Tensor.double, 5),
    "of a narrower dtype": (Tensor.bfloat16, 5),
    "transposed where they stand": (Tensor.t, 5),
    "in another order where they stand": (lambda numbers: numbers.as_strided((7, 9), (1, 7)), 5),
    "with gaps": (with_gaps, 5),
    "of another shape where they stand": (lambda numbers: numbers.view(9, 7), 5),
    "fewer where they stand": (lambda numbers: numbers[:3], 5),
    "expanded where they stand": (lambda numbers: numbers[:1].expand(7, 9), 5),
    "more": (lambda numbers: numbers.repeat(2, 1), 5),
    "in shared memory": (lambda numbers: numbers.clone().share_memory_(), 6),
    "negated later": (negated, 5),
}


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize(("make", "count"), OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("act", [with_data, with_data_for_a_step, swapped])
def test_a_parameter_may_become_another(act: Callable[..., None], make: Make, count: int, kind: Kind):
    """By its data or by itself: what stands there now is updated, with the state that it has, or nothing is."""
    hold(Situation(partial(act, make=make), served=count, culprits=(PLACE,)), kind)


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
@pytest.mark.parametrize("swap", [False, True], ids=["by data", "by swapping"])
def test_a_model_may_be_converted_and_back(swap: bool, dtype: torch.dtype, steps: int, kind: Kind):
    """Whether its parameters keep their places or change them with others."""
    hold(Situation(partial(moved, dtype=dtype, swap=swap, steps=steps), culprits=tuple(range(6))), kind)


# --- state ----------------------------------------------------------------------------------------


def keys(side: Side) -> list[str]:
    """What the state of a parameter has."""
    return [*side.optimizer.state[side.params[PLACE]]]


def with_state(side: Side, make: Make, *, by_data: bool) -> None:
    """Each tensor of one parameter's state becomes another, in the dict or by its data."""
    state = side.optimizer.state[side.params[PLACE]]
    for key in keys(side):
        if key != "step":
            if by_data:
                state[key].data = make(state[key].data)
            else:
                state[key] = make(state[key])
            side.step()


def with_count(side: Side, make: Make, *, by_data: bool) -> None:
    """So does its count of steps."""
    state = side.optimizer.state[side.params[PLACE]]
    if by_data:
        state["step"].data = make(state["step"].data)
    else:
        state["step"] = make(state["step"])


def resized(side: Side) -> None:
    """State of fewer elements, in the same storage."""
    state = side.optimizer.state[side.params[PLACE]]
    state[keys(side)[-1]].resize_(3, 9)


def other_dict(side: Side) -> None:
    """The state is another dict, of other tensors, of which one is changed later."""
    state = side.optimizer.state
    for parameter in side.params[:3]:
        state[parameter] = {key: value.clone() for key, value in state[parameter].items()}
    side.step(2)
    for value in state[side.params[1]].values():
        value.mul_(2)


def cleared(side: Side) -> None:
    """All is forgotten."""
    side.optimizer.state.clear()
    side.step(2)


def forgotten(side: Side) -> None:
    """One parameter's state is."""
    del side.optimizer.state[side.params[PLACE]]
    side.step(2)


def incomplete(side: Side) -> None:
    """A part of one parameter's state is missing, and comes back."""
    state = side.optimizer.state[side.params[PLACE]]
    lost = {key: state.pop(key) for key in keys(side)[:1]}
    side.give()
    side.params[PLACE].grad = None
    side.update()
    state.update(lost)


def exchanged(side: Side) -> None:
    """Two parameters change states, by way of a dict in which the states stand in the order in which they stood."""
    state = side.optimizer.state
    twin = nn.Parameter(side.params[PLACE].detach() * 2)
    side.params.append(twin)
    side.groups[1]["params"].append(twin)
    side.step(3)
    states, owners = [*state.values()], [*state]
    owners[0], owners[-1] = owners[-1], owners[0]
    state.clear()
    state.update(zip(owners, states, strict=True))


def read_before_there_is_any(side: Side) -> None:
    """Looking at the state of a new parameter makes an empty one."""
    late = nn.Parameter(side.draw(torch.empty(4)))
    side.params.append(late)
    side.groups[0]["params"].append(late)
    if side.kind.theirs is not torch.optim.Adagrad:  # which makes its state when it is constructed
        assert side.optimizer.state[late] == {}
    else:
        side.optimizer.state[late] = {"step": torch.tensor(0.0), "sum": torch.zeros(4)}
    side.step(2)


def shared(side: Side) -> None:
    """All state moves to shared memory, in place."""
    for state in side.optimizer.state.values():
        for tensor in state.values():
            tensor.share_memory_()


STATES = {
    "resized": resized,
    "another dict": other_dict,
    "cleared": cleared,
    "forgotten": forgotten,
    "incomplete for a while": incomplete,
    "exchanged": exchanged,
    "read before there is any": read_before_there_is_any,
    "shared": shared,
}
COUNTS = {
    "as it was": (torch.clone, 6),
    "another": (lambda step: torch.full_like(step, 100.0), 6),
    "wider": (Tensor.double, 6),
    "narrower": (Tensor.half, 5),
    "of one axis": (lambda step: step[None], 5),
}


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("act", STATES.values(), ids=STATES)
def test_state_may_be_what_it_was_not(act: Callable[[Side], None], kind: Kind):
    """State is read and written where it is now, or nothing is."""
    hold(Situation(act, culprits=(PLACE,)), kind)


@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
@pytest.mark.parametrize("by_data", [False, True], ids=["itself", "its data"])
@pytest.mark.parametrize(("make", "count"), OTHERS.values(), ids=OTHERS)
def test_state_may_become_another(make: Make, count: int, by_data: bool, kind: Kind):
    """Whatever torch goes on with is gone on with, whatever it refuses is refused."""
    act = partial(with_state, make=make, by_data=by_data)
    hold(Situation(act, served=count, culprits=(PLACE,), tolerance={"rtol": 1e-5, "atol": 1e-6}), kind)


@pytest.mark.parametrize("by_data", [False, True], ids=["itself", "its data"])
@pytest.mark.parametrize(("make", "count"), COUNTS.values(), ids=COUNTS)
def test_a_count_may_become_another(make: Make, count: int, by_data: bool):
    """So for the number of steps."""
    hold(Situation(partial(with_count, make=make, by_data=by_data), served=count, culprits=(PLACE,)), KINDS["Adam"])


def test_state_that_is_served_cannot_be_swapped():
    """torch swaps no tensor to which somebody has a weak reference; the tables do, so that theirs stay where they are."""
    side = Side(KINDS["Adam"], parameters(), PARTITION, ours=True)
    side.step(3)
    for tensor in side.optimizer.state[side.params[PLACE]].values():
        with pytest.raises(RuntimeError, match="weakref"):
            torch.utils.swap_tensors(tensor, torch.zeros_like(tensor))
    side.step()


# --- one element ----------------------------------------------------------------------------------


def test_a_negation_of_one_element_is_seen():
    """Its strides say nothing: neither for a gradient nor for a parameter."""
    found = []
    for make in (optim.SGD, torch.optim.SGD):
        weight = nn.Parameter(torch.ones(1))
        optimizer = make([weight], lr=0.25)
        for numbers in (torch.ones(1), torch.tensor([0.5j]).conj().imag):
            weight.grad = numbers
            optimizer.step()
        weight.data = torch.tensor([2j]).conj().imag
        optimizer.step()
        found.append(weight.tolist())
    assert found == [[-1.875], [-1.875]]


# --- what autograd sees ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_autograd_sees_what_has_changed_and_nothing_else(kind: Kind):
    """A graph that saved a parameter from before the step is refused; one without a gradient in it is not touched."""
    side = Side(kind, parameters(), PARTITION, ours=True)
    side.step(3)
    moving, resting = side.params[0], side.params[2]
    versions = [parameter._version for parameter in (moving, resting)]
    stale, fresh = moving.pow(2).sum(), resting.pow(2).sum()
    side.give()
    resting.grad = None
    side.update()
    assert [parameter._version for parameter in (moving, resting)] == [versions[0] + 1, versions[1]]
    assert served(side.optimizer) == len(side.params)
    fresh.backward()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        stale.backward()


# --- memory ---------------------------------------------------------------------------------------


@pytest.fixture
def _without_collector():
    """What is let go is gone at once: nothing waits for the collector of cycles."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_gradient_is_kept(kind: Kind):
    """Neither after a step nor after one that failed."""
    side = Side(kind, parameters(), PARTITION, ours=True)
    side.step(3)
    side.give()
    gradients = [weakref.ref(parameter.grad) for parameter in side.params if parameter.grad is not None]
    side.optimizer.step()
    side.optimizer.zero_grad()
    assert [reference() for reference in gradients] == [None] * 6
    side.give()
    side.params[PLACE].grad.data = torch.ones(5)  # type: ignore[union-attr]  # it was given one
    gradients = [weakref.ref(parameter.grad) for parameter in side.params if parameter.grad is not None]
    try:
        side.optimizer.step()
    except RuntimeError as error:
        error.__traceback__ = None
    else:
        pytest.fail("a gradient of five elements was taken for one of 63")
    side.optimizer.zero_grad()
    assert [reference() for reference in gradients] == [None] * 6
    side.step(2)
    assert served(side.optimizer) == 6


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_nothing_outlives_the_optimizer(kind: Kind):
    """Parameters, state, tables and the optimizer go with the last reference to each."""
    side = Side(kind, parameters(), PARTITION, ours=True)
    side.step(3)
    roster = vars(side.optimizer)["_roster"]
    held: list[weakref.ref[Any]] = [weakref.ref(each) for each in (side.optimizer, side.params[0], roster, roster._tables[0].table)]
    held += references(side.optimizer)
    del roster, side
    assert {reference() for reference in held} == {None}


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_state_that_has_been_replaced_is_let_go(kind: Kind):
    """At once, if other state is loaded; with the next step, if it was replaced by hand."""
    side = Side(kind, parameters(), PARTITION, ours=True)
    side.step(3)
    held = references(side.optimizer)
    side.optimizer.load_state_dict(copy.deepcopy(side.optimizer.state_dict()))
    assert {reference() for reference in held} == {None}
    side.step(2)
    held = references(side.optimizer)
    for parameter in side.params:
        side.optimizer.state[parameter] = copy.deepcopy(side.optimizer.state[parameter])
    side.step()
    assert {reference() for reference in held} == {None}


def references(optimizer: Optimizer) -> list[weakref.ref[Tensor]]:
    """To all state."""
    return [weakref.ref(tensor) for state in optimizer.state.values() for tensor in state.values()]

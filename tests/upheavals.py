"""What may become of gradients, parameters and state between two steps, behind the optimizer's back."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from duels import Side

Make = Callable[[Tensor], Tensor]
PLACE = 0
"""Of the parameter to which it happens; it has two axes, of 7 and 9."""


class Marked(Tensor):
    """A subclass whose numbers are its own."""


class Elsewhere(Tensor):
    """A subclass whose numbers are another tensor's."""

    held: Tensor

    @staticmethod
    def __new__(cls, held):
        wrapper = Tensor._make_wrapper_subclass(cls, held.shape, dtype=held.dtype)
        wrapper.held = held
        return wrapper

    def __init__(self, held):
        pass

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):  # type: ignore[override]  # torch's is a default
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

"""What an optimizer lives through: each situation is led through by ours and by torch's, and both must end alike."""

import copy
import io
import pickle
from collections import UserList
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from duels import Side, Situation
from optims import parameters
from upheavals import PLACE, with_gradient


def nothing(side: Side) -> None:
    """Steps follow steps."""


def closures(side: Side) -> None:
    """The closure is evaluated once, first and with gradients enabled; what it returns is returned."""

    def closure() -> str:
        side.give()
        side.groups[0]["lr"] = 0.5
        side.seen.append(torch.is_grad_enabled())
        return "the loss"

    with torch.no_grad():
        side.seen.append(side.optimizer.step(closure))  # type: ignore[arg-type]  # torch wants a number
    side.see()


def hooks(side: Side) -> None:
    """Hooks of the optimizer and of all optimizers run once each, before and after; the former may edit."""
    seen = side.seen

    def before(optimizer, args, kwargs):
        seen.append(("before", side.params[0].detach().clone()))
        optimizer.param_groups[0]["lr"] = 0.5
        side.params[0].grad = torch.ones(7, 9)

    def after(optimizer, args, kwargs):
        seen.append(("after", side.params[0].detach().clone()))

    handles = [
        register_optimizer_step_pre_hook(lambda *_: seen.append("all, before")),
        register_optimizer_step_post_hook(lambda *_: seen.append("all, after")),
        side.optimizer.register_step_pre_hook(before),
        side.optimizer.register_step_post_hook(after),
    ]
    side.step(2)
    for handle in handles:
        handle.remove()


def zeroed(side: Side, *, set_to_none: bool) -> None:
    """A gradient of 0 still moves what has momentum or decay; no gradient moves nothing."""
    side.optimizer.zero_grad(set_to_none=set_to_none)
    side.update()


def scaled(side: Side, *, overflow: bool = False, unscaled: bool = False, accumulated: bool = False) -> None:
    """Gradients are divided by the scale, once; what overflows changes neither parameters nor state."""
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1)
    scaler.scale(torch.ones(()))
    for _ in range(2):
        side.give()
        for parameter in side.params:
            assert parameter.grad is not None
            parameter.grad *= scaler.get_scale()
        if overflow:
            side.params[1].grad.fill_(torch.inf)  # type: ignore[union-attr]  # it was given one
        if unscaled:
            scaler.unscale_(side.optimizer)
        scaler.step(side.optimizer)
        side.seen.append(scaler.get_scale())
        scaler.update()
        if overflow:
            side.optimizer.zero_grad()  # torch's own two ways differ in whether they have divided them
        side.see()


def copied(side: Side) -> None:
    """A copy goes on by itself, and the original stays where it was."""
    left = side.params, side.optimizer
    side.params, side.optimizer = copy.deepcopy(left)
    before = copy.deepcopy(left[0])
    side.step(2)
    assert all(map(torch.equal, left[0], before))


def pickled(side: Side) -> None:
    """What comes back from bytes goes on."""
    side.params, side.optimizer = pickle.loads(pickle.dumps((side.params, side.optimizer)))


def joined(side: Side) -> None:
    """A group that comes later has hyperparameters and steps of its own."""
    late = [nn.Parameter(side.draw(torch.empty(3, 4))), nn.Parameter(side.draw(torch.empty(5)))]
    side.params += late
    side.optimizer.add_param_group({"params": late, "lr": 0.3})
    if not side.ours:
        side.groups[-1] |= side.kind.plain


def edited(side: Side) -> None:
    """Every hyperparameter counts from the next step on, in its group alone."""
    for name, value in side.kind.edits.items():
        side.groups[1][name] = value
        side.step(2)


def flagged(side: Side, flag: str, *, value: bool) -> None:
    """A group may ask for torch's own step at any time."""
    side.groups[1][flag] = value
    side.step()


def tensor_rates(side: Side) -> None:
    """An lr in a tensor is read anew whenever it was changed in place."""
    rates = [torch.tensor(0.03, dtype=torch.float64), torch.tensor([0.04], dtype=torch.float64).squeeze()]
    for group, rate in zip(side.groups, rates, strict=True):
        group["lr"] = rate
    side.step(2)
    for rate in rates:
        rate.mul_(3)


def lists_of_betas(side: Side, make: Callable[..., Any]) -> None:
    """A list is read anew whenever it was changed in place."""
    for group in side.groups:
        if "betas" in group:
            group["betas"] = make(group["betas"])
    side.step(2)
    for group in side.groups:
        if "betas" in group:
            group["betas"][0] = 0.2


def with_another_default(side: Side) -> None:
    """Which groups have that come later."""
    side.optimizer.defaults["mark"] = 1
    joined(side)


def without_some_gradients(side: Side) -> None:
    """A parameter without a gradient keeps its state; its steps are its own."""
    for turn in range(6):
        side.give()
        side.params[0].grad = None
        side.params[turn % 2 + 1].grad = None
        side.update()


def without_gradients(side: Side) -> None:
    """Nothing moves, and nothing is made."""
    side.optimizer.zero_grad()
    side.update()


def loaded(side: Side, *, through: bool) -> None:
    """State goes to a new optimizer, `through` torch's class and back, and the run goes on as if it had not."""
    own = side.kind.ours if side.ours else side.kind.theirs
    for make in [side.kind.theirs, own] if through else [own]:
        saved = copy.deepcopy(side.optimizer.state_dict())
        side.optimizer = make([{"params": group["params"]} for group in side.groups])
        side.optimizer.load_state_dict(saved)
        side.step(2)


def stored(side: Side) -> None:
    """A file may stand between."""
    file = io.BytesIO()
    torch.save(side.optimizer.state_dict(), file)
    file.seek(0)
    side.optimizer.load_state_dict(torch.load(file, weights_only=True))


def frozen(side: Side) -> None:
    """A frozen parameter stays; its gradient, if it has one still, is applied as in torch."""
    side.params[0].requires_grad_(False)
    side.params[3].requires_grad_(False)
    for _ in range(2):
        side.give()
        side.params[3].grad = torch.ones(3, 2, 5)
        side.update()


def moved_between_groups(side: Side) -> None:
    """A parameter takes the numbers of the group that it is in."""
    side.groups[1]["params"].append(side.groups[0]["params"].pop(0))
    side.step(2)
    side.groups.reverse()
    side.step(2)
    side.groups[0]["params"].reverse()


def replaced(side: Side) -> None:
    """A parameter in place of another begins anew."""
    fresh = nn.Parameter(side.draw(side.params[2]))
    side.groups[0]["params"][1] = fresh
    side.optimizer.state.pop(side.params[2])
    side.params[2] = fresh
    side.step(2)


def removed(side: Side) -> None:
    """A group that has gone is no longer updated; without any groups nothing is."""
    groups = side.groups[:]
    del side.groups[0]
    side.step()
    side.groups.clear()
    side.step()
    side.groups.extend(groups)


def dense(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    """Parameters as they are wherever nothing is unusual about them."""
    return parameters(dtype, shapes)


def of_many_dtypes() -> list[nn.Parameter]:
    """One of each."""
    dtypes = torch.float32, torch.float64, torch.complex64, torch.float16, torch.float32, torch.float64
    return [dense((5, 3), dtype=dtype)[0] for dtype in dtypes]


def of_odd_shapes() -> list[nn.Parameter]:
    """Without elements, of one element, of many axes."""
    return dense((0,), (), (3, 0, 2), (1, 1, 1), (2, 1, 2, 1, 2, 1, 2), (1, 5))


def of_odd_strides() -> list[nn.Parameter]:
    """The first four are dense, in another order; the last two leave gaps."""
    images, planes, square, long, gaps, every = dense((2, 3, 4, 5), (1, 2, 3, 4, 5), (4, 4), (2, 3, 4), (4, 6), (10,))
    return [
        nn.Parameter(images.detach().to(memory_format=torch.channels_last)),
        nn.Parameter(planes.detach().to(memory_format=torch.channels_last_3d)),
        nn.Parameter(square.detach().t()),
        nn.Parameter(long.detach().permute(2, 0, 1)),
        nn.Parameter(gaps.detach()[:, ::2]),
        nn.Parameter(every.detach()[::3]),
    ]


def that_are_views() -> list[nn.Parameter]:
    """Parts of one tensor, as flat buffers have them, some of them not at a multiple of anything."""
    (whole,) = dense((40,))
    parts = whole.detach().split([1, 6, 3, 7, 11, 12])
    return [nn.Parameter(part.view(shape)) for part, shape in zip(parts, [(), (2, 3), 3, 7, 11, (3, 4)], strict=True)]


def that_share_data() -> list[nn.Parameter]:
    """Some have the data of others, or a part of it."""
    params = dense((4, 4), (4, 4), (16,), (8,), (3,), (3,))
    params[1].data = params[0].data
    params[2].data = params[0].data.view(16)
    params[3].data = params[2].data[8:]
    return params


def materialised() -> list[nn.Parameter]:
    """Made without memory, and given some."""
    with torch.device("meta"):
        net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    net.to_empty(device="cpu")
    for parameter, drawn in zip(net.parameters(), dense(*(tuple(p.shape) for p in net.parameters())), strict=True):
        nn.init.zeros_(parameter).data.add_(drawn.data)
    return list(net.parameters())


def with_a_gradient_in_another_order(side: Side) -> None:
    """What its layer gives need not be laid out as it is."""
    for _ in range(2):
        side.give()
        for parameter in side.params:
            parameter.grad = parameter.grad.contiguous()  # type: ignore[union-attr]  # it was given one
        side.update()


SITUATIONS = {
    "nothing": Situation(nothing),
    "closures": Situation(closures),
    "hooks": Situation(hooks),
    "zero_grad": Situation(partial(zeroed, set_to_none=True)),
    "zero_grad, set_to_none=False": Situation(partial(zeroed, set_to_none=False)),
    "GradScaler": Situation(scaled),
    "GradScaler, unscale_": Situation(partial(scaled, unscaled=True)),
    "GradScaler, overflow": Situation(partial(scaled, overflow=True)),
    "GradScaler, unscale_, overflow": Situation(partial(scaled, unscaled=True, overflow=True)),
    "deepcopy": Situation(copied),
    "pickle": Situation(pickled),
    "add_param_group": Situation(joined),
    "edited groups": Situation(edited),
    "tensor lr": Situation(tensor_rates),
    "betas in a list": Situation(partial(lists_of_betas, make=list)),
    "betas in what is like a list": Situation(partial(lists_of_betas, make=UserList)),
    "a default that not all groups have": Situation(with_another_default),
    "some gradients missing": Situation(without_some_gradients),
    "all gradients missing": Situation(without_gradients),
    "loaded into its own class": Situation(partial(loaded, through=False)),
    "loaded into torch's class and back": Situation(partial(loaded, through=True)),
    "saved to a file": Situation(stored),
    "frozen": Situation(frozen),
    "moved between groups": Situation(moved_between_groups),
    "replaced": Situation(replaced),
    "groups removed": Situation(removed),
    "sparse gradients": Situation(partial(with_gradient, make=torch.Tensor.to_sparse), culprits=(PLACE,)),
    "several dtypes": Situation(nothing, params=of_many_dtypes, before=4, served=4),
    "odd shapes": Situation(nothing, params=of_odd_shapes, before=4, served=4),
    "odd strides": Situation(nothing, params=of_odd_strides, before=4, served=4),
    "odd strides, others of gradients": Situation(
        with_a_gradient_in_another_order, params=of_odd_strides, before=4, served=4
    ),
    "odd strides, GradScaler": Situation(scaled, params=of_odd_strides, before=4, served=4),
    "odd strides, loaded": Situation(partial(loaded, through=True), params=of_odd_strides, before=4, served=4),
    "parts of one tensor": Situation(nothing, params=that_are_views),
    "shared data": Situation(nothing, params=that_share_data),
    "meta, then materialised": Situation(nothing, params=materialised),
    "one parameter": Situation(nothing, params=partial(dense, (3,)), partition=(0,)),
}

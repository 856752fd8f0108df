"""Parameters frozen and thawed while a run goes on: they stay in their groups, and nothing moves them.

Knows selections, optimizers and processes; what a hold is, `holds` knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Literal, TypeAlias, final

from torch import nn
from torch.optim import LBFGS, Optimizer

from paramgroups.errors import FreezeError, listing
from paramgroups.holds import Hold, discarding, hold, processes, release, release_all, settle
from paramgroups.params import Param, named, unwrapped
from paramgroups.plan.audit import selected
from paramgroups.plan.rules import select_code
from paramgroups.selectors import Selector, selector
from paramgroups.sharding import check_summed

State: TypeAlias = Literal["keep", "drop"]


@final
class Freeze:
    """What one `freeze` did; `thaw()`, or the end of a `with` block, undoes just that.

    Example:
        >>> net = nn.Linear(2, 2)
        >>> with freeze(net, "weight"):
        ...     print(net.weight.requires_grad, net.bias.requires_grad)
        False True
        >>> net.weight.requires_grad
        True
    """

    def __init__(self, model: nn.Module, params: Sequence[Param], why: Hold) -> None:
        self._model, self._params, self._why = model, params, why

    def thaw(self) -> None:
        """Take this reason away: what is frozen for another stays frozen, what did not train before does not."""
        release(self._params, self._why)
        settle(self._model)

    def __enter__(self) -> Freeze:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.thaw()

    def __repr__(self) -> str:
        return f"<{len(self._params)} parameters frozen by {self._why.reason}>"


def freeze(
    model: nn.Module,
    select: Selector | str,
    optimizer: Optimizer | None = None,
    *,
    batch_norm: bool = True,
    state: State = "keep",
) -> Freeze:
    """Let nothing move the selected parameters, until they are thawed. They stay in their groups.

    They require no gradients, and have none, so that neither momentum nor weight decay moves them. To freeze again for
    the same reason changes nothing; several reasons add up.

    Args:
        model: whose parameters they are; the wrapped one, where it is wrapped.
        select: a selector, or a glob over whole dotted parameter names.
        optimizer: the one that trains them. It is needed to drop its state, and in a run of several processes, where
            gradients go on being computed, because the others wait for them, and are thrown away.
        batch_norm: pin each norm to evaluation, across `model.train()`, when all its parameters are frozen.
        state: `"keep"` what the optimizer has learnt of them for when they are thawed, or `"drop"` it.

    Returns:
        What was done; as a context manager, or by its `thaw()`, it undoes just that.

    Raises:
        NothingSelectedError: the model has no such parameter.
        FreezeError: the optimizer is needed, or cannot leave out a parameter.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        >>> frozen = freeze(net, "0.*", optimizer)
        >>> before = net[0].weight.clone()
        >>> net(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
        >>> torch.equal(net[0].weight, before)
        True
    """
    select = selector(select)
    chosen = selected(select, named(model))
    if state not in {"keep", "drop"}:
        raise ValueError(f"state={state!r} is unknown.\nChoose 'keep' or 'drop'.")
    optimizer = None if optimizer is None else unwrapped(optimizer)
    why = Hold(f"freeze({select_code(select)})", batch_norm)
    check_leaves_out(optimizer)
    if optimizer is None and state == "drop":
        raise FreezeError(
            "Which optimizer is to drop its state is not said.", "Give it: freeze(model, select, optimizer)."
        )
    added = hold(chosen, why, discarding(chosen, optimizer))
    try:
        settle(model)
    except FreezeError:
        release(added, why)
        raise
    if state == "drop" and optimizer is not None:
        for param in chosen:
            optimizer.state.pop(param.parameter, None)
    return Freeze(model, added, why)


def thaw(model: nn.Module, select: Selector | str, optimizer: Optimizer | None = None) -> None:
    """Let the selected parameters train, whoever froze them, and for whatever reasons.

    They go on with the state that their optimizer has kept, in the group in which they are.

    Args:
        model: whose parameters they are; the wrapped one, where it is wrapped.
        select: a selector, or a glob over whole dotted parameter names.
        optimizer: the one that is to train them; where given, each of them has to be in one of its groups.

    Raises:
        NothingSelectedError: the model has no such parameter.
        FreezeError: a parameter is in no group of the optimizer, or was frozen when DistributedDataParallel wrapped
            the model, so that its gradients would differ from process to process. Nothing is changed then.

    Example:
        >>> net = nn.Linear(2, 2)
        >>> _ = freeze(net, "*")
        >>> thaw(net, "bias")
        >>> [name for name, parameter in net.named_parameters() if parameter.requires_grad]
        ['bias']
    """
    chosen = selected(selector(select), named(model))
    check_synchronised(chosen)
    if optimizer is not None:
        check_grouped(chosen, unwrapped(optimizer))
    release_all(chosen)
    settle(model)


def check_synchronised(params: Iterable[Param]) -> None:
    """Accept parameters whose gradients are summed up over processes, where their model's are.

    Raises:
        FreezeError: one was frozen when DistributedDataParallel wrapped the model.
    """
    if processes() > 1:
        check_summed({param.parameter: param.name for param in params})


def check_leaves_out(optimizer: Optimizer | None) -> None:
    """Accept an optimizer that leaves a parameter without a gradient alone.

    Raises:
        FreezeError: it does not.
    """
    if isinstance(optimizer, LBFGS):
        raise FreezeError(
            "LBFGS moves all of its parameters along one direction, those without gradients too.",
            "Make a new one for the others: LBFGS([p for p in model.parameters() if p.requires_grad]).",
        )


def check_grouped(params: Iterable[Param], optimizer: Optimizer) -> None:
    """Accept parameters that groups of the optimizer hold.

    Raises:
        FreezeError: none holds one.
    """
    grouped = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    absent = [param.name for param in params if id(param.parameter) not in grouped]
    if absent:
        raise FreezeError(
            f"{listing(absent)} would be thawed and not trained: no group of the optimizer holds it.",
            "Thaw without the optimizer, thaw(model, select), and then make a group: pg.regroup.add(optimizer, select, "
            "name=...). What a plan is to thaw later is in a group from the start: Rule(..., frozen=True, thaw=...).",
        )

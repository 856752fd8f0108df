"""torch's own schedulers, live, from what the table says of each: the oracle of what ours have, and go on with."""

import contextlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch.optim import Optimizer, lr_scheduler, swa_utils

import goldens
from paramgroups.schedules import Schedule
from paramgroups.schedules.dialects import torch as dialect

Described = dict[str, Any]

LEAVES = sorted({case.call for case in goldens.cases("torch")} - {"ChainedScheduler", "SequentialLR"})


@dataclass(frozen=True)
class Formula:
    """A function of `step` that can be saved, which a lambda cannot."""

    text: str

    def __call__(self, step: float) -> float:
        return float(eval(self.text, {"math": math, "step": step}))


def with_formulas(value: Any) -> Any:
    """What a table says, with functions that can be saved."""
    match value:
        case {"function": text}:
            return Formula(text)
        case dict():
            return {name: with_formulas(each) for name, each in value.items()}
        case list():
            return [with_formulas(each) for each in value]
    return value


def described(*calls: str) -> list[Described]:
    """What the table has of these calls that drive lr, or of all that are not composed."""
    found = [case for case in goldens.cases("torch", *(calls or LEAVES)) if "drives" not in case.arguments]
    if not calls:  # as parts of another, but for those by whose length or factor torch would divide
        found = [case for case in found if 0 not in {case.arguments.get("total_iters"), case.arguments.get("factor")}]
    return [{"call": case.call, "arguments": with_formulas(case.arguments)} for case in found]


def composed(parts: st.SearchStrategy[Described]) -> st.SearchStrategy[Described]:
    """Sequences and chains of these, and chains and sequences in them where torch can step that."""
    chained = st.lists(parts, min_size=1, max_size=3).map(_chain)
    sequences = _sequence(parts, parts)
    return (
        chained
        | sequences
        | _sequence(chained | sequences, parts)
        | st.lists(parts | sequences, min_size=1).map(_chain)
    )


def _chain(parts: list[Described]) -> Described:
    return {"call": "ChainedScheduler", "arguments": {"schedulers": parts[:3]}}


@st.composite
def _sequence(draw: st.DrawFn, first: st.SearchStrategy[Described], others: st.SearchStrategy[Described]) -> Described:
    parts = [draw(first), *draw(st.lists(others, max_size=2))]
    starts = st.lists(st.integers(1, 20), min_size=len(parts) - 1, max_size=len(parts) - 1, unique=True)
    return {"call": "SequentialLR", "arguments": {"schedulers": parts, "milestones": sorted(draw(starts))}}


def ours(description: Described) -> Schedule:
    """The schedule of the same name and arguments."""
    found: Schedule = goldens.decoded(description, lambda name, arguments: getattr(dialect, name)(**arguments))
    return found


def optimizer_of(*bases: float, kind: type[Optimizer] = torch.optim.SGD, **options: Any) -> Optimizer:
    """One parameter a group, with an update of its lr at every step."""
    options = options or ({"momentum": 0.5} if kind is torch.optim.SGD else {})
    parameters = [torch.nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in bases]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    groups = [{"params": [parameter], "lr": base} for parameter, base in zip(parameters, bases, strict=True)]
    return kind(groups, **options)


def theirs(description: Described, optimizer: Optimizer) -> Any:
    """The scheduler of torch, on this optimizer."""

    def make(name: str, arguments: dict[str, Any]) -> Any:
        kind: Any = swa_utils.SWALR if name == "SWALR" else getattr(lr_scheduler, name)
        return kind(**arguments, optimizer=optimizer)

    with _unwarned():
        return goldens.decoded(description, make)


def step(optimizer: Optimizer, scheduler: Any) -> None:
    """One update, and what torch's scheduler makes of it."""
    optimizer.step()
    with _unwarned():
        scheduler.step()


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """Without torch's warning that a part of a composed scheduler steps before the optimizer, as its own code does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
        yield


def values(description: Described, steps: int, base: float) -> Iterator[float]:
    """Those of torch, up to where it raises."""
    optimizer = optimizer_of(base)
    scheduler = theirs(description, optimizer)
    for _ in range(steps):
        yield optimizer.param_groups[0]["lr"]
        try:
            step(optimizer, scheduler)
        except (ValueError, ZeroDivisionError):
            return

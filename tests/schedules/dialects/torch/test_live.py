"""Live schedulers of torch as schedules: each goes on as torch's would have, or the reason why not is told."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler, swa_utils

import goldens
import paramgroups as pg
import torch_schedulers
from paramgroups.errors import UnconvertibleError
from paramgroups.expressions import read
from paramgroups.schedules import Absolute, Cosine, Function
from paramgroups.schedules.dialects import torch as dialect
from paramgroups.schedules.dialects.torch import from_torch
from torch_schedulers import Described, Formula

BASES = (0.1, 0.02)
CALLS = sorted({case.call for case in goldens.cases("torch")})
PARTS = st.sampled_from(torch_schedulers.described())
GOES_ON = 12  # steps that are compared


def stepped(description: Described, steps: int, **options: Any) -> tuple[Any, Any] | None:
    """An optimizer of two groups and a scheduler after some steps; None where torch cannot get there."""
    optimizer = torch_schedulers.optimizer_of(*BASES, **options)
    scheduler = torch_schedulers.theirs(description, optimizer)
    try:
        for _ in range(steps):
            torch_schedulers.step(optimizer, scheduler)
    except (ValueError, ZeroDivisionError):
        return None
    return optimizer, scheduler


def lrs(optimizer: Any) -> list[float]:
    """What stands in its groups."""
    return [group["lr"] for group in optimizer.param_groups]


def goes_on(description: Described, steps: int) -> bool:
    """Hold ours to torch's from this step on: value by value, and as what drives an optimizer."""
    made, again = stepped(description, steps), stepped(description, steps)
    if made is None or again is None:
        return False
    optimizer, scheduler = made
    adopted, left = again
    schedule = from_torch(left)
    initial = [group["initial_lr"] for group in adopted.param_groups]
    never_negative = schedule.clip(low=Absolute(0.0))  # a line of OneCycleLR ends below 0
    driver = pg.Scheduler(adopted, lr=never_negative, adopt=True)
    for step in range(GOES_ON):
        if min(lrs(optimizer)) < 0.0:
            break
        close = pytest.approx(lrs(optimizer), rel=1e-9, abs=1e-12)
        assert [schedule(step, base) for base in initial] == close
        assert lrs(adopted) == close
        try:
            torch_schedulers.step(optimizer, scheduler)
        except (ValueError, ZeroDivisionError):
            break
        adopted.step()
        driver.step()
    if step < GOES_ON - 1:
        return False
    if "max_momentum" not in optimizer.param_groups[0]:  # else torch's drives momentum too
        weights = [[p.item() for group in each.param_groups for p in group["params"]] for each in (optimizer, adopted)]
        assert weights[0] == pytest.approx(weights[1], rel=1e-9)
    return True


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("steps", [0, 1, 17])
def test_every_class_goes_on_as_torch_s_would_have(call, steps):
    """From its first step and from its midst, in two groups of different bases."""
    held = [goes_on(description, steps) for description in torch_schedulers.described(call)[:5]]
    assert sum(held) >= 3


@settings(max_examples=20, deadline=None)
@given(torch_schedulers.composed(PARTS) | PARTS, st.integers(0, 25))
def test_whatever_is_put_together_goes_on(description, steps):
    """Schedulers of schedulers, from any step."""
    goes_on(description, steps)


def test_a_scheduler_that_is_at_zero_goes_on():
    """Where nothing in the groups tells their bases any more, `initial_lr` does."""
    optimizer, scheduler = stepped({"call": "LambdaLR", "arguments": {"lr_lambda": Formula("step / 4")}}, 0)  # type: ignore[misc]  # there is no step at which it could fail
    assert lrs(optimizer) == [0.0, 0.0]
    pg.Scheduler(optimizer, lr=from_torch(scheduler), adopt=True)
    optimizer.step()
    assert lrs(optimizer) == [base / 4 for base in BASES]


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize(
    ("call", "options"),
    [
        ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20, "three_phase": True}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "step_size_down": 4}),
    ],
)
def test_momentum_is_a_second_schedule(kind, call, options):
    """Both go on, whether torch drives `momentum` or `betas[0]`."""
    path, start = ("momentum", {"momentum": 0.5}) if kind is torch.optim.SGD else ("betas[0]", {"betas": (0.5, 0.9)})
    made = stepped({"call": call, "arguments": options}, 5, kind=kind, **start)
    assert made is not None
    theirs, ours = copy.deepcopy(made), made
    driven: dict[str, Any] = {"lr": from_torch(ours[1]), path: from_torch(ours[1], "momentum")}
    pg.Scheduler(ours[0], adopt=True, **driven)
    for _ in range(GOES_ON):
        for theirs_now, ours_now in zip(theirs[0].param_groups, ours[0].param_groups, strict=True):
            for key in ("lr", path.partition("[")[0]):
                assert ours_now[key] == pytest.approx(theirs_now[key], rel=1e-12)
        torch_schedulers.step(*theirs)
        ours[0].step()


def test_groups_of_different_curves_are_taken_one_by_one():
    """As where `LambdaLR` was given one function a group."""
    functions: list[Any] = [Formula("0.5 ** step"), Formula("1 / (1 + step)")]
    optimizer = torch_schedulers.optimizer_of(*BASES)
    scheduler = lr_scheduler.LambdaLR(optimizer, functions)
    with pytest.raises(UnconvertibleError) as caught:
        from_torch(scheduler)
    assert str(caught.value).startswith("No schedule can go on from this LambdaLR: group 0 has Function(")
    assert str(caught.value).endswith("Take each by itself: {'head': {'lr': from_torch(scheduler, group=1)}, ...}.")
    assert from_torch(scheduler, group=1) == Function(functions[1])
    schedules = {f"group{place}": {"lr": from_torch(scheduler, group=place)} for place in (0, 1)}
    pg.Scheduler(optimizer, schedules, adopt=True)
    optimizer.step()
    assert lrs(optimizer) == [0.05, 0.01]


def test_what_starts_from_the_lr_that_it_finds_goes_on_from_there():
    """`SWALR` after another scheduler, as it is used: started when that has brought the lr down."""
    optimizer = torch_schedulers.optimizer_of(0.1, 0.1)
    main, swa = lr_scheduler.ExponentialLR(optimizer, 0.5), swa_utils.SWALR(optimizer, swa_lr=0.01, anneal_epochs=4)
    for scheduler in (main, main, swa):
        torch_schedulers.step(optimizer, scheduler)
    found = from_torch(swa)
    assert found.absolute
    assert found(0) == pytest.approx(lrs(optimizer)[0])
    torch_schedulers.step(optimizer, swa)
    assert found(1) == pytest.approx(lrs(optimizer)[0])
    assert found(9) == 0.01


def test_a_base_is_taken_over_only_from_what_goes_on():
    """A schedule of its own starts from the present lr, as always."""
    optimizer, _ = stepped({"call": "ExponentialLR", "arguments": {"gamma": 0.5}}, 2)  # type: ignore[misc]  # it never fails
    assert pg.Scheduler(optimizer, lr=pg.Cosine(10), adopt=True).base_lrs == [base / 4 for base in BASES]
    assert lrs(optimizer) == [base / 4 for base in BASES]


def test_its_code_is_read_back():
    """What is made of a live scheduler is saved like any other schedule."""
    made = stepped({"call": "CosineAnnealingLR", "arguments": {"T_max": 10, "eta_min": 0.01}}, 3)
    assert made is not None
    schedule = from_torch(made[1])
    assert repr(schedule) == "dialects.conventions.Endless('cosine', steps=10.0, end=Absolute(0.01)).shift(-3)"
    assert read(repr(schedule)) == schedule


def local(step):
    """A function in a module, which a lambda is not."""
    return 0.9**step


class Mine(lr_scheduler.StepLR):
    """A class derived from torch's."""


class Wrapper:
    """Something that holds a scheduler."""


IS_A_LAMBDA = (
    "No schedule can go on from this LambdaLR: its function <lambda> cannot be saved, so no run could be resumed with "
    "it.\nDefine it at the top of a module, or write Function(f) yourself."
)
IS_DERIVED = (
    f"No schedule can go on from this Mine: {__name__}.Mine is no class of torch's, so its values may be anything.\n"
    "Write its curve with the shapes, or by step: Function(f)."
)
IS_OBSERVED = (
    "No schedule can go on from this ReduceLROnPlateau: a metric drives it, and no step.\n"
    "Write the native one, and let it observe: Scheduler(optimizer, lr=Plateau(0.1, patience=10))."
)
IS_NONE = (
    "No schedule can go on from this Wrapper: it is no scheduler of torch.\n"
    "If it wraps one, give that: wrapper.scheduler."
)
IS_OURS = "No schedule can go on from this Scheduler: paramgroups.scheduler.Scheduler is no class of torch's"
HAS_HALF_STEPS = (
    "No schedule can go on from this StepLR: step_size = 2.5 in StepLR cannot be used.\nWrite what is meant natively."
)
REFUSED: dict[str, tuple[Any, str]] = {
    "a lambda": (lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 0.5), IS_A_LAMBDA),
    "a subclass": (lambda optimizer: Mine(optimizer, 3), IS_DERIVED),
    "a metric": (lr_scheduler.ReduceLROnPlateau, IS_OBSERVED),
    "no scheduler": (lambda optimizer: Wrapper(), IS_NONE),
    "ours": (lambda optimizer: pg.Scheduler(optimizer, lr=Cosine(10)), IS_OURS),
    "an argument": (lambda optimizer: lr_scheduler.StepLR(optimizer, step_size=2.5), HAS_HALF_STEPS),  # type: ignore[arg-type]  # torch lets one
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_go_on_says_why(make, message):
    """By its class, with the reason and what to do instead."""
    optimizer = torch_schedulers.optimizer_of(*BASES)
    with pytest.raises(UnconvertibleError) as caught:
        from_torch(make(optimizer))
    assert str(caught.value).startswith(message)


def test_a_function_in_a_module_is_taken_as_it_is():
    """It can be saved, by its name."""
    optimizer = torch_schedulers.optimizer_of(0.1)
    assert from_torch(lr_scheduler.LambdaLR(optimizer, local)) == Function(local)
    assert from_torch(lr_scheduler.MultiplicativeLR(optimizer, local)) == dialect.MultiplicativeLR(local)


def test_an_lr_changed_by_hand_is_told():
    """Torch would multiply it, or wipe it out; neither is guessed."""
    made = stepped({"call": "ExponentialLR", "arguments": {"gamma": 0.5}}, 2)
    assert made is not None
    made[0].param_groups[1]["lr"] = 0.3
    with pytest.raises(UnconvertibleError) as caught:
        from_torch(made[1])
    assert str(caught.value) == (
        "No schedule can go on from this ExponentialLR: "
        "group 1 has lr 0.3, where it gives 0.005 at its step 2 from 0.02.\n"
        "Something else has written there. Write back what is due; or make a schedule whose base is what stands there: "
        "Scheduler(optimizer, lr=..., adopt=True)."
    )
    assert from_torch(made[1], group=0)(1, 0.1) == 0.0125


def test_a_part_that_was_stepped_alone_is_told():
    """Even where the lr does not show it."""
    optimizer = torch_schedulers.optimizer_of(0.1)
    parts = [lr_scheduler.StepLR(optimizer, 10), lr_scheduler.ConstantLR(optimizer, 0.5)]
    chain = lr_scheduler.ChainedScheduler(parts, optimizer)
    torch_schedulers.step(optimizer, chain)
    torch_schedulers.step(optimizer, parts[1])
    with pytest.raises(UnconvertibleError) as caught:
        from_torch(chain)
    assert str(caught.value) == (
        "No schedule can go on from this ChainedScheduler: its parts count [1, 2] steps, and after 1 of the whole they "
        "would count [1, 1].\nStep the whole alone, and no part of it."
    )


def test_a_group_that_the_scheduler_does_not_know_is_told():
    """One that was added to the optimizer since, or that is not there."""
    optimizer = torch_schedulers.optimizer_of(0.1)
    scheduler = lr_scheduler.LambdaLR(optimizer, local)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    with pytest.raises(UnconvertibleError) as caught:
        from_torch(scheduler)
    assert str(caught.value) == (
        "No schedule can go on from this LambdaLR: group 1 has no initial_lr: it came after the scheduler.\n"
        "Take the others: {'body': {'lr': from_torch(scheduler, group=0)}}."
    )
    assert from_torch(scheduler, group=0) == Function(local)
    with pytest.raises(UnconvertibleError, match=r"there is no group 2, for its optimizer has 2.\nCount from 0"):
        from_torch(scheduler, group=2)


def test_a_momentum_that_nothing_drives_is_told():
    """Only two of torch's drive it, and these need not."""
    optimizer = torch_schedulers.optimizer_of(0.1)
    with pytest.raises(
        UnconvertibleError, match=r"this StepLR: it does not drive momentum.\nOnly a CyclicLR or a OneC"
    ):
        from_torch(lr_scheduler.StepLR(optimizer, 3), "momentum")
    still = lr_scheduler.OneCycleLR(optimizer, 1.0, 10, cycle_momentum=False)
    with pytest.raises(UnconvertibleError, match=r"it was made with cycle_momentum=False, and does not drive momentum"):
        from_torch(still, "momentum")


def test_a_tensor_lr_is_a_number():
    """Its base as well."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([parameter], lr=torch.tensor(0.1))
    scheduler = lr_scheduler.StepLR(optimizer, 2, 0.5)
    pg.Scheduler(optimizer, lr=from_torch(scheduler), adopt=True)
    found = []
    for _ in range(4):
        found.append(round(float(optimizer.param_groups[0]["lr"]), 6))
        optimizer.step()
    assert found == [0.1, 0.1, 0.05, 0.05]

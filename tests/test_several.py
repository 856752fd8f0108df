"""Several algorithms in the hands of everything else: regrouping, state by name, schedulers of torch's, the linter."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as theirs

import paramgroups as pg
from paramgroups.errors import (
    AlgorithmError,
    GroupRefusedError,
    StateMismatchError,
    UnequalGroupsError,
    UnknownAlgorithmError,
    UnknownHyperparameterError,
)
from paramgroups.optim import AdamW, Lion, Muon
from paramgroups.state import adopt

TWO = {"muon": Muon, "adamw": AdamW}
HIDDEN = pg.Plan(pg.Rule("*.weight", algorithm="muon", lr=0.02, name="hidden"), lr=0.01)
MUON, ADAM = ["momentum_buffer"], ["exp_avg", "exp_avg_sq", "step"]


def net() -> nn.ModuleDict:
    """Three layers, always the same."""
    torch.manual_seed(0)
    return nn.ModuleDict({name: nn.Linear(4, 4) for name in ("body", "mid", "head")})


def stepped(plan: pg.Plan = HIDDEN, kinds: Any = TWO, steps: int = 2) -> tuple[nn.ModuleDict, Any]:
    """A model and its optimizer after some steps."""
    model = net()
    optimizer = plan.build(model, kinds, default="adamw" if isinstance(kinds, dict) else None)
    step(model, optimizer, steps)
    return model, optimizer


def step(model: nn.Module, optimizer: Any, steps: int = 1) -> None:
    """Updates on gradients of 1."""
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()


def kept(model: nn.Module, optimizer: Any) -> dict[str, list[str]]:
    """What is kept for each weight."""
    return {n.partition(".")[0]: sorted(optimizer.state[p]) for n, p in model.named_parameters() if "weight" in n}


# --- regrouping -------------------------------------------------------------------------------------------------------


def test_a_parameter_that_is_moved_takes_the_other_algorithm_and_starts_anew():
    """Its schedules are the other group's, and the clock goes on; who stays keeps state."""
    model, optimizer = stepped(steps=0)
    scheduler = pg.Scheduler(optimizer, {"default": {"betas[0]": pg.Linear(10)}}, lr=pg.Linear(10))
    step(model, optimizer, 2)
    pg.regroup.move(optimizer, "head.weight", to="default")
    step(model, optimizer)
    assert kept(model, optimizer) == {"body": MUON, "mid": MUON, "head": ADAM}
    assert optimizer.state[model["head"].get_parameter("weight")]["step"] == 1
    assert optimizer.state[model["head"].get_parameter("bias")]["step"] == 3
    assert scheduler.last_epoch == 3


def test_an_applied_plan_moves_parameters_to_the_algorithms_that_it_names():
    """A group of an algorithm that has what it needs comes of one of the same, or is made."""
    model, optimizer = stepped()
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    pg.Plan(pg.Rule("body.weight", algorithm="muon", lr=0.05, name="inner"), lr=0.02).apply(optimizer, model)
    step(model, optimizer)
    assert kept(model, optimizer) == {"body": MUON, "mid": ADAM, "head": ADAM}
    assert scheduler.values() == pytest.approx({"lr/inner": 0.045, "lr/default": 0.018})
    pg.Plan(algorithm="adamw", lr=0.02).apply(optimizer, model)
    pg.Plan(pg.Rule("*.weight", algorithm="muon", lr=0.1, name="again"), lr=0.02).apply(optimizer, model)
    step(model, optimizer)
    assert kept(model, optimizer) == dict.fromkeys(("body", "mid", "head"), MUON)
    assert [(g["name"], g["algorithm"]) for g in optimizer.param_groups] == [("again", "muon"), ("default", "adamw")]


def test_a_group_is_added_with_the_algorithm_it_names():
    """Or the default one; what it is given is held against that."""
    model, optimizer = stepped()
    pg.regroup.remove(optimizer, "head.*", model=model)
    pg.regroup.add(optimizer, "head.weight", name="late", algorithm="muon", lr=0.3)
    pg.regroup.add(optimizer, "head.bias", name="rest", betas=(0.8, 0.9))
    late = [(group.name, group.algorithm, group.lr) for group in pg.view(optimizer)][2:]
    assert late == [
        ("late", "muon", 0.3),
        ("rest", "adamw", 0.01),
    ]


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (
            lambda o: pg.regroup.move(o, "head.bias", to="hidden"),
            GroupRefusedError,
            "Muon refuses group 'hidden': Parameter 3 of group 'hidden' has the shape",
        ),
        (
            lambda o: pg.regroup.split(o, "mid.weight", name="new", algorithm="adamw"),
            AlgorithmError,
            r"group 'new' is updated by 'muon', and would be by 'adamw'.\n.*move\(optimizer",
        ),
        (
            lambda o: pg.regroup.split(o, "mid.weight", name="new", betas=(0.9, 0.9)),
            UnknownHyperparameterError,
            "'betas', given in group 'new', is no hyperparameter of Muon",
        ),
        (
            lambda o: pg.regroup.merge(o, "hidden", "default"),
            UnequalGroupsError,
            "algorithm: 'muon' in 'hidden'; 'adamw'",
        ),
        (
            lambda o: pg.regroup.add(o, "head.bias", name="new", algorithm="moun"),
            UnknownAlgorithmError,
            "'moun' in group 'new'",
        ),
    ],
)
def test_a_regrouping_that_an_algorithm_does_not_take_is_refused(act, error, text):
    """Everything is then as it was."""
    model, optimizer = stepped()
    if error is UnknownAlgorithmError:
        pg.regroup.remove(optimizer, "head.bias", model=model)
    before = [(group, dict(group)) for group in optimizer.param_groups]
    with pytest.raises(error, match=text):
        act(optimizer)
    assert [(group, dict(group)) for group in optimizer.param_groups] == before


# --- state by name ----------------------------------------------------------------------------------------------------


def test_state_goes_to_those_whose_algorithm_keeps_the_same():
    """Whoever has another algorithm now starts anew, and the report says who; which it was is shown, never loaded."""
    saved = pg.named_state(stepped()[1])
    assert saved["groups"][0]["settings"]["algorithm"] == "muon"
    model, optimizer = stepped(
        pg.Plan(pg.Rule("body.weight", algorithm="muon", lr=0.02, name="hidden"), lr=0.01), steps=0
    )
    report = pg.load_named_state(optimizer, saved)
    assert report.refitted == ("mid.weight", "head.weight")
    assert ("algorithm/default", "adamw, muon", "adamw", "adamw") in report.hyperparameters
    step(model, optimizer)
    assert kept(model, optimizer) == {"body": MUON, "mid": ADAM, "head": ADAM}
    assert optimizer.state[model["head"].get_parameter("bias")]["step"] == 3
    twice = pg.Plan(pg.Rule("mid.weight", algorithm="adamw", name="other"), *HIDDEN.rules, lr=0.01)
    model, optimizer = stepped(twice, steps=0)
    pg.load_named_state(optimizer, saved, hyperparameters="saved")
    assert [group["algorithm"] for group in optimizer.param_groups] == ["muon", "adamw", "muon"]


@pytest.mark.parametrize(("kinds", "moved"), [({"muon": Muon, "adamw": Lion}, 3), ({"muon": Muon, "adamw": AdamW}, 6)])
def test_an_algorithm_is_told_by_its_class_and_not_by_its_name(kinds, moved):
    """Lion keeps an average of that name too, and another one."""
    saved = pg.named_state(stepped()[1])
    assert len(pg.load_named_state(stepped(kinds=kinds, steps=0)[1], saved).moved) == moved


def test_state_comes_from_and_goes_to_an_optimizer_of_one_class():
    """AdamW's to those that AdamW updates, there and back."""
    plain = pg.Plan(lr=0.01)
    report = pg.load_named_state(stepped(plain, torch.optim.AdamW, steps=0)[1], pg.named_state(stepped()[1]))
    assert report.moved == ("body.bias", "mid.bias", "head.bias")
    back = pg.load_named_state(stepped(steps=0)[1], pg.named_state(stepped(plain, torch.optim.AdamW)[1]))
    assert back.moved == report.moved


def test_a_run_saved_in_mid_flight_goes_on_to_the_bit(tmp_path):
    """`pg.save` and `pg.load`, the groups reordered in between."""
    model, optimizer = stepped(steps=0)
    scheduler = pg.Scheduler(optimizer, lr=pg.Cosine(10))
    step(model, optimizer, 3)
    pg.save(tmp_path / "run", optimizer, scheduler)
    twin = net()
    twin.load_state_dict(model.state_dict())
    other = pg.Plan(pg.Rule("*.bias", name="biases"), *HIDDEN.rules, lr=0.01).build(twin, TWO, default="adamw")
    again = pg.Scheduler(other, lr=pg.Cosine(10))
    assert pg.load(tmp_path / "run", other, again).complete
    step(model, optimizer, 3)
    step(twin, other, 3)
    assert all(map(torch.equal, model.parameters(), twin.parameters()))


@pytest.mark.parametrize("told", [TWO, None])
def test_torch_s_own_state_is_adopted(told):
    """By position, with the classes told or found to fit."""
    model, optimizer = stepped()
    grouping = HIDDEN.on(model, TWO, default="adamw")
    found = adopt(optimizer.state_dict(), grouping, optimizer_class=told)
    twin, other = stepped(steps=0)
    twin.load_state_dict(model.state_dict())
    assert len(pg.load_named_state(other, found).moved) == 6
    step(model, optimizer)
    step(twin, other)
    assert all(map(torch.equal, model.parameters(), twin.parameters()))


def test_torch_s_state_of_another_set_of_algorithms_is_refused():
    """The algorithm that is not there is named."""
    state = stepped()[1].state_dict()
    with pytest.raises(UnknownAlgorithmError, match="'muon' in the state's group 0"):
        adopt(state, HIDDEN.on(net(), TWO, default="adamw"), optimizer_class={"adamw": AdamW})
    with pytest.raises(StateMismatchError):
        pg.load_named_state(stepped()[1], {})


# --- torch's schedulers, the linter -----------------------------------------------------------------------------------

SCHEDULERS: dict[str, Any] = {
    "LambdaLR": lambda o: theirs.LambdaLR(o, lambda k: 0.9**k),
    "MultiplicativeLR": lambda o: theirs.MultiplicativeLR(o, lambda _: 0.9),
    "StepLR": lambda o: theirs.StepLR(o, 2, 0.5),
    "MultiStepLR": lambda o: theirs.MultiStepLR(o, [2, 4]),
    "ConstantLR": theirs.ConstantLR,
    "LinearLR": theirs.LinearLR,
    "ExponentialLR": lambda o: theirs.ExponentialLR(o, 0.9),
    "PolynomialLR": theirs.PolynomialLR,
    "CosineAnnealingLR": lambda o: theirs.CosineAnnealingLR(o, 6),
    "CosineAnnealingWarmRestarts": lambda o: theirs.CosineAnnealingWarmRestarts(o, 3),
    "CyclicLR": lambda o: theirs.CyclicLR(o, 0.01, 0.1, 2, cycle_momentum=False),
    "OneCycleLR": lambda o: theirs.OneCycleLR(o, 0.1, 8, cycle_momentum=False),
    "SequentialLR": lambda o: theirs.SequentialLR(o, [theirs.LinearLR(o), theirs.StepLR(o, 2)], [3]),
    "ChainedScheduler": lambda o: theirs.ChainedScheduler([theirs.LinearLR(o), theirs.StepLR(o, 2)]),
    "SWALR": lambda o: torch.optim.swa_utils.SWALR(o, 0.05),
}


@pytest.mark.parametrize("name", [*SCHEDULERS, "ReduceLROnPlateau"])
def test_torch_s_schedulers_drive_it_as_any_other(name):
    """Six steps: the lrs of every group are those of one class under the same scheduler."""
    make = SCHEDULERS.get(name) or (lambda o: theirs.ReduceLROnPlateau(o, patience=0))
    runs = []
    for kinds in (TWO, torch.optim.AdamW):
        plan = HIDDEN if kinds is TWO else pg.Plan(pg.Rule("*.weight", lr=0.02, name="hidden"), lr=0.01)
        model, optimizer = stepped(plan, kinds, steps=0)
        scheduler, lrs = make(optimizer), []
        for _ in range(6):
            step(model, optimizer)
            scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))
            lrs.append([group["lr"] for group in optimizer.param_groups])
        runs.append(lrs)
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[0][-1]


def test_a_cycle_of_momentum_that_not_all_have_is_refused_by_torch():
    """Muon has momentum, AdamW betas: torch looks for either in the defaults of all."""
    with pytest.raises(ValueError, match="momentum or beta1"):
        theirs.OneCycleLR(stepped()[1], 0.1, 8)


def test_the_linter_knows_which_groups_are_muon_s():
    """By the class of a group's algorithm, whatever it is called."""
    model = nn.ModuleDict({"embed": nn.Embedding(4, 4), "body": nn.Linear(4, 4)})
    plan = pg.Plan(pg.Rule(pg.Ndim(2), algorithm="hidden", name="matrices"), lr=0.01, weight_decay=0.0)
    optimizer = plan.build(model, {"hidden": Muon, "rest": AdamW}, default="rest")
    assert "PG203" in [finding.code for finding in pg.check(optimizer)]
    plan = pg.Plan(pg.Rule(pg.Ndim(2) & ~pg.EMBEDDINGS, algorithm="hidden", name="matrices"), lr=0.01, weight_decay=0.0)
    optimizer = plan.build(model, {"hidden": Muon, "muon": AdamW}, default="muon")
    assert "PG203" not in [finding.code for finding in pg.check(optimizer)]

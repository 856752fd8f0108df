"""Frozen means frozen: nothing moves, whatever the optimizer; thawed, it goes on as if it had only waited."""

import copy
import warnings
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import paramgroups as pg
from kinds import OPTIMIZERS
from paramgroups.errors import FreezeError, NothingSelectedError
from paramgroups.freezing import Freeze
from paramgroups.pins import is_pinned
from states import plain

FIRST_ORDER = {name: case for name, case in OPTIMIZERS.items() if case[0] is not torch.optim.LBFGS}


def net() -> Any:
    """A stem and a head, matrices alone, as Muon has it."""
    torch.manual_seed(0)
    return nn.ModuleDict({"stem": nn.Linear(3, 4, bias=False), "head": nn.Linear(4, 2, bias=False)})


def convnet() -> Any:
    """A stem with a norm and dropout, and a head."""
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    return nn.ModuleDict({"stem": stem, "head": nn.Linear(4, 2)})


def step(model: Any, optimizer: torch.optim.Optimizer, number: int = 0) -> None:
    """One update on a batch of its own."""
    drawn = torch.Generator().manual_seed(number)
    batch = torch.randn(8, 3, generator=drawn)
    model["head"](model["stem"](batch)).square().mean().backward()
    if isinstance(optimizer, torch.optim.SparseAdam):
        for parameter in model.parameters():
            parameter.grad = None if parameter.grad is None else parameter.grad.to_sparse()
    optimizer.step()
    optimizer.zero_grad()


def built(case: str, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a case over a model."""
    kind, options = FIRST_ORDER[case]
    found = kind(list(model.parameters()), **copy.deepcopy(options))
    getattr(found, "train", lambda: None)()  # schedulefree asks for it
    return found


@pytest.mark.parametrize("case", FIRST_ORDER)
def test_no_optimizer_moves_what_is_frozen_and_each_goes_on_from_the_state_it_kept(case):
    """Torch's, ours and others': parameters and state to the bit, with a gradient left over from before, too."""
    model = net()
    optimizer = built(case, model)
    for number in range(3):
        step(model, optimizer, number)
    stem = model["stem"].weight
    model["head"](model["stem"](torch.ones(1, 3))).sum().backward()
    pg.freeze(model, "stem.*", optimizer)
    optimizer.zero_grad()
    before, state, head = stem.clone(), plain(optimizer.state[stem]), model["head"].weight.clone()
    for number in range(5):
        step(model, optimizer, number)
        assert torch.equal(stem, before)
    assert plain(optimizer.state[stem]) == state
    assert not torch.equal(model["head"].weight, head)
    pg.thaw(model, "stem.*", optimizer)
    step(model, optimizer)
    assert not torch.equal(stem, before)


@pytest.mark.parametrize("case", ["AdamW", "AdamW, ours", "SGD, ours", "Muon, ours", "Lion"])
def test_thawed_it_goes_on_as_if_it_had_only_waited(case):
    """The next step is the one that an optimizer would have made that never had the steps between."""
    model, other = net(), net()
    pair = [(each, built(case, each)) for each in (model, other)]
    for each, optimizer in pair:
        for number in range(3):
            step(each, optimizer, number)
    pg.freeze(model, "*", pair[0][1])
    assert not any(parameter.requires_grad for parameter in model.parameters())
    pair[0][1].step()
    pg.thaw(model, "*", pair[0][1])
    for each, optimizer in pair:
        step(each, optimizer, 3)
    assert plain(model.state_dict()) == plain(other.state_dict())


@pytest.mark.parametrize("case", ["AdamW", "AdamW, ours", "SGD, ours", "Muon, ours"])
def test_with_its_state_dropped_it_starts_anew(case):
    """The first step after is that of an optimizer made then, and what is not frozen keeps its state."""
    model = net()
    optimizer = built(case, model)
    for number in range(3):
        step(model, optimizer, number)
    head = plain(optimizer.state[model["head"].weight])
    pg.freeze(model, "stem.*", optimizer, state="drop")
    assert [parameter is model["head"].weight for parameter in optimizer.state] == [True]
    assert plain(optimizer.state[model["head"].weight]) == head
    pg.thaw(model, "stem.*", optimizer)
    other = copy.deepcopy(model)
    fresh = built(case, other)
    step(model, optimizer, 3)
    step(other, fresh, 3)
    assert torch.equal(model["stem"].weight, other["stem"].weight)


def test_statistics_stay_across_train_and_dropout_goes_on():
    """The norm evaluates by what it has learnt; dropout still drops."""
    model = convnet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    step(model, optimizer)
    pg.freeze(model, "stem.*")
    before = plain(model["stem"].state_dict())
    for number in range(3):
        model.train()
        step(model, optimizer, number)
    assert plain(model["stem"].state_dict()) == before
    assert model["stem"][2].training
    assert (model["stem"](torch.ones(64, 3)) == 0).any()
    pg.thaw(model, "stem.*")
    step(model, optimizer)
    assert plain(model["stem"][1].state_dict())["running_mean"] != before["1.running_mean"]


def test_statistics_go_on_where_that_is_wanted():
    """`batch_norm=False` freezes the parameters alone."""
    model = convnet()
    pg.freeze(model, "stem.*", batch_norm=False)
    before = plain(dict(model["stem"].named_parameters()))
    step(model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert int(model["stem"][1].num_batches_tracked) == 1
    assert plain(dict(model["stem"].named_parameters())) == before


def test_frozen_in_mid_run_under_compilation_nothing_moves():
    """The compiled model takes note of what was frozen, and of what was thawed."""
    torch._dynamo.reset()
    model: Any = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    compiled: Any = torch.compile(model, backend="aot_eager", fullgraph=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)

    def update() -> None:
        compiled.train()
        compiled(torch.randn(8, 3)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    update()
    pg.freeze(compiled, "[01].*", optimizer)
    before, head = plain(model[:2].state_dict()), model[2].weight.clone()
    for _ in range(2):
        update()
    assert plain(model[:2].state_dict()) == before
    assert not torch.equal(model[2].weight, head)
    pg.thaw(compiled, "[01].*", optimizer)
    update()
    after = plain(model[:2].state_dict())
    assert [key for key in before if after[key] == before[key]] == []


def test_a_handle_undoes_just_what_it_did():
    """Nested by overlapping selections: what another reason holds stays frozen, in whatever order they end."""
    model = convnet()
    with pg.freeze(model, "stem.*") as outer:
        with pg.freeze(model, "*.weight"):
            assert [n for n, p in model.named_parameters() if p.requires_grad] == ["head.bias"]
        assert [n for n, p in model.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]
        inner = pg.freeze(model, "*.0.weight")
        assert repr(inner) == "<1 parameters frozen by freeze('*.0.weight')>"
        outer.thaw()
        assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["stem.0.weight"]
        assert not is_pinned(model["stem"][1])
    inner.thaw()
    inner.thaw()
    assert all(parameter.requires_grad for parameter in model.parameters())


SELECTIONS = ("*", "stem.*", "*.weight", "stem.1.*", "head.bias")


@given(st.lists(st.tuples(st.sampled_from(["freeze", "undo", "thaw"]), st.sampled_from(SELECTIONS)), max_size=12))
def test_what_trains_is_what_no_reason_is_left_for(deeds):
    """However freezes overlap, and in whatever order they are undone; a norm evaluates when all of it is frozen."""
    model = convnet()
    reasons: dict[str, set[str]] = {name: set() for name, _ in model.named_parameters()}
    done: list[tuple[Freeze, str, set[str]]] = []
    for what, select in deeds:
        chosen = {name for name in reasons if fnmatchcase(name, select)}
        if what == "freeze":
            done.append((pg.freeze(model, select), select, {name for name in chosen if select not in reasons[name]}))
            for name in chosen:
                reasons[name].add(select)
        elif what == "thaw":
            pg.thaw(model, select)
            for name in chosen:
                reasons[name].clear()
        elif done:
            handle, reason, added = done.pop(len(select) % len(done))
            handle.thaw()
            for name in added:
                reasons[name].discard(reason)
        assert {name: not p.requires_grad for name, p in model.named_parameters()} == {
            name: bool(why) for name, why in reasons.items()
        }
        assert is_pinned(model["stem"][1]) == all(reasons[f"stem.1.{own}"] for own in ("weight", "bias"))


def test_to_freeze_again_changes_nothing_and_one_thaw_is_enough():
    """The second handle has nothing to undo."""
    model = net()
    pg.freeze(model, "stem.*")
    again = pg.freeze(model, "stem.*")
    again.thaw()
    assert not model["stem"].weight.requires_grad
    pg.thaw(model, "stem.*")
    assert model["stem"].weight.requires_grad


def test_a_part_is_thawed_of_what_was_frozen_whole():
    """Thawing asks which parameters, not by which selection they were frozen."""
    model = convnet()
    pg.freeze(model, "*")
    pg.thaw(model, pg.NORMS)
    assert [n for n, p in model.named_parameters() if p.requires_grad] == ["stem.1.weight", "stem.1.bias"]
    assert not is_pinned(model["stem"][1])


def test_what_the_model_had_frozen_is_thawed_when_told_so_and_else_left():
    """A handle puts back what was; `thaw` thaws, whoever froze."""
    model = net()
    model["stem"].requires_grad_(False)
    pg.freeze(model, "*").thaw()
    assert [p.requires_grad for p in model.parameters()] == [False, True]
    pg.thaw(model, "*")
    assert all(p.requires_grad for p in model.parameters())


def test_a_norm_that_cannot_be_pinned_is_refused_and_nothing_is_frozen():
    """TorchScript has classes of its own; its parameters can be frozen alone."""
    model = convnet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch has no future for it
        model["stem"] = torch.jit.script(model["stem"])
    with pytest.raises(FreezeError, match=r"(?s)TorchScript cannot be frozen.*batch_norm=False"):
        pg.freeze(model, "stem.*")
    assert all(p.requires_grad for p in model.parameters())
    pg.freeze(model, "stem.*", batch_norm=False)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]


def test_a_selection_of_nothing_or_another_policy_is_explained_and_changes_nothing():
    """As everywhere; the optimizer's state is dropped only where it is at hand."""
    model = net()
    with pytest.raises(NothingSelectedError, match=r"Did you mean 'stem\.\*'"):
        pg.freeze(model, "stme.*")
    with pytest.raises(NothingSelectedError):
        pg.thaw(model, "stme.*")
    with pytest.raises(ValueError, match=r"state='lose' is unknown.\nChoose 'keep' or 'drop'."):
        pg.freeze(model, "*", state="lose")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(FreezeError, match=r"(?s)drop its state is not said.*freeze\(model, select, optimizer"):
        pg.freeze(model, "*", state="drop")
    with pytest.raises(FreezeError, match=r"(?s)LBFGS moves all of its parameters.*Make a new one"):
        pg.freeze(model, "*", torch.optim.LBFGS(model.parameters()))
    assert all(p.requires_grad for p in model.parameters())


def test_what_no_group_would_train_is_not_thawed():
    """The error says how it comes into one."""
    model = net()
    optimizer = pg.Plan(pg.Rule("stem.*", frozen=True), lr=0.1).build(model, torch.optim.SGD)
    with pytest.raises(FreezeError, match=r"(?s)'stem.weight' would be thawed and not trained.*regroup\.add") as caught:
        pg.thaw(model, "*", optimizer)
    assert (caught.value.problem.partition(" ")[0], model["stem"].weight.requires_grad) == ("'stem.weight'", False)
    pg.thaw(model, "stem.*")
    pg.regroup.add(optimizer, "stem.*", name="stem")
    pg.thaw(model, "*", optimizer)
    assert pg.view(optimizer).names == ["default", "stem"]


def test_frozen_for_a_time_it_stays_in_its_group_and_tables_and_explanations_say_so():
    """Under another plan, too: only a rule that freezes leaves it out."""
    model = convnet()
    plan = pg.Plan(pg.Rule("stem.*", lr=0.01), lr=0.1)
    optimizer = plan.build(model, torch.optim.SGD)
    pg.freeze(model, "stem.0.*", optimizer)
    line = "stem: 2 of 4 tensors frozen by freeze('stem.0.*')"
    assert str(plan.on(model)).splitlines()[-1] == line
    assert str(pg.view(optimizer)).splitlines()[-1] == line
    title = "stem.0.weight: 12 elements in group stem, frozen by freeze('stem.0.*')"
    assert str(plan.on(model).explain("stem.0.weight")).splitlines()[0] == title
    pg.Plan(pg.Rule("stem.*", name="all_of_it"), lr=0.1).apply(optimizer, model)
    assert pg.view(optimizer)["all_of_it"].parameter_names == [f"stem.{n}" for n, _ in model["stem"].named_parameters()]
    pg.Plan(pg.Rule("stem.*", frozen=True), lr=0.1).apply(optimizer, model)
    assert pg.view(optimizer).names == ["default"]


def test_what_requires_no_gradients_for_no_reason_of_ours_is_shown_as_such():
    """By hand, in mid-run; of an optimizer whose model nobody knows, too."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model["stem"].requires_grad_(False)
    assert str(pg.view(optimizer)).splitlines()[-1] == "group0: 1 of 2 tensors require no gradients"


def test_a_rule_that_freezes_holds_statistics_too_and_says_so_under_every_plan():
    """Frozen for good means frozen as well: parameters, statistics, and in no group."""
    model = convnet()
    plan = pg.Plan(pg.Rule("stem.*", frozen=True), lr=0.1)
    optimizer = plan.build(model, torch.optim.SGD, momentum=0.9, weight_decay=0.1)
    before = plain(model["stem"].state_dict())
    model.train()
    step(model, optimizer)
    assert plain(model["stem"].state_dict()) == before
    for each in (plan, pg.Plan(lr=0.1)):
        assert str(each.on(model).explain("stem.1.weight")) == "stem.1.weight: 4 elements, frozen by rule 'stem'"


def test_a_copied_model_is_frozen_by_itself():
    """The copy's statistics stay, and it is thawed alone."""
    model = convnet()
    pg.freeze(model, "stem.*")
    other = copy.deepcopy(model)
    pg.thaw(other, "stem.*")
    assert [is_pinned(each["stem"][1]) for each in (model, other)] == [True, False]
    assert [each["stem"][0].weight.requires_grad for each in (model, other)] == [False, True]


def test_in_a_run_of_several_processes_the_optimizer_is_needed_and_gradients_are_thrown_away(monkeypatch):
    """Others wait for them: they are 0 until the step, and none then. What is frozen for good requires none."""
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    model = net()
    optimizer = pg.Plan(lr=0.1).build(model, torch.optim.SGD, ranks=False, weight_decay=0.1)
    with pytest.raises(FreezeError, match=r"(?s)several processes.*freeze\(model, select, optimizer\)"):
        pg.freeze(model, "stem.*")
    frozen = pg.freeze(model, "stem.*", optimizer)
    before = model["stem"].weight.clone()
    assert model["stem"].weight.requires_grad
    step(model, optimizer)
    assert torch.equal(model["stem"].weight, before)
    assert "stem.weight" in str(pg.Plan(lr=0.1).on(model).explain("stem.weight"))
    frozen.thaw()
    step(model, optimizer)
    assert not torch.equal(model["stem"].weight, before)
    pg.Plan(pg.Rule("stem.*", frozen=True), lr=0.1).build(model, torch.optim.SGD, ranks=False)
    assert not model["stem"].weight.requires_grad


def test_what_was_frozen_when_the_model_was_wrapped_is_refused_by_name(monkeypatch):
    """Its gradients would be each process's own; in a run of one there is no other."""
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    wrapped: Any = DistributedDataParallel.__new__(DistributedDataParallel)
    nn.Module.__init__(wrapped)
    wrapped.module = net()
    wrapped.module["stem"].requires_grad_(False)
    summed = [p for p in wrapped.module.parameters() if p.requires_grad]
    wrapped.reducer = SimpleNamespace(_get_zeros_like_grad_buckets=lambda: [SimpleNamespace(parameters=lambda: summed)])
    for count in (2, 1):
        monkeypatch.setattr(dist, "get_world_size", lambda count=count: count)
        if count > 1:
            with pytest.raises(FreezeError, match=r"(?s)'stem.weight' required no gradients.*Wrap the model"):
                pg.thaw(wrapped, "*")
            assert not wrapped.module["stem"].weight.requires_grad
        else:
            pg.thaw(wrapped, "*")
            assert wrapped.module["stem"].weight.requires_grad

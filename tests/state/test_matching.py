"""A saved state held against an optimizer: what moves, what starts anew, what is refused."""

import time
from typing import Any

import pytest
import torch
from torch import nn, optim

import paramgroups as pg
from paramgroups.state.matching import Policies
from states import ALL, model, plain, refused, states, step, stepped

# --- policies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hyperparameters", "missing", "unexpected"])
def test_a_policy_is_one_of_two(name):
    """Another word is refused, with both of them."""
    with pytest.raises(ValueError, match=rf"{name}='saevd' is unknown\.\nChoose '\w+' or '\w+'\."):
        pg.load_named_state(stepped(model()), {}, **{name: "saevd"})  # type: ignore[arg-type]  # that is the point
    assert Policies() == Policies(hyperparameters="current", missing="fresh", unexpected="drop", rename=None)


def test_new_parameters_start_fresh_or_are_refused():
    """As they would without a file; nothing is kept of what they had."""
    state = pg.named_state(stepped(model()))
    net = model(new=nn.Linear(1, 1))
    optimizer = stepped(net, steps=1)
    error = refused(optimizer, state, r"Nothing was saved that fits 'new\.weight', 'new\.bias'\.", missing="error")
    assert "rename={'old': 'new'}, or let them start afresh: missing='fresh'." in str(error)
    report = pg.load_named_state(optimizer, state)
    assert (report.moved, report.fresh, report.complete) == (ALL, ("new.weight", "new.bias"), False)
    assert {name for name, own in states(optimizer, net).items() if own} == {*ALL}
    step(optimizer)
    assert [own["step"][1] for own in states(optimizer, net).values()] == [4.0] * 4 + [1.0] * 2


def test_parameters_that_are_gone_are_dropped_or_refused():
    """Under the names they were saved by."""
    state = pg.named_state(stepped(model(old=nn.Linear(1, 1))))
    optimizer = stepped(model(), steps=0)
    error = refused(optimizer, state, r"saved for what is not here: 'old\.weight', 'old\.bias'\.", unexpected="error")
    assert "or let it go: unexpected='drop'." in str(error)
    report = pg.load_named_state(optimizer, state)
    assert (report.moved, report.dropped) == (ALL, ("old.weight", "old.bias"))


def test_parameters_of_another_shape_start_anew_or_are_refused():
    """Both shapes are told."""
    state = pg.named_state(stepped(model()))
    net = model(out=3)
    optimizer = stepped(net, steps=1)
    refused(
        optimizer, state, r"fits 'head\.weight \(shape \(1, 2\), now \(3, 2\)\)', 'head\.bias \(shape", missing="error"
    )
    report = pg.load_named_state(optimizer, state, unexpected="error")
    assert report.moved == ALL[:2]
    assert report.reshaped == (("head.weight", (1, 2), (3, 2)), ("head.bias", (1,), (3,)))
    assert states(optimizer, net)["head.bias"] == {}
    assert not report.complete


# --- another class --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [(optim.Adam, optim.AdamW), (optim.AdamW, optim.Adam), (optim.AdamW, optim.RAdam)],
)
def test_state_moves_between_classes_that_keep_the_same(before, after):
    """Of one family, or with just the same entries; that the class is another is shown."""
    net = model()
    saved = stepped(net, before)
    optimizer = stepped(net, after, steps=0)
    report = pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved")
    assert (report.moved, report.complete) == (ALL, True)
    former, present = (f"torch.optim.{kind.__name__.lower()}.{kind.__name__}" for kind in (before, after))
    assert report.hyperparameters[0] == ("optimizer", former, present, present)
    assert states(optimizer, net) == states(saved, net)
    step(optimizer)


@pytest.mark.parametrize(
    ("before", "after", "options"),
    [
        (optim.SGD, optim.AdamW, {"momentum": 0.9}),
        (optim.AdamW, optim.NAdam, {}),
        (optim.AdamW, optim.RMSprop, {}),
        (optim.AdamW, optim.SGD, {}),
    ],
)
def test_state_of_another_kind_starts_anew_or_is_refused(before, after, options):
    """Nothing of it is put where it would be taken for something else."""
    net = model()
    state = pg.named_state(stepped(net, before, **options))
    optimizer = stepped(net, after, steps=1)
    refused(optimizer, state, "Nothing was saved that fits 'body.weight', 'body.bias'", missing="error")
    report = pg.load_named_state(optimizer, state, unexpected="error")
    assert (report.moved, report.fresh, report.refitted) == ((), (), ALL)
    assert states(optimizer, net) == {name: {} for name in ALL}
    step(optimizer)


class Odd(optim.SGD):
    """Of SGD's family, and keeps something of its own."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["own"] = 1
        return None


def test_within_a_family_state_starts_anew_where_no_entry_is_the_same():
    """What is left of it would be nothing."""
    net = model()
    optimizer = stepped(net, Odd, steps=0)
    report = pg.load_named_state(optimizer, pg.named_state(stepped(net, optim.SGD, momentum=0.9)))
    assert (report.refitted, report.fresh, report.dropped) == (ALL, (), ())
    assert not any(states(optimizer, net).values())


def test_parameters_without_state_fit_any_class():
    """There is nothing to be lost."""
    report = pg.load_named_state(stepped(model(), optim.SGD), pg.named_state(stepped(model(), steps=0)))
    assert report.moved == ALL


def test_settings_that_both_classes_have_are_compared():
    """And taken where that is asked for; others mean nothing here."""
    net = model()
    state = pg.named_state(stepped(net, optim.SGD, lr=0.5, momentum=0.9, weight_decay=0.25))
    optimizer = stepped(net, optim.AdamW, lr=0.1, weight_decay=0.25)
    report = pg.load_named_state(optimizer, state, hyperparameters="saved")
    assert [each.where for each in report.hyperparameters] == ["optimizer", "lr/group0"]
    assert (optimizer.param_groups[0]["lr"], "momentum" in optimizer.param_groups[0]) == (0.5, False)


# --- other settings of one class ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "off", "on", "entry"),
    [
        (optim.AdamW, {}, {"amsgrad": True}, "max_exp_avg_sq"),
        (optim.RMSprop, {}, {"centered": True}, "grad_avg"),
        (optim.RMSprop, {"centered": True}, {"centered": True, "momentum": 0.9}, "momentum_buffer"),
    ],
)
def test_an_option_that_is_switched_on_starts_its_entry_anew(kind, off, on, entry):
    """And one that is switched off drops it; all else moves, and the run goes on. Each is told by its name."""
    net = model()
    without, having = stepped(net, kind, **off), stepped(net, kind, **on)
    optimizer = stepped(net, kind, steps=1, **on)
    refused(optimizer, pg.named_state(without), rf"fits 'body\.weight \[{entry}\]', ", missing="error")
    report = pg.load_named_state(optimizer, pg.named_state(without))
    assert (report.moved, report.fresh, report.dropped) == (ALL, tuple(f"{name} [{entry}]" for name in ALL), ())
    for name, state in states(without, net).items():
        assert states(optimizer, net)[name] == {**state, entry: plain(torch.zeros_like(net.get_parameter(name)))}
    step(optimizer)
    optimizer = stepped(net, kind, steps=1, **off)
    refused(optimizer, pg.named_state(having), rf"not here: 'body\.weight \[{entry}\]', ", unexpected="error")
    report = pg.load_named_state(optimizer, pg.named_state(having))
    assert (report.moved, report.fresh, report.dropped) == (ALL, (), tuple(f"{name} [{entry}]" for name in ALL))
    expected = {name: {k: v for k, v in state.items() if k != entry} for name, state in states(having, net).items()}
    assert states(optimizer, net) == expected
    step(optimizer)


def test_momentum_may_come_and_go():
    """What SGD keeps for it starts at the next step, as torch has it, or is dropped."""
    net = model()
    optimizer = stepped(net, optim.SGD, steps=0, momentum=0.9)
    assert pg.load_named_state(optimizer, pg.named_state(stepped(net, optim.SGD)), missing="error").complete
    step(optimizer)
    assert states(optimizer, net)["head.bias"] == {"momentum_buffer": plain(torch.ones(1))}
    other = stepped(net, optim.SGD)
    report = pg.load_named_state(other, pg.named_state(optimizer), missing="error")
    assert (report.moved, report.refitted) == (ALL, ())
    assert report.dropped == tuple(f"{name} [momentum_buffer]" for name in ALL)
    assert states(other, net) == {name: {} for name in ALL}


def test_what_is_kept_follows_the_settings_that_hold_afterwards():
    """The saved amsgrad comes with its maxima, and an optimizer without it can go on with them."""
    net = model()
    saved = stepped(net, amsgrad=True)
    optimizer = stepped(net, steps=0)
    report = pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved")
    assert report.complete
    assert states(optimizer, net) == states(saved, net)
    step(optimizer)
    optimizer = stepped(net, amsgrad=True)
    pg.load_named_state(optimizer, pg.named_state(stepped(net)), hyperparameters="saved")
    assert "max_exp_avg_sq" not in states(optimizer, net)["head.bias"]
    step(optimizer)


def test_what_a_schedule_has_at_0_for_now_keeps_its_state():
    """Momentum stood at .9 when the run was saved, and stands at 0 before it is put back there."""
    net = model()
    saved = stepped(net, optim.SGD, momentum=0.9)
    optimizer = stepped(net, optim.SGD, momentum=0.9, steps=0)
    pg.Scheduler(optimizer, momentum=pg.Linear(10, start=0.0, end=1.0))
    assert optimizer.param_groups[0]["momentum"] == 0.0
    assert pg.load_named_state(optimizer, pg.named_state(saved)).complete
    assert states(optimizer, net) == states(saved, net)


class Slow(optim.SGD):
    """Keeps more from the third step on, and None before; its first step does not tell."""

    def step(self, closure: Any = None) -> Any:
        found = super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                own = self.state[parameter]
                own["count"] = own.get("count", 0) + 1
                own["slow"] = parameter.detach().clone() if own["count"] >= 3 else None
        return found


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}], ids=str)
def test_state_that_a_class_makes_later_is_not_lost(options):
    """Under the same settings all of it moves; under others, all but what these take away."""
    net = model()
    for steps in (2, 3):
        saved = stepped(net, Slow, steps=steps, momentum=0.9)
        optimizer = stepped(net, Slow, steps=0, **options)
        report = pg.load_named_state(optimizer, pg.named_state(saved))
        lost = set() if options else {"momentum_buffer"}
        assert report.dropped == tuple(f"{name} [{key}]" for name in ALL for key in lost)
        expected = {name: {k: v for k, v in own.items() if k not in lost} for name, own in states(saved, net).items()}
        assert states(optimizer, net) == expected
        assert states(optimizer, net)["head.bias"].keys() >= {"count", "slow"}


# --- L-BFGS, which keeps one state for all --------------------------------------------------------------------------


def lbfgs(net: nn.Module, names: tuple[str, ...] = ALL, *, steps: int = 0) -> optim.LBFGS:
    """Over these parameters, in this order."""
    optimizer = optim.LBFGS([(name, net.get_parameter(name)) for name in names], max_iter=2)

    def closure() -> float:
        for parameter in net.parameters():
            parameter.grad = parameter.detach().clone()
        return float(sum((parameter.detach() ** 2).sum() for parameter in net.parameters()))

    for _ in range(steps):
        optimizer.step(closure)
    return optimizer


@pytest.mark.parametrize("names", [ALL[::-1], ALL[:3]], ids=str)
def test_one_state_for_all_parameters_is_dropped_where_they_are_not_the_same(names):
    """In the same order; else its vectors would be taken apart in the wrong places."""
    net = model()
    state = pg.named_state(lbfgs(net, steps=2))
    optimizer = lbfgs(net, names)
    report = pg.load_named_state(optimizer, state)
    assert (report.moved, report.fresh, report.dropped) == ((), names, ALL)
    assert optimizer.state_dict()["state"] == {}


def test_one_state_for_all_parameters_is_dropped_where_a_shape_is_another():
    """The first parameter's would still fit by itself."""
    state = pg.named_state(lbfgs(model(), steps=2))
    optimizer = lbfgs(model(out=3))
    assert pg.load_named_state(optimizer, state).fresh == ALL
    assert optimizer.state_dict()["state"] == {}


def test_one_state_for_all_parameters_moves_under_other_names():
    """The order is that of the saved."""
    saved = lbfgs(model(), steps=2)
    net = nn.ModuleDict({"trunk": nn.Linear(2, 2), "head": nn.Linear(2, 1)})
    optimizer = lbfgs(net, tuple(name.replace("body", "trunk") for name in ALL))
    assert pg.load_named_state(optimizer, pg.named_state(saved), rename={"body": "trunk"}).complete
    assert len(optimizer.state[net.get_parameter("trunk.weight")]) == len(saved.state_dict()["state"][0]) > 3


# --- what nobody knows -----------------------------------------------------------------------------------------------


def test_a_shape_that_nobody_knows_fits():
    """As where torch's own state was adopted by names alone."""
    net = model()
    state = pg.named_state(stepped(net))
    for record in state["parameters"].values():
        record["shape"] = None
    assert pg.load_named_state(stepped(net, steps=0), state).complete
    whole = pg.named_state(lbfgs(net, steps=2))
    for record in whole["parameters"].values():
        record["shape"] = None
    assert pg.load_named_state(lbfgs(net), whole).complete


# --- time -----------------------------------------------------------------------------------------------------------


def test_a_load_takes_time_in_proportion():
    """Eight times the names, and not sixty: torch's own load of a state that is given in lists looks through them."""

    def seconds(count: int) -> float:
        made = []
        for names in (range(count), reversed(range(count))):
            params = [(f"layer.{index}", nn.Parameter(torch.zeros(1))) for index in names]
            made.append(optim.SGD([{"params": params}], momentum=0.9))
        for _, parameter in zip(range(count), made[0].param_groups[0]["params"], strict=True):
            made[0].state[parameter]["momentum_buffer"] = parameter.detach()
        state = pg.named_state(made[0])
        start = time.perf_counter()
        assert len(pg.load_named_state(made[1], state).moved) == count
        return time.perf_counter() - start

    few = min(seconds(2_000) for _ in range(3))
    assert seconds(16_000) < 25 * few

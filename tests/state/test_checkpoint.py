"""A run in one file: saved whole, and loaded whole or not at all."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn, optim

import paramgroups as pg
from paramgroups.errors import ParamGroupsError, StateMismatchError, UnsavableError
from paramgroups.state import archive, files
from states import everything, plain, states

PLAN = pg.Plan(pg.Rule("head.*", lr=pg.Times(10)), lr=0.1, weight_decay=0.01)


class Net(nn.Module):
    """With a norm that keeps buffers, and a tied weight."""

    def __init__(self, width: int = 3, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Linear(3, width)
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 3, bias=False)
        if width == 3:
            self.head.weight = self.body.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.norm(self.body(x)))
        return found


def run(net: nn.Module | None = None, plan: pg.Plan = PLAN, **more: Any) -> tuple[Any, Any, pg.Scheduler]:
    """A model with other weights than a saved one's, its optimizer and scheduler."""
    net = Net(seed=1) if net is None else net
    optimizer = plan.build(net, more.pop("kind", optim.AdamW))
    return net, optimizer, pg.Scheduler(optimizer, lr=pg.Linear(20), horizon=pg.Horizon(steps=20), **more)


def train(net: nn.Module, optimizer: optim.Optimizer, steps: int = 3) -> None:
    """Real updates, on batches drawn at random."""
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(4, 3)).pow(2).sum().backward()
        optimizer.step()


@pytest.fixture
def path(tmp_path):
    """Where the file is."""
    return tmp_path / "state.pt"


@pytest.fixture
def saved(path):
    """A run after three updates, which is in the file, with something beside."""
    net, optimizer, scheduler = run(Net())
    train(net, optimizer)
    pg.save(path, optimizer, scheduler, net, extra={"epoch": 1})
    return net, optimizer, scheduler


def test_a_run_goes_on_as_if_it_had_never_stopped(path, saved):
    """Weights, buffers, state, values and random numbers, to the bit; what was beside comes back."""
    net, optimizer, scheduler = saved
    seeds = {"torch": torch.get_rng_state(), "python": random.getstate(), "numpy": list(np.random.get_state()[1])}  # type: ignore[index]  # noqa: NPY002  # the global one
    pg.save(path, optimizer, scheduler, net, extra={"epoch": 1, "random": {**seeds, "numpy": None}})
    train(net, optimizer)
    other, again, timed = run()
    report = pg.load(path, again, timed, other)
    assert (report.complete, report.step, report.extra["epoch"]) == (True, 3, 1)
    assert (report.hyperparameters, report.schedules, report.renamed) == ((), (), ())
    assert random.getstate() == report.extra["random"]["python"]
    torch.set_rng_state(report.extra["random"]["torch"])
    train(other, again)
    assert plain(dict(other.state_dict())) == plain(dict(net.state_dict()))
    assert states(again, other) == states(optimizer, net)
    assert timed.state_dict() == scheduler.state_dict()
    assert other.norm.num_batches_tracked == 6


def test_torch_alone_opens_the_file(path, saved):
    """Without running code."""
    content = torch.load(path, weights_only=True)
    assert content.keys() == {"paramgroups", "optimizer", "scheduler", "model", "extra"}
    assert content["scheduler"]["step"] == 3
    assert plain(content["model"]) == plain(dict(saved[0].state_dict()))


def test_parts_that_are_not_there_are_not_saved(path):
    """An optimizer alone will do; and those that are there need not be asked for."""
    net, optimizer, scheduler = run()
    pg.save(path, optimizer)
    assert {part: files.read(path)[part] for part in ("scheduler", "model", "extra")} == {
        "scheduler": None,
        "model": None,
        "extra": None,
    }
    assert pg.load(path, optimizer).extra is None
    train(net, optimizer)
    pg.save(path, optimizer, scheduler, net, extra=[1])
    net, optimizer, scheduler = run()
    before = plain(dict(net.state_dict()))
    report = pg.load(path, optimizer)
    assert (report.step, report.extra, scheduler.last_epoch) == (None, [1], 0)
    assert plain(dict(net.state_dict())) == before
    assert optimizer.state_dict()["state"] != {}


def test_older_files_are_kept_where_that_is_asked_for(path):
    """Each loads."""
    net, optimizer, scheduler = run()
    for epoch in range(4):
        pg.save(path, optimizer, scheduler, net, extra=epoch, keep=3)
        train(net, optimizer, 1)
    found = sorted(path.parent.iterdir())
    assert [file.name for file in found] == ["state.pt", "state.pt.1", "state.pt.2"]
    assert [pg.load(file, optimizer, scheduler, net).extra for file in found] == [3, 2, 1]
    assert scheduler.last_epoch == 1


# --- wrappers and names ---------------------------------------------------------------------------------------------


class DistributedDataParallel(nn.Module):
    """What a wrapper of this name looks like."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.module(x)
        return found


WRAPPERS: dict[str, Callable[[nn.Module], Any]] = {
    "none": lambda net: net,
    "DataParallel": nn.DataParallel,
    "DistributedDataParallel": DistributedDataParallel,
    "compile": lambda net: torch.compile(net, backend="eager"),
    "both": lambda net: torch.compile(DistributedDataParallel(net), backend="eager"),
}


@pytest.mark.parametrize("inner", [False, True], ids=["named outside", "named inside"])
@pytest.mark.parametrize("there", WRAPPERS)
@pytest.mark.parametrize("here", WRAPPERS)
def test_wrappers_leave_no_trace_in_a_file(path, here, there, inner):
    """Saved under one and loaded under another, whichever of the two the optimizer was made with."""
    net, other = Net(), Net(seed=1)
    wrapped, unlike = WRAPPERS[here](net), WRAPPERS[there](other)
    _, optimizer, scheduler = run(net if inner else wrapped)
    train(net, optimizer, 1)
    pg.save(path, optimizer, scheduler, wrapped)
    assert list(files.read(path)["model"]) == list(net.state_dict())
    _, again, timed = run(unlike if inner else other)
    report = pg.load(path, again, timed, unlike)
    assert (report.complete, report.schedules, report.hyperparameters) == (True, (), ())
    assert plain(dict(other.state_dict())) == plain(dict(net.state_dict()))
    assert states(again, other) == states(optimizer, net)
    assert torch.equal(other.head.weight, other.body.weight)


def test_an_average_of_weights_is_saved_with_its_count(path):
    """What a wrapper keeps beside the model is under its own name."""
    net = Net()
    average = optim.swa_utils.AveragedModel(net)
    average.update_parameters(net)
    optimizer = optim.SGD(average.parameters())
    pg.save(path, optimizer, model=average)
    assert list(files.read(path)["model"]) == ["n_averaged", *net.state_dict()]
    other = optim.swa_utils.AveragedModel(Net(seed=1))
    assert pg.load(path, optim.SGD(other.parameters()), model=other).complete
    assert plain(dict(other.state_dict())) == plain(dict(average.state_dict()))
    plain_one = Net(seed=1)
    report = pg.load(path, optim.SGD(plain_one.parameters()), model=plain_one)
    assert (report.dropped, report.fresh) == (("n_averaged",), ())
    assert plain(dict(plain_one.state_dict())) == plain(dict(net.state_dict()))


def test_wrapped_optimizers_and_schedulers_are_those_beneath(path, saved):
    """As accelerate wraps them."""

    class Wrapper:
        def __init__(self, **inner: Any) -> None:
            self.__dict__.update(inner)

    net, optimizer, scheduler = saved
    pg.save(path, Wrapper(optimizer=optimizer), Wrapper(scheduler=scheduler), net)  # type: ignore[arg-type]  # as it has no type of ours
    other, again, timed = run()
    report = pg.load(path, Wrapper(optimizer=again), Wrapper(scheduler=timed), other)  # type: ignore[arg-type]  # as above
    assert (report.step, report.complete) == (3, True)


def test_a_rename_is_of_weights_buffers_and_state(path, saved):
    """One mapping for all of the file; a buffer alone may be named, too."""

    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Linear(3, 3)
            self.scale = nn.BatchNorm1d(3)
            self.head = nn.Linear(3, 3, bias=False)
            self.head.weight = self.trunk.weight

    net, optimizer, scheduler = run(Other(), pg.Plan(pg.Rule("trunk.bias", lr=1.0), lr=0.1))
    rename = {"body": "trunk", "norm": "scale", "norm.num_batches_tracked": "scale.num_batches_tracked"}
    report = pg.load(path, optimizer, scheduler, net, rename=rename, missing="error", unexpected="error")
    assert report.complete
    assert report.renamed == (
        ("body.weight", "trunk.weight"),
        ("body.bias", "trunk.bias"),
        ("norm.weight", "scale.weight"),
        ("norm.bias", "scale.bias"),
    )
    assert torch.equal(net.trunk.weight, saved[0].body.weight)
    assert net.scale.num_batches_tracked == 3


def test_weights_that_are_tied_here_and_were_not_there(path):
    """Both names were saved, and the optimizer's state is that of the first."""
    net = Net()
    net.head.weight = nn.Parameter(net.body.weight.detach().clone())
    optimizer = PLAN.build(net, optim.AdamW)
    train(net, optimizer, 1)
    pg.save(path, optimizer, model=net)
    other, again, _ = run()
    report = pg.load(path, again, model=other)
    assert (report.fresh, report.dropped) == ((), ("head.weight",))
    assert states(again, other)["body.weight"] == states(optimizer, net)["body.weight"]
    train(other, again, 1)


# --- what differs ---------------------------------------------------------------------------------------------------


def test_weights_that_are_new_gone_or_of_another_shape_are_told(path, saved):
    """In the model as in the optimizer, each once; what does not fit stays as it is here."""
    net = Net(width=4, seed=1)
    net.extra = nn.Linear(1, 1)
    optimizer = optim.AdamW(net.parameters())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    report = pg.load(path, optimizer, model=net)
    assert report.moved == ()
    assert report.fresh == ("head.weight", "extra.weight", "extra.bias")
    assert [name for name, *_ in report.reshaped] == [
        "body.weight",
        "body.bias",
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "head.weight",
    ]
    changed = [name for name, value in net.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["norm.num_batches_tracked"]


def test_a_frozen_parameters_weights_come_though_its_state_is_dropped(path, saved):
    """It is in the model, and in no group."""
    net = Net(seed=1)
    net.norm.requires_grad_(False)
    optimizer = optim.AdamW([p for p in net.parameters() if p.requires_grad])
    report = pg.load(path, optimizer, model=net)
    assert report.moved == ("body.weight", "body.bias")
    assert report.dropped == ("norm.weight", "norm.bias", "the scheduler, not asked for")
    assert torch.equal(net.norm.weight, saved[0].norm.weight)


def test_what_a_file_holds_and_nobody_asks_for_is_told(path, saved):
    """Weights and position that stay behind are no complete load, and can be forbidden."""
    net, optimizer, scheduler = run(Net(seed=1))
    report = pg.load(path, optimizer, scheduler)
    assert (report.dropped, report.complete) == (("the model, not asked for",), False)
    with pytest.raises(StateMismatchError, match="the model, not asked for"):
        pg.load(path, optimizer, scheduler, unexpected="error")
    assert pg.load(path, optimizer, scheduler, net, unexpected="error").complete


def test_what_leads_nowhere_is_no_new_name(path, saved):
    """A mistyped target of a rename is told, as a mistyped source is."""
    net, optimizer, scheduler = run(Net(seed=1))
    with pytest.raises(StateMismatchError, match=r"rename leads to 'bdy.weight'.*which nothing here is called"):
        pg.load(path, optimizer, scheduler, net, rename={"body": "bdy"})


def test_a_model_in_the_schedulers_place_is_explained(path, saved):
    """The order of the parts is easily mistaken."""
    net, optimizer, _ = run(Net(seed=1))
    with pytest.raises(TypeError, match="First optimizer, then scheduler, then model"):
        pg.save(path, optimizer, net)


def test_weights_are_copied_into_the_parameters_that_are_there(path, saved):
    """In their dtype: whoever holds them sees it."""
    net = Net(seed=1).double()
    held = dict(net.named_parameters())
    _, optimizer, _ = run(net)
    pg.load(path, optimizer, model=net)
    assert all(held[name] is parameter for name, parameter in net.named_parameters())
    assert net.body.weight.dtype == torch.float64
    assert torch.equal(net.body.weight, saved[0].body.weight.double())
    train_double = net(torch.ones(2, 3, dtype=torch.float64)).sum()
    train_double.backward()
    optimizer.step()


# --- all or nothing -------------------------------------------------------------------------------------------------


class Picky(nn.Module):
    """Does not take everything that was saved for it."""

    def __init__(self) -> None:
        super().__init__()
        self.level = 0

    def get_extra_state(self) -> Any:
        return {"level": self.level}

    def set_extra_state(self, state: Any) -> None:
        if state["level"] > 5:
            raise ValueError("this level is too high")
        self.level = state["level"]


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], None]:
    """What makes a whole file whose content is another."""

    def rewrite(path: Any) -> None:
        content = files.read(path)
        change(content)
        files.write(path, content)

    return rewrite


def newer(path: Any) -> None:
    """A file of the next format."""
    content = files.read(path)
    before, archive.VERSION = archive.VERSION, 2  # type: ignore[misc]  # that is the point
    files.write(path, content)
    archive.VERSION = before  # type: ignore[misc]  # as above


def flipped(path: Any) -> None:
    """One bit is another."""
    path.write_bytes(bytes(byte ^ (index == 900) for index, byte in enumerate(path.read_bytes())))


def nothing(path: Any) -> None:
    """The file is what it was."""


OTHER = {"optimizer": pg.named_state(optim.AdamW(nn.Linear(2, 2).named_parameters())), "model": {"a": torch.ones(1)}}
STRETCHED = {"kind": "stretch", "step": 1, "group": "default", "hyperparameter": "lr", "old": 7, "new": 9}
CODE = {"schedules": [[None, {"lr": "Function(f)"}]]}
STRICT = {"missing": "error", "unexpected": "error"}
AS_SAVED = {"hyperparameters": "saved"}
SPOILT: dict[str, tuple[Callable[[Any], object], dict[str, Any], str]] = {
    "absent": (lambda path: path.unlink(), {}, "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), {}, "is empty"),
    "foreign": (lambda path: torch.save({"a": torch.ones(2)}, path), {}, "is no checkpoint of paramgroups"),
    "torch's": (lambda path: torch.save(optim.SGD([torch.zeros(1)]).state_dict(), path), {}, "is no checkpoint"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-1]), {}, "is cut short"),
    "flipped": (flipped, {}, "is damaged"),
    "newer": (newer, {}, "has the format 2"),
    "no run": (lambda path: files.write(path, {"optimizer": 1}), {}, "holds no run"),
    "a newer state": (changed(lambda own: own["optimizer"].update(version=2)), {}, "has version 2"),
    "no state": (changed(lambda own: own.update(optimizer={})), {}, "no named state"),
    "no scheduler": (changed(lambda own: own.update(scheduler=None)), {}, "without a scheduler"),
    "no scheduler's": (changed(lambda own: own["scheduler"].pop("journal")), {}, "journal is missing"),
    "a newer scheduler": (changed(lambda own: own["scheduler"].update(version=2)), {}, "version 2"),
    "no model": (changed(lambda own: own.update(model=None)), {}, "without a model"),
    "another model": (changed(lambda own: own.update(OTHER)), {}, "another model's state"),
    "other weights": (changed(lambda own: own.update(model=OTHER["model"])), {}, "another model's state"),
    "a weight less": (changed(lambda own: own["model"].pop("norm.running_mean")), STRICT, "fits 'norm.running_mean'"),
    "a weight more": (changed(lambda own: own["model"].update(more=torch.ones(1))), STRICT, "is not here: 'more'"),
    "another shape": (
        changed(lambda own: own["model"].update({"norm.running_mean": torch.ones(2)})),
        STRICT,
        r"fits 'norm.running_mean \(shape \(2,\), now \(3,\)\)'",
    ),
    "a state less": (changed(lambda own: own["optimizer"]["parameters"].pop("norm.bias")), STRICT, "fits 'norm.bias'"),
    "a slip": (nothing, {"rename": {"bdoy": "body"}}, "Did you mean 'body'"),
    "one name": (nothing, {"rename": {"norm.running_mean": "norm.running_var"}}, "one name, 'norm.running_var'"),
    "bases": (nothing, AS_SAVED, "whose bases or edits differ"),
    "code": (changed(lambda own: own["scheduler"].update(CODE)), AS_SAVED, "cannot be put back"),
    "a length": (changed(lambda own: own["scheduler"]["journal"].append(STRETCHED)), {}, "planned for 7 updates"),
}


def everything_in(net: Any, optimizer: optim.Optimizer, scheduler: pg.Scheduler) -> Any:
    """Of a run, whatever a load may change."""
    return everything(optimizer, scheduler, net), net.picky.level, torch.get_rng_state().tolist()


@pytest.mark.parametrize("case", SPOILT)
def test_a_load_that_is_refused_changes_nothing(case, path):
    """Weights, buffers, state, groups, position and journal are the same objects, and hold the same bits."""
    spoil, policies, match = SPOILT[case]
    net, optimizer, scheduler = run(picky(0))
    train(net, optimizer)
    pg.save(path, optimizer, scheduler, net)
    spoil(path)
    net, optimizer, scheduler = run(picky(1), pg.Plan(lr=0.5) if case == "bases" else PLAN)
    train(net, optimizer, 2)
    scheduler.override(lr=0.25, steps=2)
    before = everything_in(net, optimizer, scheduler)
    with pytest.raises(ParamGroupsError, match=match):
        pg.load(path, optimizer, scheduler, net, **policies)
    assert everything_in(net, optimizer, scheduler) == before


def picky(seed: int) -> Net:
    """A model one of whose modules is so."""
    net = Net(seed=seed)
    net.picky = Picky()
    return net


def test_a_load_that_fails_in_the_model_changes_nothing_either(path):
    """By then all else is in, and half of the weights: it is put back, and the run goes on as it would have."""
    net, optimizer, scheduler = run(picky(0))
    train(net, optimizer)
    net.picky.level = 9
    pg.save(path, optimizer, scheduler, net)
    runs = [run(picky(1)) for _ in range(2)]
    for each in runs:
        torch.manual_seed(3)
        train(*each[:2], 2)
    before = everything_in(*runs[0])
    with pytest.raises(ValueError, match="this level is too high"):
        pg.load(path, runs[0][1], runs[0][2], runs[0][0], hyperparameters="saved")
    assert everything_in(*runs[0]) == before
    for each in runs:
        torch.manual_seed(4)
        train(*each[:2], 2)
    assert plain(dict(runs[0][0].state_dict())) == plain(dict(runs[1][0].state_dict()))
    assert runs[0][2].state_dict() == runs[1][2].state_dict()


# --- what is given --------------------------------------------------------------------------------------------------


def test_the_scheduler_is_the_optimizers_own(path, saved):
    """Neither saved nor loaded with another's."""
    net, optimizer, _ = saved
    _, _, stranger = run()
    for call in (pg.save, pg.load):
        with pytest.raises(StateMismatchError, match=r"The scheduler drives another optimizer\.\nGive the one it was"):
            call(path, optimizer, stranger, net)


def test_a_scheduler_of_torchs_goes_beside(path, saved):
    """It has neither bases nor a journal, and is no part of a run here."""
    net = saved[0]
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    theirs = optim.lr_scheduler.StepLR(optimizer, 3)
    for call in (pg.save, pg.load):
        with pytest.raises(TypeError, match=r"a StepLR is given for a paramgroups Scheduler\.\nWhat .* extra={'sched"):
            call(path, optimizer, theirs, net)  # type: ignore[arg-type]  # that is the point


def test_what_no_file_can_hold_is_refused_and_the_old_file_stays(path, saved):
    """As it was."""
    net, optimizer, scheduler = saved
    whole = path.read_bytes()
    with pytest.raises(UnsavableError, match=r"Save plain containers, numbers, text and tensors"):
        pg.save(path, optimizer, scheduler, net, extra={"code": Net})
    with pytest.raises(StateMismatchError, match="have no names"):
        pg.save(path, optim.SGD([torch.zeros(1)]))
    assert path.read_bytes() == whole


@pytest.mark.parametrize("policy", ["hyperparameters", "missing", "unexpected"])
def test_a_policy_is_checked_before_the_file_is_read(path, policy):
    """There need not be one."""
    _, optimizer, _ = run()
    with pytest.raises(ValueError, match=rf"{policy}='no' is unknown"):
        pg.load(path, optimizer, **{policy: "no"})  # type: ignore[arg-type]  # that is the point

"""Whoever runs the loop, after n real updates every value in every group is what `preview` said of n."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning
import torch
import transformers
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState, GradientState
from torch.optim import SGD, AdamW
from torch.optim import lr_scheduler as theirs

import paramgroups as pg
import rigs
import trainers
from paramgroups.errors import ClaimError, ClockError, ClockStalledError, NotAnOptimizerError
from ranks import free_port
from workers import pair

WORKER = Path(pair.__file__)
NAMES = list(trainers.situations(Path()))
PAIR_NAMES = list(pair.situations(Path()))


@pytest.fixture(autouse=True)
def _no_accelerator_is_left():
    """A process has one state of accelerate's, which would outlive a test."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own use of torch.jit
@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")  # DCP in one process says so
@pytest.mark.parametrize("name", NAMES)
def test_after_n_real_updates_the_values_are_what_preview_said_of_n(name, tmp_path):
    """One process: a line a situation, to the bit, where the parameters' own movement counts the updates."""
    rigs.hold(trainers.situations(tmp_path)[name])


def said_by(process):
    """What a process printed; one that still waits for the other, which failed, is ended."""
    try:
        return process.communicate(timeout=120)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What came of every situation in each of two processes, which run them all, once; and what they printed."""
    folder = tmp_path_factory.mktemp("pair")
    path = os.pathsep.join([str(WORKER.parents[1]), str(Path(pg.__file__).parents[1])])
    both = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": "2", "PYTHONPATH": path}
    ranks = [
        subprocess.Popen(
            [sys.executable, WORKER, folder],
            env={**os.environ, **both, "RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in ("0", "1")
    ]
    said = [said_by(process) for process in ranks]
    files = [folder / f"rank{rank}.json" for rank in (0, 1)]
    results = [json.loads(file.read_text("utf-8")) if file.exists() else {} for file in files]
    return list(zip(results, said, strict=True))


@pytest.mark.parametrize("name", PAIR_NAMES)
def test_two_processes_tick_as_one(name, outcomes):
    """Two processes: the same law on each rank."""
    for results, said in outcomes:
        assert results.get(name, f"it was not reached\n{said}") == ""


def starts_at_one(scheduler):
    """A clock that is one ahead."""
    scheduler.load_state_dict({**scheduler.state_dict(), "step": 1})


def believes_scheduler_step(scheduler):
    """A clock that is moved by `scheduler.step()`, as torch's are."""
    scheduler.step = scheduler._driver.clock.advance


def stands_still(scheduler):
    """A clock whose hooks are gone."""
    for handle in scheduler._driver.clock._handles:
        handle.remove()


@pytest.mark.parametrize("spoil", [starts_at_one, believes_scheduler_step, stands_still])
def test_the_table_finds_a_wrong_clock(spoil):
    """It is not vacuous: a clock that runs ahead, believes what it is told, or stands still fails the law."""

    def laps(rig):
        spoil(rig.scheduler)
        yield from trainers.told_too_often(rig)

    with pytest.raises(AssertionError):
        rigs.hold(rigs.Situation(laps))


# --- wrappers -------------------------------------------------------------------------------------


def named_optimizer():
    """An optimizer with named groups."""
    return rigs.PLAN.build(rigs.model(), AdamW)


@pytest.mark.parametrize(
    "wrap",
    [
        trainers.Courier,
        lambda optimizer: trainers.Courier(trainers.Courier(optimizer)),
        lambda optimizer: (trainers.new_accelerator(), AcceleratedOptimizer(optimizer))[1],
        lambda optimizer: trainers.Courier((trainers.new_accelerator(), AcceleratedOptimizer(optimizer))[1]),
    ],
    ids=["one", "two", "accelerate's", "one around accelerate's"],
)
def test_a_wrapper_is_taken_for_what_it_wraps(wrap):
    """Names, values and clock are those of the optimizer that is stepped in the end."""
    optimizer = named_optimizer()
    wrapped = wrap(optimizer)
    assert pg.view(wrapped).names == ["default", "head"]
    pg.view(wrapped)["head"].lr = 0.5
    assert optimizer.param_groups[1]["lr"] == 0.5
    scheduler = pg.Scheduler(wrapped, {"head": {"lr": pg.Linear(10)}})
    assert scheduler.optimizer is optimizer
    optimizer.step()
    assert scheduler.last_epoch == 1
    with pytest.raises(ClaimError, match=r"lr of group 'head' is already driven"):
        pg.Scheduler(optimizer, {"head": {"lr": pg.Linear(10)}})


def test_a_torch_scheduler_on_a_wrapper_is_found():
    """It marks the step of what it was given, which may be what accelerate made of the optimizer."""
    trainers.new_accelerator()
    wrapper = AcceleratedOptimizer(named_optimizer())
    theirs.StepLR(wrapper, 1)
    with pytest.raises(ClaimError, match="already driven by a scheduler of torch"):
        pg.Scheduler(wrapper, lr=pg.Linear(10))
    assert pg.Scheduler(wrapper, lr=pg.Linear(10), adopt=True).last_epoch == 0


def test_an_optimizer_that_keeps_another_is_not_a_wrapper():
    """What has groups of its own is stepped itself: only who shows the very groups of another stands for it."""
    inner, outer = named_optimizer(), named_optimizer()
    outer.optimizer = inner
    scheduler = pg.Scheduler(outer, lr=pg.Linear(10))
    assert scheduler.optimizer is outer


@pytest.mark.parametrize(
    "wrapped",
    [object(), trainers.Courier(object())],
    ids=["nothing", "around nothing"],
)
def test_what_wraps_no_optimizer_is_refused(wrapped):
    """The error names what was handed over."""
    with pytest.raises(NotAnOptimizerError, match=type(wrapped).__name__):
        pg.Scheduler(wrapped, lr=pg.Linear(10))


def test_a_wrapper_is_copied_together_with_its_scheduler():
    """Whoever copies wrapper and scheduler at once has a pair that goes on."""
    wrapped: Any = trainers.Courier(named_optimizer())
    scheduler = pg.Scheduler(wrapped, lr=pg.Linear(10))
    wrapped, again = copy.deepcopy((wrapped, scheduler))
    wrapped.step()
    assert (again.last_epoch, scheduler.last_epoch) == (1, 0)


def test_a_scheduler_told_of_once_a_process_is_not_taken_for_stalled(monkeypatch):
    """Accelerate calls `step()` once for each process, of which there may be more than the limit."""
    scheduler = pg.Scheduler(SGD([torch.zeros(1)], lr=0.1), lr=pg.Linear(10), stall_limit=3)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 100)
    for _ in range(299):
        scheduler.step()
    with pytest.raises(ClockStalledError, match="300 times"):
        scheduler.step()


def test_counting_by_hand_does_not_count():
    """Accelerate raises `_step_count` between updates, where it is told to adjust schedulers."""
    scheduler = pg.Scheduler(SGD([torch.zeros(1)], lr=0.1), lr=pg.Linear(10))
    scheduler._step_count += 1
    assert (scheduler._step_count, scheduler.last_epoch) == (1, 0)


def replaced_in_place(optimizer):
    """As accelerate does where it shards: other parameters in the same groups."""
    for group in optimizer.param_groups:
        group["params"] = [torch.nn.Parameter(p.detach().clone()) for p in group["params"]]


def replaced_with_groups(optimizer):
    """Other parameters in other groups of the same names and shapes."""
    replaced_in_place(optimizer)
    optimizer.param_groups = [dict(group) for group in optimizer.param_groups]


@pytest.mark.parametrize("replace", [replaced_in_place, replaced_with_groups])
def test_names_outlive_a_wrapper_that_replaces_parameters(replace):
    """Rules still find their groups, all that was driven is, and what is saved bears names."""
    optimizer = pg.Plan(pg.Rule(pg.BIASES, weight_decay=0.0), *rigs.PLAN.rules, lr=0.01).build(rigs.model(), AdamW)
    scheduler = pg.Scheduler(optimizer, {"head": {"lr": pg.Linear(10)}})
    named = [group["parameters"] for group in scheduler.state_dict()["groups"]]
    replace(optimizer)
    for parameter in (p for group in optimizer.param_groups for p in group["params"]):
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert pg.view(optimizer)["head"].names == ["head", "biases.head"]
    assert scheduler.values() == {"lr/head": 0.1 * 0.9, "lr/biases.head": 0.1 * 0.9}
    assert [group["parameters"] for group in scheduler.state_dict()["groups"]] == named


# --- torch's schedulers of schedulers -------------------------------------------------------------


def driven():
    """An optimizer and our scheduler of its lr."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
    return optimizer, pg.Scheduler(optimizer, lr=pg.Linear(10))


def test_a_sequential_scheduler_is_told_to_chain_schedules():
    """It sets the time of what it is given; the error says what to write instead."""
    optimizer, scheduler = driven()
    with pytest.raises(ClockError, match=r"Warmup\(500\)\.then\(Cosine\(9500\)\)"):
        theirs.SequentialLR(optimizer, [scheduler, theirs.StepLR(optimizer, 3)], [5])
    assert scheduler.last_epoch == 0


def test_time_cannot_be_set():
    """`scheduler.last_epoch = epoch - 1`, as many loops do on resume, is answered with the way to do it."""
    _, scheduler = driven()
    with pytest.raises(ClockError, match=r"last_epoch = 7 tells the time(.|\n)*load a state"):
        scheduler.last_epoch = 7


def test_a_chained_scheduler_of_ours_does_no_harm():
    """Its `step()` is ours, which only checks the clock."""
    optimizer, scheduler = driven()
    foretold = scheduler.preview(10)["lr/group0"]
    chained = theirs.ChainedScheduler([scheduler])
    for k in range(1, 4):
        optimizer.step()
        chained.step()
        assert (scheduler.last_epoch, chained.get_last_lr()) == (k, [foretold[k]])
    assert json.loads(json.dumps(chained.state_dict()))["_schedulers"] == [scheduler.state_dict()]


@pytest.mark.parametrize("who", ["optimizer", "scheduler"])
def test_a_torch_scheduler_that_is_attached_later_is_a_claim_error(who):
    """Chained or not: at the next step, and before it changes a parameter."""
    optimizer, scheduler = driven()
    chained = theirs.ChainedScheduler([scheduler, theirs.ExponentialLR(optimizer, 0.9)])
    with pytest.raises(ClaimError, match="a scheduler of torch"):
        optimizer.step() if who == "optimizer" else chained.step()
    assert scheduler.last_epoch == 0


def test_a_torch_scheduler_that_was_adopted_stays_adopted():
    """Its mark is no error after copies and loads, either."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
    theirs.StepLR(optimizer, 3)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10), adopt=True)
    optimizer.step()
    scheduler.step()
    optimizer, scheduler = copy.deepcopy((optimizer, scheduler))
    theirs.StepLR(optimizer, 3)
    optimizer.step()
    assert scheduler.last_epoch == 2


def test_a_plateau_of_torch_is_seen_through_its_edits():
    """ReduceLROnPlateau leaves no mark: what it halves is halved for the rest of the curve."""
    optimizer, scheduler = driven()
    plain = scheduler.preview(10)["lr/group0"]
    plateau = theirs.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for metric in (1.0, 2.0, 0.5):
        optimizer.step()
        plateau.step(metric)
    assert [(entry.step, entry.new) for entry in scheduler.journal] == [(2, pytest.approx(0.05))]
    bent = scheduler.preview(10)["lr/group0"]
    assert bent[:2].tolist() == plain[:2].tolist()
    assert bent[2:].tolist() == pytest.approx(plain[2:] / 2)
    assert optimizer.param_groups[0]["lr"] == bent[3]


# --- trainers that run the whole loop -------------------------------------------------------------


class Task(pytorch_lightning.LightningModule):
    """A model that hands Lightning an optimizer and its scheduler, as its documentation says."""

    def __init__(self, net, optimizer, scheduler):
        super().__init__()
        self.net, self.made = net, (optimizer, scheduler)

    def training_step(self, batch):
        """Gradients that vanish nowhere."""
        return self.net(batch[0]).pow(4).sum()

    def configure_optimizers(self):
        """Stepped by Lightning at every update."""
        optimizer, scheduler = self.made
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Scored(torch.nn.Module):
    """A model that gives transformers its loss."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, inputs):
        """Gradients that vanish nowhere."""
        return {"loss": self.net(inputs).pow(4).sum()}


def lightning(rig, folder, accumulate):
    """Two epochs of eight batches under Lightning's own loop."""
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 4)))
    quiet: Any = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = pytorch_lightning.Trainer(
        max_epochs=2, accelerator="cpu", accumulate_grad_batches=accumulate, default_root_dir=folder, **quiet
    )
    trainer.fit(Task(rig.net, rig.optimizer, rig.scheduler), batches)


def huggingface(rig, folder, accumulate):
    """Two epochs of eight batches under the loop of transformers, which steps schedulers by itself."""
    options = transformers.TrainingArguments(
        output_dir=folder,
        num_train_epochs=2,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=accumulate,
        max_grad_norm=1e9,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    data = [{"inputs": torch.ones(4)} for _ in range(8)]
    transformers.Trainer(
        Scored(rig.net), options, train_dataset=data, optimizers=(rig.optimizer, rig.scheduler)
    ).train()


@pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers")  # Lightning's advice on speed
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of Lightning's own use of torch
@pytest.mark.parametrize("accumulate", [1, 4])
@pytest.mark.parametrize("loop", [lightning, huggingface])
def test_a_trainer_uses_at_the_nth_update_what_preview_said_of_n(loop, accumulate, tmp_path):
    """Lightning and transformers, accumulating or not: seen by a hook of the optimizer that each of them steps."""
    rig = rigs.Situation(trainers.plain).rig()
    optimizer, foretold, used = rig.scheduler.optimizer, rig.scheduler.preview(rigs.STEPS), []
    optimizer.register_step_pre_hook(lambda *_: used.append(rigs.stands(rig, foretold)))
    loop(rig, tmp_path, accumulate)
    updates = 16 // accumulate
    assert used == [{name: curve[n] for name, curve in foretold.items()} for n in range(updates)]
    assert rig.scheduler.last_epoch == updates
    assert rig.scheduler.journal == ()

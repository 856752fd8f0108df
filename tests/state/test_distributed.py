"""A run for torch.distributed.checkpoint; between one process and two, see `tests/test_parity.py`."""

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.checkpoint.stateful import Stateful

import paramgroups as pg
from paramgroups.errors import StateMismatchError
from paramgroups.state import Distributed

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")  # in one process it is


def run(*, layers=2, plan=None, updates=0, optimizer=torch.optim.AdamW, **options):
    """A model, an optimizer and a scheduler, after so many updates."""
    torch.manual_seed(updates)
    net = nn.Sequential(*(nn.Linear(3, 3) for _ in range(layers)))
    made = (plan or pg.Plan(lr=0.1)).build(net, optimizer, **options)
    scheduler = pg.Scheduler(made, lr=pg.Linear(10))
    for _ in range(updates):
        net(torch.ones(2, 3)).square().sum().backward()
        made.step()
        made.zero_grad()
    return made, scheduler, net


def test_it_is_what_torch_calls_stateful():
    """So torch asks it for its state, and hands it what it has loaded."""
    assert isinstance(Distributed(*run()), Stateful)


@pytest.mark.parametrize("stepped", [0, 2])
def test_a_run_comes_back_to_the_bit(tmp_path, stepped):
    """Into a fresh optimizer, or one that was stepped otherwise: weights, state, position and what was handed along."""
    optimizer, scheduler, net = saved = run(updates=3)
    save({"run": Distributed(optimizer, scheduler, net, extra={"epoch": 3})}, checkpoint_id=tmp_path)
    loaded = run(updates=stepped)
    back = Distributed(*loaded)
    load({"run": back}, checkpoint_id=tmp_path)
    assert back.report.extra == {"epoch": 3}
    assert len(back.report.moved) == 4
    assert loaded[1].state_dict() == saved[1].state_dict()
    for own, other in zip(loaded[2].parameters(), saved[2].parameters(), strict=True):
        assert torch.equal(own, other)
        torch.testing.assert_close(loaded[0].state[own], saved[0].state[other], rtol=0, atol=0)


def test_to_save_changes_nothing():
    """Unlike torch's own way to ask for state, it makes none, and steps nothing."""
    optimizer, scheduler, net = run()
    asked = Distributed(optimizer, scheduler, net).state_dict()
    assert asked["state"]["0.weight"]["exp_avg"].shape == (3, 3)
    assert len(optimizer.state) == 0
    assert scheduler.last_epoch == 0


def test_what_was_not_stepped_when_it_was_saved_is_not_when_it_is_loaded(tmp_path):
    """Room that was saved for a state is none: the first step with momentum is a first step."""
    options = {"optimizer": torch.optim.SGD, "momentum": 0.9, "dampening": 0.5}
    save({"run": Distributed(*run(**options))}, checkpoint_id=tmp_path)
    optimizer, scheduler, net = run(**options, updates=2)
    load({"run": Distributed(optimizer, scheduler, net)}, checkpoint_id=tmp_path)
    assert not any(optimizer.state.values())


def test_without_scheduler_and_model_the_optimizer_is_saved_alone(tmp_path):
    """And it comes back so."""
    optimizer, _, _ = run(updates=2)
    save({"run": Distributed(optimizer)}, checkpoint_id=tmp_path)
    again, _, _ = run()
    load({"run": Distributed(again)}, checkpoint_id=tmp_path)
    steps = [float(state["step"]) for state in again.state.values()]
    assert steps == [2.0] * 4


def test_what_is_new_is_refused_by_torch_unless_it_may_start_afresh(tmp_path):
    """Torch names what is missing; allowed to go on, the report does."""
    save({"run": Distributed(*run(updates=2))}, checkpoint_id=tmp_path)
    back = Distributed(*run(layers=3))
    with pytest.raises(CheckpointException, match=r"Missing key in checkpoint state_dict: run\.model\.2\.weight"):
        load({"run": back}, checkpoint_id=tmp_path)
    load({"run": back}, checkpoint_id=tmp_path, planner=DefaultLoadPlanner(allow_partial_load=True))
    assert back.report.fresh == ("2.weight", "2.bias")
    assert back.report.moved == ("0.weight", "0.bias", "1.weight", "1.bias")


def test_the_policies_are_those_of_a_load(tmp_path):
    """The saved hyperparameters where they are asked for; an error where something is not to be dropped."""
    save({"run": Distributed(*run(layers=3))}, checkpoint_id=tmp_path)
    optimizer, scheduler, net = run(plan=pg.Plan(lr=0.2, weight_decay=0.5))
    with pytest.raises(StateMismatchError, match=r"what is not here: '2\.weight', '2\.bias'"):
        load({"run": Distributed(optimizer, scheduler, net, unexpected="error")}, checkpoint_id=tmp_path)
    load({"run": Distributed(optimizer, scheduler, net, hyperparameters="saved")}, checkpoint_id=tmp_path)
    assert optimizer.param_groups[0]["weight_decay"] == 0.01


def test_there_is_no_report_before_a_load():
    """The error says what makes one."""
    with pytest.raises(RuntimeError, match=r"Nothing was loaded yet\.\nCall dcp\.load"):
        _ = Distributed(*run()).report


def test_state_of_another_shape_than_a_spread_parameters_is_refused(together):
    """Adafactor's rows and columns belong to no process: the error names the parameter and the state."""
    for said in together.of("state of another shape"):
        assert said == (
            "UnsavableError: stem.weight in group 'default' is spread over processes, and its row_var has another "
            "shape, which cannot be.\nTrain with an optimizer whose state has its parameters' shapes, as AdamW's."
        )

"""A training under way: its updates, its values, and its state."""

from dataclasses import replace

import pytest
import torch

import paramgroups as pg
from paramgroups.train.data import Examples
from paramgroups.train.job import Leg
from paramgroups.train.loop import Training


@pytest.fixture
def leg(job):
    """The plan's training."""
    data = job.data
    return Leg(
        name="a", plan=job.plan, schedules=job.schedules, learn=data.train, judge=data.test, span=job.span, seed=3
    )


def run(training, steps=None):
    """Losses and values of the next updates."""
    return [training.update() for _ in range(training.horizon.steps - training.step if steps is None else steps)]


def test_the_values_used_are_the_scheduled_ones(fabric, job, leg):
    """Row k has what update k used, to the bit that of the preview."""
    training = Training(fabric, job, leg)
    preview = training.scheduler.preview(training.horizon.steps)
    rows = run(training)
    assert training.over
    for key, line in preview.items():
        assert [values[key] for _, values in rows] == line.tolist()
    assert set(preview) == {"lr/default", "weight_decay/default", "lr/body", "weight_decay/body"}


@pytest.mark.parametrize("k", [0, 1, 7])
def test_a_training_goes_on_to_the_bit(fabric, job, leg, k, tmp_path):
    """Stopped after k updates and restored elsewhere, it makes the losses and the model of one that never stopped."""
    whole = Training(fabric, job, leg)
    expected = run(whole)
    stopped = Training(fabric, job, leg)
    first = run(stopped, k)
    stopped.save(tmp_path / "state.pt", note="x")
    torch.manual_seed(999)
    resumed = Training(fabric, job, leg)
    resumed.restore(tmp_path / "state.pt")
    assert first + run(resumed) == expected
    assert all(map(torch.equal, resumed.model_state().values(), whole.model_state().values()))


THAWING = pg.Plan(pg.Rule("body.*", frozen=True, thaw="1 epoch", warmup=4, lr=pg.Times(0.1)), lr=0.01)


@pytest.mark.parametrize("k", [0, 8, 9, 11])
def test_a_training_that_thaws_in_mid_run_goes_on_to_the_bit(fabric, job, leg, k, tmp_path):
    """Before the thaw, at it, and in the warm-up after it; and the body moves from the thaw on."""
    leg = replace(leg, plan=THAWING)
    whole = Training(fabric, job, leg)
    start = whole.model_state()["body.weight"]
    expected = run(whole, 9)
    assert whole.horizon.steps_in("1 epoch") == 9
    assert torch.equal(whole.model_state()["body.weight"], start)
    expected += run(whole)
    assert not torch.equal(whole.model_state()["body.weight"], start)
    stopped = Training(fabric, job, leg)
    first = run(stopped, k)
    stopped.save(tmp_path / "state.pt")
    resumed = Training(fabric, job, leg)
    resumed.restore(tmp_path / "state.pt")
    assert first + run(resumed) == expected
    assert all(map(torch.equal, resumed.model_state().values(), whole.model_state().values()))


def test_the_noise_of_the_model_is_part_of_the_state(fabric, job, leg, tmp_path):
    """The test above would fail without: dropout draws other numbers from another state."""
    training = Training(fabric, job, leg)
    training.save(tmp_path / "state.pt")
    losses = run(training, 3)
    training.restore(tmp_path / "state.pt")
    torch.manual_seed(999)
    assert run(training, 3) != losses


def test_a_training_starts_from_the_model_it_is_given(fabric, job, leg):
    """Else from weights that its seed makes."""
    start = {name: torch.full_like(value, 0.1) for name, value in job.model().state_dict().items()}
    assert all(map(torch.equal, Training(fabric, job, leg, start).model_state().values(), start.values()))
    fresh = [Training(fabric, job, leg).model_state()["head.weight"] for _ in range(2)]
    assert torch.equal(*fresh)


def test_accuracy_is_the_share_of_right_answers(fabric, job, leg):
    """Over all examples, more than fit at once, without noise, and leaving the model as it was."""
    training = Training(fabric, job, leg)
    before = training.model_state()
    inputs = torch.randn(2500, 4)
    model = job.model().eval()
    model.load_state_dict(before)
    right = model(inputs).argmax(1)
    assert training.accuracy(Examples(inputs, right)) == 1.0
    targets = right.clone()
    targets[:500] = (targets[:500] + 1) % 3
    assert training.accuracy(Examples(inputs, targets)) == 0.8
    assert all(map(torch.equal, training.model_state().values(), before.values()))


def test_a_small_network_learns(fabric, job, leg):
    """The loop trains: the classes are told apart at the end."""
    training = Training(fabric, job, replace(leg, plan=pg.Plan(lr=0.05)))
    start = training.accuracy(job.data.test)
    run(training)
    assert training.accuracy(job.data.test) > max(0.7, start)

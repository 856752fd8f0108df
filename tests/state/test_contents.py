"""What a checkpoint holds, told without the code of the run."""

from typing import Any

import pytest
import torch

import paramgroups as pg
import runs
from paramgroups.errors import ForeignFileError, StateMismatchError
from paramgroups.state import contents, files


@pytest.fixture
def path(tmp_path):
    """Where to save."""
    return tmp_path / "state.pt"


def test_a_run_is_told_in_figures(path):
    """Every part of it, by name."""
    net, optimizer, scheduler = runs.made()
    runs.train(net, optimizer, 3)
    scheduler.rebase("head", lr=0.5)
    pg.save(path, optimizer, scheduler, net, extra={"epoch": 2, "rng": torch.zeros(4)})
    found = contents.summary(contents.read(path))
    assert found["optimizer"] == "torch.optim.adamw.AdamW"
    assert found["state"] == {"tensors": 12, "elements": 28, "bytes": 112}
    assert found["model"] == {"tensors": 4, "elements": 12, "bytes": 48}
    assert (found["step"], found["horizon"], found["extra"]) == (3, "Horizon(steps=20)", ["epoch", "rng"])
    assert [entry["kind"] for entry in found["journal"]] == ["rebase"]
    assert found["schedules"]["lr/*"] == "Warmup(4).then(Cosine(16, end=0.1))"
    head = found["groups"][1]
    assert (head["name"], head["rules"], head["elements"]) == ("head", ["head"], 6)
    assert head["parameters"] == ["head.weight", "head.bias"]
    assert head["hyperparameters"]["betas"] == (0.9, 0.999)
    assert [str(table) for table in contents.tables(found)] == [
        """part       held
optimizer  torch.optim.adamw.AdamW
state      12 tensors, 28 elements, 112 bytes
model      4 tensors, 12 elements, 48 bytes
position   update 3
horizon    Horizon(steps=20)
journal    1 entry
extra      epoch, rng""",
        """group    tensors  elements    lr  weight_decay  betas           eps  amsgrad  maximize
default        2         6  0.08        0.0235  (0.9, 0.999)  1e-08  False    False
head           2         6   0.4        0.0235  (0.9, 0.999)  1e-08  False    False""",
        """in           hyperparameter  schedule
every group  lr              Warmup(4).then(Cosine(16, end=0.1))
every group  weight_decay    Linear(20, end=10.0)""",
    ]


def test_what_was_not_saved_is_told_as_absent(path):
    """No scheduler, no model, nothing extra; tensors in settings are numbers."""
    net = runs.model()
    weights, biases = ([pair for pair in net.named_parameters() if pair[0].endswith(end)] for end in ("weight", "bias"))
    groups: list[dict[str, Any]] = [{"params": weights, "lr": torch.tensor(0.5)}, {"params": biases}]
    optimizer = torch.optim.SGD(groups, lr=torch.tensor([0.25]))
    del optimizer.param_groups[1]["nesterov"]
    pg.save(path, optimizer)
    found = contents.summary(contents.read(path))
    assert [group["hyperparameters"]["lr"] for group in found["groups"]] == [0.5, [0.25]]
    parts, groups_table = map(str, contents.tables(found))
    for line in (
        "model      none",
        "position   no scheduler",
        "horizon    none",
        "journal    0 entries",
        "extra      nothing",
    ):
        assert line in parts
    assert groups_table.splitlines()[2].split()[-2] == "—"
    pg.save(path, optimizer, extra=[1])
    assert contents.summary(contents.read(path))["extra"] == ["a list"]


def test_a_hyperparameter_that_is_left_alone_is_told(path):
    """With the group it was left alone in."""
    net = runs.model()
    optimizer = runs.PLAN.build(net, torch.optim.SGD)
    pg.save(path, optimizer, pg.Scheduler(optimizer, {"head": {"lr": None}}, lr=pg.Linear(5)), net)
    found = contents.summary(contents.read(path))
    assert found["schedules"] == {"lr/*": "Linear(5)", "lr/head": None}
    assert str(contents.tables(found)[-1]).splitlines()[-1] == "head         lr              none"


def test_a_file_without_a_run_is_refused(path):
    """One of ours, with something else in it; or with a part of a newer version."""
    files.write(path, {"step": 3})
    with pytest.raises(ForeignFileError, match="holds no run"):
        contents.read(path)
    net, optimizer, scheduler = runs.made()
    pg.save(path, optimizer, scheduler, net)
    whole = files.read(path)
    for part in ("optimizer", "scheduler"):
        files.write(path, {**whole, part: {**whole[part], "version": 99}})
        with pytest.raises(StateMismatchError, match="has version 99"):
            contents.read(path)

"""A run in a folder: what it writes, and that it goes on from anywhere as if it had never stopped."""

import json
from dataclasses import replace

import pytest
import torch

from paramgroups.errors import RunError
from paramgroups.state.files import read
from paramgroups.train.run import CHECKPOINT, METRICS, PICTURE, RECIPE, REPORT, Run, Stopped, prepare


class Diary:
    """Watches, and writes down."""

    def __init__(self):
        self.started_at = []
        self.starts = {}
        self.updates = 0
        self.results = {}

    def started(self, leg, training):
        self.started_at.append((leg.name, training.step))
        self.starts[leg.name] = training.model_state()

    def updated(self, leg, training, loss, values):
        self.updates += 1

    def finished(self, leg, accuracy):
        self.results[leg.name] = accuracy


@pytest.fixture
def no_picture(monkeypatch):
    """Drawing takes longer than the training."""
    monkeypatch.setattr("paramgroups.train.run.plot", lambda *_, path: path.touch())


@pytest.fixture
def run(job, fabric, tmp_path):
    """Runs the job, or what is left of it, in a folder of that name."""

    def run_in(name, **options):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        diary = Diary()
        changes = {"grid": (0.01,), **options.pop("changes", {})}
        report = None
        try:
            report = Run(replace(job, **changes), folder, fabric, diary, **options)()
        except Stopped:
            assert options["stop_after"] is not None
        return folder, report, diary

    return run_in


def test_a_run_writes_its_folder(run):
    """A row a step, the picture, the report, and a checkpoint that has the fine-tuned model."""
    folder, report, diary = run("whole")
    rows = [line.split(",") for line in (folder / METRICS).read_text().splitlines()]
    assert rows[0][:3] == ["seed", "step", "loss"]
    assert sorted(rows[0][3:]) == ["lr/body", "lr/default", "weight_decay/body", "weight_decay/default"]
    assert [row[:2] for row in rows[1:]] == [["0", str(step)] for step in range(22)]
    assert (folder / PICTURE).read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / REPORT).read_text()) == report.to_json()
    assert read(folder / CHECKPOINT)["extra"]["leg"] == "seed 0: plan"
    assert report.outcomes[0].plan.accuracy == diary.results["seed 0: plan"]
    assert len(diary.results) == 5


@pytest.mark.usefixtures("no_picture")
def test_every_training_starts_from_the_pretrained_model(run):
    """To the bit, the baseline's and the plan's alike."""
    folder, _, diary = run("run")
    pretrained = read(folder / CHECKPOINT)["extra"]["models"]["seed 0: pretraining"]
    fresh = diary.starts.pop("seed 0: pretraining")
    assert not torch.equal(pretrained["head.weight"], fresh["head.weight"])
    for start in diary.starts.values():
        assert all(map(torch.equal, start.values(), pretrained.values()))


@pytest.mark.usefixtures("no_picture")
@pytest.mark.parametrize("pieces", [[3], [8, 40, 30, 5], [1, 0, 14]], ids=str)
def test_stopping_anywhere_and_going_on_changes_nothing(run, pieces):
    """In the pretraining, between trainings, in the recorded one: the same bytes of metrics, the same model."""
    whole, report, diary = run("whole", seeds=2)
    for piece in pieces:
        folder, nothing, _ = run("stopped", seeds=2, stop_after=piece)
        assert nothing is None
    folder, resumed, rest = run("stopped")
    assert resumed == report
    assert (folder / METRICS).read_bytes() == (whole / METRICS).read_bytes()
    assert rest.updates == diary.updates - sum(pieces)
    models = [read(each / CHECKPOINT)["model"] for each in (folder, whole)]
    assert all(map(torch.equal, models[0].values(), models[1].values()))


@pytest.mark.usefixtures("no_picture")
def test_a_run_that_broke_off_between_two_saves_goes_on_from_the_last(run, job, monkeypatch):
    """Rows written after it are written again, not twice."""
    whole, report, _ = run("whole")
    monkeypatch.setattr(Diary, "updated", crash_at("seed 0: plan", 15))
    with pytest.raises(KeyboardInterrupt):
        run("broken")
    monkeypatch.undo()
    folder, resumed, diary = run("broken")
    assert diary.started_at == [("seed 0: plan", 11)]
    assert resumed == report
    assert (folder / METRICS).read_bytes() == (whole / METRICS).read_bytes()


def crash_at(name, step):
    """An `updated` that is interrupted there."""

    def updated(self, leg, training, loss, values):
        if (leg.name, training.step) == (name, step):
            raise KeyboardInterrupt

    return updated


@pytest.mark.usefixtures("no_picture")
def test_a_finished_run_only_reports(run):
    """Nothing is trained again."""
    _, report, _ = run("whole")
    _, again, diary = run("whole")
    assert again == report
    assert diary.updates == 0


@pytest.mark.usefixtures("no_picture")
def test_threads_are_those_of_the_job_and_afterwards_what_they_were(run, job):
    """The program around the run keeps its own."""
    before = torch.get_num_threads()
    seen = []

    def model():
        seen.append(torch.get_num_threads())
        return job.model()

    run("run", changes={"threads": 2, "model": model})
    assert set(seen) == {2}
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("no_picture")
def test_seeds_are_runs_of_their_own(run):
    """The first of two is the run of one."""
    _, two, _ = run("two", seeds=2)
    _, one, _ = run("one", changes={"seed": 1})
    assert [each.seed for each in two.outcomes] == [0, 1]
    assert one.outcomes[0] == two.outcomes[1]


@pytest.mark.usefixtures("no_picture")
def test_a_recipe_that_was_changed_under_a_run_is_told(run, job, fabric, tmp_path):
    """A run that went on by another recipe would be neither."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / RECIPE).write_text("seed: 0\n")
    run("run", stop_after=3)
    (tmp_path / "run" / RECIPE).write_text("seed: 1\n")
    with pytest.raises(RunError, match=r"recipe\.yaml is not what the run in this folder began with\.\nPut it back"):
        run("run")


def test_a_batch_that_cannot_be_shared_out_is_explained(job, fabric, tmp_path, monkeypatch):
    """Unequal parts would give the examples of the smaller one more weight."""
    monkeypatch.setattr(type(fabric), "world_size", 3)
    with pytest.raises(RunError) as caught:
        Run(job, tmp_path, fabric, Diary())
    assert str(caught.value) == (
        "A batch of 8 cannot be shared equally by 3 processes.\n"
        "Set batch_size to a multiple of 3: the gradients' mean is then the batch's."
    )


def test_a_folder_is_prepared_once(tmp_path):
    """A run in it is not written over, and the way to go on with it is named."""
    folder = tmp_path / "new" / "run"
    prepare(folder, "model: lenet\n")
    assert (folder / RECIPE).read_text() == "model: lenet\n"
    prepare(folder, "model: lenet\n")  # nothing was saved yet, so nothing is lost
    (folder / CHECKPOINT).touch()
    with pytest.raises(RunError, match=r"There is a run in .*\nGo on with it, paramgroups train --resume .*run,"):
        prepare(folder, "")


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    """A file stands in its place."""
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot be written to \(Not a directory\)\.\nName another folder"):
        prepare(tmp_path / "file" / "run", "")

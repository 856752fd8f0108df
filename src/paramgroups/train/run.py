"""A run in a folder: trainings one after another, written down so that it can stop anywhere and go on.

Knows legs, files and when to save; what the legs are is the study's to know, and who watches the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, final

import torch

from paramgroups.errors import RunError
from paramgroups.pictures import plot
from paramgroups.state.files import read
from paramgroups.train.job import Job, Leg
from paramgroups.train.loop import Training
from paramgroups.train.metrics import Metrics
from paramgroups.train.report import Report
from paramgroups.train.study import study

if TYPE_CHECKING:
    from lightning_fabric import Fabric

RECIPE: Final = "recipe.yaml"
METRICS: Final = "metrics.csv"
PICTURE: Final = "schedule.png"
CHECKPOINT: Final = "checkpoint.pt"
REPORT: Final = "report.json"


class Watcher(Protocol):
    """Who is told how the run goes on."""

    def started(self, leg: Leg, training: Training) -> None:
        """A leg starts, or goes on."""

    def updated(self, leg: Leg, training: Training, loss: float, values: Mapping[str, float]) -> None:
        """An update was made."""

    def finished(self, leg: Leg, accuracy: float) -> None:
        """A leg is over."""


class Stopped(Exception):  # noqa: N818 - it tells of a wish, not of an error
    """The run was told to stop here, and has saved where it is."""


def prepare(folder: Path, recipe: str) -> None:
    """Make the folder of a new run, and write down what is to be run.

    Raises:
        RunError: there is a run in it, or it cannot be written to.
    """
    if (folder / CHECKPOINT).exists():
        remedy = f"Go on with it, paramgroups train --resume {folder}, or name another folder."
        raise RunError(f"There is a run in {folder}.", remedy)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECIPE).write_text(recipe, "utf-8")
    except OSError as error:
        raise RunError(f"{folder} cannot be written to ({error.strerror}).", "Name another folder.") from error


@final
class Run:
    """A run of `seeds` studies, in a folder that `prepare` made.

    Args:
        job: what to run.
        folder: where everything is written; a checkpoint in it is gone on from.
        fabric: launched.
        watcher: who is told.
        seeds: how often all of it is done, each time from another seed.
        stop_after: save and stop after so many updates.

    Raises:
        RunError: the batches cannot be shared out, or the folder holds another run.
        CheckpointError: its checkpoint cannot be read.
    """

    def __init__(
        self, job: Job, folder: Path, fabric: Fabric, watcher: Watcher, *, seeds: int = 1, stop_after: int | None = None
    ) -> None:
        if job.batch_size % fabric.world_size:
            raise RunError(
                f"A batch of {job.batch_size} cannot be shared equally by {fabric.world_size} processes.",
                f"Set batch_size to a multiple of {fabric.world_size}: the gradients' mean is then the batch's.",
            )
        self._job, self._folder, self._fabric, self._watcher = job, folder, fabric, watcher
        self._left = stop_after
        self._recipe = (folder / RECIPE).read_text("utf-8") if (folder / RECIPE).exists() else ""
        saved: dict[str, Any] = {"recipe": self._recipe, "seeds": seeds, "metrics": 0, "done": {}}
        if (folder / CHECKPOINT).exists():
            saved = read(folder / CHECKPOINT)["extra"]
        if saved["recipe"] != self._recipe:
            problem = f"{folder / RECIPE} is not what the run in this folder began with."
            raise RunError(problem, "Put it back, or start a run of its own: paramgroups train FILE.")
        fabric.barrier()  # nobody writes before everybody has read
        self._seeds: int = saved["seeds"]
        self._done: dict[str, float] = saved["done"]
        self._models: dict[str, Any] = saved.get("models", {})
        self._under_way: str | None = saved.get("leg")
        self._metrics = Metrics(folder / METRICS, saved["metrics"]) if fabric.is_global_zero else None

    def __call__(self) -> Report:
        """Do what is left of the run.

        Raises:
            Stopped: as told.
        """
        first = self._job.seed
        threads = torch.get_num_threads()
        torch.set_num_threads(self._job.threads or threads)
        try:
            outcomes = [study(self._job, seed, self._train) for seed in range(first, first + self._seeds)]
        finally:
            torch.set_num_threads(threads)
            if self._metrics is not None:
                self._metrics.close()
        report = Report(tuple(outcomes))
        if self._fabric.is_global_zero:
            (self._folder / REPORT).write_text(json.dumps(report.to_json(), indent=2) + "\n", "utf-8")
        return report

    def _train(self, leg: Leg) -> float:
        """Do a leg, or what is left of it, and remember how well it went."""
        if leg.name in self._done:
            return self._done[leg.name]
        training = Training(self._fabric, self._job, leg, self._models.get(leg.start) if leg.start else None)
        if leg.name == self._under_way:
            training.restore(self._folder / CHECKPOINT)
        self._watcher.started(leg, training)
        if leg.recorded and self._metrics is not None and (leg.seed, training.step) == (self._job.seed, 0):
            plot(training.timetable or training.scheduler, training.horizon.steps, path=self._folder / PICTURE)
        while not training.over:
            if self._left == 0:
                self._save(leg, training)
                raise Stopped
            loss, values = training.update()
            self._left = None if self._left is None else self._left - 1
            if leg.recorded and self._metrics is not None:
                self._metrics.add({"seed": leg.seed, "step": training.step - 1, "loss": loss, **values})
            self._watcher.updated(leg, training, loss, values)
            if training.step % training.batches.per_epoch == 0 and not training.over:
                self._save(leg, training)
        self._done[leg.name] = training.accuracy(leg.judge)
        if leg.kept:
            self._models = {leg.name: training.model_state()}
        self._save(leg, training)
        self._watcher.finished(leg, self._done[leg.name])
        return self._done[leg.name]

    def _save(self, leg: Leg, training: Training) -> None:
        training.save(
            self._folder / CHECKPOINT,
            recipe=self._recipe,
            seeds=self._seeds,
            done=self._done,
            models=self._models,
            leg=leg.name,
            metrics=self._metrics.size() if self._metrics is not None else 0,
        )

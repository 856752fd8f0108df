"""One training under way: a model, what trains it, and how far it is.

Knows updates, and what it takes to go on with them to the bit; knows nothing of other trainings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from torch.nn.functional import cross_entropy

from paramgroups.announcements import announced
from paramgroups.scheduler import Scheduler
from paramgroups.spreading import whole
from paramgroups.state import load, save
from paramgroups.timetable import Timetable
from paramgroups.train.data import Examples
from paramgroups.train.devices import shards
from paramgroups.train.job import Job, Leg

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_AT_ONCE = 1_000  # examples judged together


@final
class Training:
    """A leg under way, on the devices of `fabric`.

    Args:
        fabric: launched.
        job: makes the model and the optimizer.
        leg: what to train, on what, and how long.
        start: the model's state to start from; fresh weights where absent.
    """

    def __init__(self, fabric: Fabric, job: Job, leg: Leg, start: Mapping[str, Any] | None = None) -> None:
        torch.manual_seed(leg.seed)  # the same weights in every process
        model = job.model()
        if start is not None:
            model.load_state_dict(start)
        self.step = 0
        self.batches = job.batches(leg.learn, leg.seed)
        self.horizon = leg.span.horizon(self.batches)
        self._fabric = fabric
        self._examples = leg.learn.to(fabric.device)
        self._net = model
        self._sharded = shards(fabric)
        if self._sharded:  # other parameters take the place of the model's
            self._model = fabric.setup_module(model)
        self._own = leg.plan.build(model, job.optimizer, **job.arguments)
        self.scheduler = Scheduler(self._own, leg.schedules, horizon=self.horizon)
        if not self._sharded:  # what is frozen for good is so before DDP takes note of what is to be summed up
            self._model = fabric.setup_module(model)
        self._optimizer: Any = fabric.setup_optimizers(self._own)  # one, and not several
        self.timetable = Timetable(self._model, self._own, self.scheduler) if announced(self._own) else None
        torch.manual_seed((leg.seed << 8) + fabric.global_rank)  # and noise of its own

    @property
    def over(self) -> bool:
        """Whether every update was made."""
        return self.step >= self.horizon.steps

    def update(self) -> tuple[float, dict[str, float]]:
        """Make the next update.

        Returns:
            The loss over the whole batch, and the scheduled values that were used, by `hyperparameter/group`.
        """
        fabric = self._fabric
        values = self.scheduler.values()
        indices = self.batches.at(self.step, rank=fabric.global_rank, of=fabric.world_size)
        batch = self._examples[indices.to(fabric.device)]
        self._model.train()
        loss = cross_entropy(self._model(batch.inputs), batch.targets)
        fabric.backward(loss)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.step += 1
        mean = fabric.all_reduce(loss.detach(), reduce_op="mean")
        assert isinstance(mean, torch.Tensor)
        return float(mean), values

    @torch.no_grad()
    def accuracy(self, examples: Examples) -> float:
        """The share of examples whose class gets the highest score."""
        self._model.eval()
        right = 0
        for first in range(0, len(examples), _AT_ONCE):
            batch = examples[first : first + _AT_ONCE].to(self._fabric.device)
            right += int((self._model(batch.inputs).argmax(1) == batch.targets).sum())
        return right / len(examples)

    def model_state(self) -> dict[str, Any]:
        """The model's own state, by its own names. Every process must ask."""
        return {name: whole(value.detach()).cpu().clone() for name, value in self._model.state_dict().items()}

    def save(self, path: Path, **extra: Any) -> None:
        """Write down everything that the next updates depend on, and what else is given. Every process must ask."""
        here = {
            "step": self.step,
            "timetable": self.timetable and self.timetable.state_dict(),
            "precision": self._fabric.strategy.precision.state_dict(),
            "random": self._gathered(torch.get_rng_state()),
            "random_device": self._gathered(torch.cuda.get_rng_state()) if self._on_cuda else None,
        }
        if self._sharded or self._fabric.is_global_zero:  # where it is spread, all of them gather, and the first writes
            save(path, self._own, self.scheduler, self._net, {**extra, "training": here})

    def restore(self, path: Path) -> None:
        """Go on from where a training was saved.

        Raises:
            CheckpointError, StateMismatchError: the file cannot be read, or is another training's.
        """
        strictly: dict[str, Any] = {"hyperparameters": "saved", "missing": "error", "unexpected": "error"}
        saved = load(path, self._own, self.scheduler, self._net, **strictly).extra["training"]
        self.step = saved["step"]
        if self.timetable is not None:
            self.timetable.load_state_dict(saved["timetable"])
        self._fabric.strategy.precision.load_state_dict(saved["precision"])
        mine = self._fabric.global_rank % len(saved["random"])
        torch.set_rng_state(saved["random"][mine].clone())  # torch crashes on a part of a tensor that lies askew
        if self._on_cuda and saved["random_device"] is not None:
            torch.cuda.set_rng_state(saved["random_device"][mine].clone())

    @property
    def _on_cuda(self) -> bool:
        return self._fabric.device.type == "cuda"

    def _gathered(self, random: torch.Tensor) -> torch.Tensor:
        """The state of every process's random numbers, one a row."""
        mine = random.to(self._fabric.device)
        found = [torch.empty_like(mine) for _ in range(self._fabric.world_size)]
        if len(found) == 1:
            found = [mine]
        else:
            torch.distributed.all_gather(found, mine)
        return torch.stack(found).cpu()

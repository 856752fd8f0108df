"""Whole trainers of other libraries that run several algorithms as the one optimizer that they know of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

import paramgroups as pg
from composed import HIDDEN, TWO
from rigs import model

Pairs = list[tuple[float, float]]
"""What lr stood before each update, and what was foretold of it."""


class Held:
    """A model with its optimizer and scheduler, which keeps what a trainer makes of them."""

    def __init__(self) -> None:
        self.net = model()
        self.optimizer = HIDDEN.build(self.net, TWO, default="adamw")
        self.scheduler = pg.Scheduler(self.optimizer, lr=pg.Linear(20))
        self.foretold = self.scheduler.preview(20)["lr/hidden"]
        self.seen: Pairs = []

    def see(self, step: int) -> None:
        """Note an update that is to come."""
        self.seen.append((pg.snapshot(self.optimizer)["lr/hidden"], self.foretold[step]))

    def loss(self, batch: Any) -> Any:
        """Of the net."""
        return self.net(batch).pow(4).sum()

    def tensors(self) -> Iterator[torch.Tensor]:
        """All that is trained."""
        return self.net.parameters()


def by_hand(updates: int) -> Held:
    """The same run in a loop of one's own, two batches an update."""
    held = Held()
    for step in range(updates):
        held.see(step)
        for _ in range(2):
            (held.loss(torch.ones(2, 4)) / 2).backward()
        held.optimizer.step()
        held.optimizer.zero_grad()
    return held


class _Module(lightning.LightningModule):
    """Automatic optimization: Lightning calls everything."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self.held, self.net = held, held.net

    def training_step(self, batch: Any, _: int) -> Any:
        return self.held.loss(batch)

    def configure_optimizers(self) -> Any:
        return [self.held.optimizer], [{"scheduler": self.held.scheduler, "interval": "step"}]

    def on_before_optimizer_step(self, _: Any) -> None:
        self.held.see(self.global_step)


def by_lightning(folder: Path, updates: int, checkpoint: str | None = None) -> tuple[Held, str]:
    """Lightning's trainer, accumulating; and the file that it saved at the end."""
    held = Held()
    module = _Module(held)
    quiet: Any = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(
        max_steps=updates, accumulate_grad_batches=2, accelerator="cpu", enable_checkpointing=False, **quiet
    )
    batches: Any = [torch.ones(4)] * 60
    loader: Any = DataLoader(batches, batch_size=2)
    trainer.fit(module, loader, ckpt_path=checkpoint)
    path = str(folder / f"{updates}.ckpt")
    trainer.save_checkpoint(path)
    return held, path


class _Net(nn.Module):
    """A net as transformers want one."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self.net, self.held = held.net, held

    def forward(self, batch: Any, labels: Any = None) -> Any:
        return {"loss": self.held.loss(batch)}


class _Watch(TrainerCallback):
    def __init__(self, held: Held) -> None:
        self.held = held

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.held.see(state.global_step)


def by_transformers(folder: Path, updates: int, checkpoint: str | None = None) -> tuple[Held, str]:
    """The Trainer of transformers, accumulating; and the folder that it saved at the end."""
    held = Held()
    arguments = TrainingArguments(
        str(folder),
        max_steps=updates,
        gradient_accumulation_steps=2,
        per_device_train_batch_size=2,
        max_grad_norm=0.0,
        save_steps=updates,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        logging_strategy="no",
    )
    trainer = Trainer(
        _Net(held),
        arguments,
        train_dataset=[{"batch": torch.ones(4), "labels": 0}] * 60,
        optimizers=(held.optimizer, held.scheduler),  # type: ignore[arg-type]  # it wants a LambdaLR, and needs none
        callbacks=[_Watch(held)],
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    return held, str(folder / f"checkpoint-{updates}")

"""`paramgroups train`: the main job."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from paramgroups.cli.options import Overrides, console, say
from paramgroups.extras import needed_for

Name = Annotated[
    str | None,
    typer.Argument(metavar="[RECIPE]", help="A YAML file, or a built-in recipe.  [default: digits-finetune]"),
]
Folder = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Where to write the run.  [default: runs/RECIPE-TIME]"),
]
Resume = Annotated[
    Path | None, typer.Option("--resume", metavar="FOLDER", help="Go on with a run from where it was saved last.")
]
Seeds = Annotated[int, typer.Option("--seeds", min=1, metavar="N", help="Repeat everything from N seeds.")]
StopAfter = Annotated[
    int | None, typer.Option("--stop-after", min=0, metavar="N", help="Save and stop after N updates.")
]
Accelerator = Annotated[str, typer.Option("--accelerator", help="lightning-fabric's: auto, cpu, cuda, mps, …")]
DeviceCount = Annotated[str, typer.Option("--devices", help="How many, or which: 2, 0,1, auto.")]
Precision = Annotated[str, typer.Option("--precision", help="lightning-fabric's: 32-true, bf16-mixed, 16-mixed, …")]
Strategy = Annotated[str, typer.Option("--strategy", help="lightning-fabric's: auto, ddp, …; or fsdp2.")]


def train(
    recipe: Name = None,
    overrides: Overrides = None,
    *,
    output: Folder = None,
    resume: Resume = None,
    seeds: Seeds = 1,
    stop_after: StopAfter = None,
    accelerator: Accelerator = "auto",
    devices: DeviceCount = "1",
    precision: Precision = "32-true",
    strategy: Strategy = "auto",
) -> None:
    """Train a recipe, and compare it with one group at a constant lr."""
    if resume is not None and (recipe or overrides or output or seeds != 1):
        raise typer.BadParameter("a run goes on as it began: give no recipe, --set, --output or --seeds.")
    with needed_for("Training"):
        import lightning_fabric  # noqa: F401 - asked for now, before anything is loaded

        from paramgroups.cli.progress import watching
        from paramgroups.recipe import make, outline, write
        from paramgroups.train.devices import Devices, is_first, waiting_for_others
        from paramgroups.train.run import CHECKPOINT, RECIPE, Run, Stopped, prepare
    name = str(resume / RECIPE) if resume else recipe or "digits-finetune"
    if resume and not (resume / CHECKPOINT).exists():
        raise typer.BadParameter(f"{resume} has no {CHECKPOINT}: no run was saved there.", param_hint="--resume")
    found = outline(name, overrides or ())
    job = make(found)
    folder = resume or output or Path("runs") / f"{Path(name).stem}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}"
    if is_first():
        if resume is None:
            prepare(folder, write(found.recipe))
        say(found.grouping)
        say("")
    del found  # and the model that it was tried on
    fabric = Devices(accelerator=accelerator, devices=devices, precision=precision, strategy=strategy).launch()
    going_on = f"Go on with: paramgroups train --resume {folder}"
    alike = f"{going_on}, and the options of before for devices."
    with watching(console(), first=fabric.is_global_zero) as watcher, waiting_for_others(fabric, alike):
        run = Run(job, folder, fabric, watcher, seeds=seeds, stop_after=stop_after)
        try:
            report = run()
        except Stopped:
            report = None
    if fabric.is_global_zero and report is None:
        say(f"Stopped. {going_on}")
    elif fabric.is_global_zero:
        say("")
        say(report)
        say(f"\nEverything is in {folder}")

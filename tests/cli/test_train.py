"""`paramgroups train`: the main job, as a user runs it."""

import csv
import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest
import torch

from paramgroups.recipe import load, read

COMMAND = Path(sysconfig.get_path("scripts")) / "paramgroups"
SHORT = [
    "--accelerator",
    "cpu",
    "--set",
    "horizon.epochs=1",
    "--set",
    "pretrain.epochs=0.5",
    "--set",
    "compare.lr=[0.01]",
]
PLAIN = ["--accelerator", "cpu", "--set", "pretrain=null", "--set", "compare=null", "--stop-after", "20"]


def rows(folder: Path) -> list[dict[str, str]]:
    """The metrics of a run."""
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_shows_its_groups_trains_and_reports(command, tmp_path):
    """The group table, a line a training, the accuracies beside the baseline's, and where everything is."""
    answer = command("train", *SHORT, "--seeds", "2", "-o", "run")
    assert answer.code == 0
    assert answer.out.startswith("group ")
    assert "frozen by rule 'stem'" in answer.out
    assert "seed 1: plan: step 21/21   loss " in answer.out
    assert "one group, constant lr  0.01  " in answer.out
    assert "Mean ± standard deviation over 2 seeds" in answer.out
    assert answer.out.endswith("Everything is in run\n")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["verdict"] in answer.out
    assert [outcome["seed"] for outcome in report["outcomes"]] == [0, 1]


def test_the_folder_has_the_resolved_recipe_and_every_scheduled_value(command, tmp_path):
    """The recipe with its overrides; a row a step, with the values that were used."""
    assert command("train", *SHORT, "-o", "run").code == 0
    overrides = [text for text in SHORT if "=" in text]
    assert read((tmp_path / "run" / "recipe.yaml").read_text()) == load("digits-finetune", overrides)
    values = json.loads(command("plot", tmp_path / "run" / "recipe.yaml", "--json").out)
    found = rows(tmp_path / "run")
    for key, line in values.items():
        assert [float(row[key]) for row in found] == line


def test_a_run_is_gone_on_with_to_the_byte(command, tmp_path):
    """Stopped three times, the metrics are those of a run that was not."""
    assert command("train", *SHORT, "-o", "whole").code == 0
    answer = command("train", *SHORT, "-o", "parts", "--stop-after", "2")
    assert answer.code == 0
    assert answer.out.endswith("Stopped. Go on with: paramgroups train --resume parts\n")
    for updates in (30, 25):
        assert command("train", "--resume", "parts", "--accelerator", "cpu", "--stop-after", updates).code == 0
    last = command("train", "--resume", "parts", "--accelerator", "cpu")
    assert "held-out accuracy" in last.out
    for name in ("metrics.csv", "report.json", "recipe.yaml"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_run_goes_into_a_folder_of_its_own(command, tmp_path):
    """Named after the recipe and the time."""
    assert command("train", *PLAIN, "--stop-after", "0").code == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("digits-finetune-2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "nothing: there is no such recipe."),
        (["--set", "plan.rules.9.lr=1"], "plan.rules has no entry 9"),
        (["--resume", "absent"], "absent has no checkpoint.pt"),
        (["--resume", "absent", "--set", "seed=1"], "a run goes on as it began"),
        (["--seeds", "0"], "--seeds"),
        (["--accelerator", "cuba"], "lightning-fabric cannot start --accelerator cuba"),
        (["-o", "/dev/null/run"], "/dev/null/run cannot be written to"),
    ],
)
def test_bad_input_is_explained(command, arguments, said):
    """Before anything is trained."""
    answer = command("train", *arguments)
    assert answer.code == 2
    assert said in answer.err


def test_a_run_is_not_written_over(command):
    """And the way to go on with it is named."""
    assert command("train", *PLAIN, "-o", "run", "--stop-after", "1").code == 0
    answer = command("train", *PLAIN, "-o", "run")
    assert answer.code == 2
    assert "There is a run in run.\nGo on with it, paramgroups train --resume run" in answer.err


def test_a_broken_checkpoint_is_explained(command, tmp_path):
    """With what to do."""
    assert command("train", *PLAIN, "-o", "run", "--stop-after", "1").code == 0
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"PK")
    answer = command("train", "--resume", "run", "--accelerator", "cpu")
    assert answer.code == 2
    assert "checkpoint.pt is no checkpoint of paramgroups" in answer.err


def in_processes(count: int, folder: Path, *arguments: str) -> str:
    """Run the installed command in so many processes; the group table that it printed."""
    words = [str(COMMAND), "train", *PLAIN, "-o", str(folder), "--devices", str(count), *arguments]
    environment = {key: value for key, value in os.environ.items() if key not in {"RANK", "LOCAL_RANK", "WORLD_SIZE"}}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return str(done.stdout).partition("\n\n")[0]


@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_two_processes_agree_with_one(tmp_path, precision):
    """After 20 steps of the same batches: the model to rtol 1e-5, group table and scheduled values exactly.

    In float32 by the norm of each parameter's tensor, as AdamW magnifies the rounding of weights next to 0; in float64
    each weight by itself.
    """
    one = in_processes(1, tmp_path / "one", "--precision", precision)
    two = in_processes(2, tmp_path / "two", "--precision", precision)
    assert one == two
    assert one.startswith("group ")
    values = [
        [{k: v for k, v in row.items() if k != "loss"} for row in rows(tmp_path / each)] for each in ("one", "two")
    ]
    assert values[0] == values[1]
    assert len(values[0]) == 20
    states = [torch.load(tmp_path / each / "checkpoint.pt", weights_only=True) for each in ("one", "two")]
    for name, weight in states[0]["model"].items():
        apart = (states[1]["model"][name] - weight).abs()
        if precision == "64-true":
            assert (apart <= 1e-5 * weight.abs()).all()
        assert apart.norm() <= 1e-5 * weight.norm()
    assert states[0]["scheduler"] == states[1]["scheduler"]


@pytest.mark.slow
def test_the_main_job_takes_less_than_a_minute(tmp_path):
    """As `paramgroups train` runs it on two cores."""
    done = subprocess.run([COMMAND, "train"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "held-out accuracy" in done.stdout

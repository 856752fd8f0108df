"""`paramgroups train`: the main job, as a user runs it."""

import csv
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
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


def environment() -> dict[str, str]:
    """For a process that starts others, with a thread each."""
    inherited = {key: value for key, value in os.environ.items() if key not in {"RANK", "LOCAL_RANK", "WORLD_SIZE"}}
    return {**inherited, "OMP_NUM_THREADS": "1"}


def in_processes(count: int, folder: Path, *arguments: str) -> str:
    """Run the installed command in so many processes; the group table that it printed."""
    words = [str(COMMAND), "train", *PLAIN, "-o", str(folder), "--devices", str(count), *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    return str(done.stdout).partition("\n\n")[0]


@pytest.fixture(scope="module", params=["32-true", "64-true"])
def one(request, tmp_path_factory):
    """A run of one process at some precision: its folder, the precision, and the group table."""
    folder = tmp_path_factory.mktemp("one") / "run"
    return folder, request.param, in_processes(1, folder, "--precision", request.param)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_two_processes_agree_with_one(tmp_path, one, strategy):
    """After 20 steps of the same batches: the model to rtol 1e-5, group table and scheduled values exactly.

    In float32 by the norm of each parameter's tensor, as AdamW magnifies the rounding of weights next to 0; in float64
    each weight by itself.
    """
    folder, precision, table = one
    if (strategy, precision) == ("fsdp2", "64-true"):
        pytest.skip("Fabric has no float64 where tensors are spread; tests/test_parity.py has")
    assert in_processes(2, tmp_path / "two", "--precision", precision, "--strategy", strategy) == table
    assert table.startswith("group ")
    folders = [folder, tmp_path / "two"]
    values = [[{k: v for k, v in row.items() if k != "loss"} for row in rows(each)] for each in folders]
    assert values[0] == values[1]
    assert len(values[0]) == 20
    states = [torch.load(each / "checkpoint.pt", weights_only=True) for each in folders]
    assert states[0]["model"].keys() == states[1]["model"].keys()
    for name, weight in states[0]["model"].items():
        apart = (states[1]["model"][name] - weight).abs()
        if precision == "64-true":
            assert (apart <= 1e-5 * weight.abs()).all()
        assert apart.norm() <= 1e-5 * weight.norm()
    assert states[0]["scheduler"] == states[1]["scheduler"]


LONG = [*PLAIN[:-2], "--set", "horizon.epochs=8"]
"""A run that is still going on when it is looked at."""


def killed(folder: Path, strategy: str, which: str) -> tuple[int, str]:
    """Kill one of two processes after the first checkpoint: the exit code of the main one, and what both said.

    Which is `main`, whom the other was started by, or `other`.
    """
    words = [str(COMMAND), "train", *LONG, "-o", str(folder), "--devices", "2", "--strategy", strategy]
    errors = folder.with_suffix(".err")
    with errors.open("w") as file, subprocess.Popen(words, stderr=file, stdout=file, env=environment()) as main:
        while not (folder / "checkpoint.pt").exists():
            assert main.poll() is None, errors.read_text("utf-8")
            time.sleep(0.02)
        other = int(child_of(main.pid))
        os.kill(main.pid if which == "main" else other, signal.SIGKILL)
        code = main.wait(timeout=60)
    while which == "main" and Path(f"/proc/{other}").exists():
        time.sleep(0.02)
    return code, errors.read_text("utf-8")


def child_of(process: int) -> str:
    """The one process that another has started."""
    (child,) = Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()
    return child


@pytest.mark.skipif(sys.platform != "linux", reason="finds the other process in /proc")
def test_where_one_process_is_killed_the_others_end_with_a_message(command, tmp_path):
    """The one that is left names what happened and how to go on; that can be done by one process, too."""
    code, said = killed(tmp_path / "run", "ddp", "other")
    assert code == 2, said
    end = f"Go on with: paramgroups train --resume {tmp_path / 'run'}, and the options of before for devices.\n"
    assert "\nProcess 0 of 2 ends, as another one has ended or is cut off: " in said
    assert said.endswith(end)
    updates = len(rows(tmp_path / "run"))
    answer = command("train", "--resume", "run", "--accelerator", "cpu", "--stop-after", "1")
    assert answer.out.endswith("Stopped. Go on with: paramgroups train --resume run\n")
    assert 0 < len(rows(tmp_path / "run")) <= updates + 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the other process in /proc")
@pytest.mark.parametrize("which", ["main", "other"])
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_a_killed_run_is_gone_on_with_to_the_byte(tmp_path, strategy, which):
    """Whichever process was killed: resumed by two, its metrics and report are those of a run that was not killed."""
    code, said = killed(tmp_path / "parts", strategy, which)
    assert code == (-signal.SIGKILL if which == "main" else 2)
    assert f"Process {int(which == 'main')} of 2 ends" in said
    devices = ["--accelerator", "cpu", "--devices", "2", "--strategy", strategy]
    for words in (["--resume", str(tmp_path / "parts")], [*LONG[2:], "-o", str(tmp_path / "whole")]):
        subprocess.run([str(COMMAND), "train", *devices, *words], check=True, timeout=300, env=environment())
    for name in ("metrics.csv", "report.json", "recipe.yaml"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_the_main_job_takes_less_than_a_minute(tmp_path):
    """As `paramgroups train` runs it on two cores."""
    done = subprocess.run([COMMAND, "train"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "held-out accuracy" in done.stdout

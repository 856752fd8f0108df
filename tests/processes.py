"""Several processes, started by torchrun, that run every case of a worker once; and what each rank said of each."""

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramgroups as pg

TORCHRUN = Path(sysconfig.get_path("scripts")) / "torchrun"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Together:
    """What came of a launch: its folder, each rank's results by case, and what was printed."""

    folder: Path
    ranks: tuple[dict[str, Any], ...]
    said: str

    def of(self, case: str) -> list[Any]:
        """What each rank found in a case; a case that failed anywhere, or was not reached, fails here."""
        for rank, results in enumerate(self.ranks):
            assert case in results, f"rank {rank} did not reach {case!r}:\n{self.said}"
            assert "failed" not in results[case], f"rank {rank} failed:\n{results[case]['failed']}"
        return [results[case]["found"] for results in self.ranks]


def environment() -> dict[str, str]:
    """For a process that finds the tests and the package as this one does, with one thread."""
    path = os.pathsep.join([str(HERE), str(Path(pg.__file__).parents[1])])
    inherited = {key: value for key, value in os.environ.items() if key not in {"RANK", "LOCAL_RANK", "WORLD_SIZE"}}
    return {**inherited, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def launch(worker: str, folder: Path, count: int = 2) -> Together:
    """Run `tests/workers/WORKER.py FOLDER` under torchrun."""
    command = [str(TORCHRUN), "--standalone", f"--nproc-per-node={count}", str(HERE / "workers" / f"{worker}.py")]
    done = subprocess.run(
        [*command, str(folder)], capture_output=True, text=True, timeout=180, check=False, env=environment()
    )
    files = [folder / f"rank{rank}.json" for rank in range(count)]
    results = tuple(json.loads(file.read_text("utf-8")) if file.exists() else {} for file in files)
    return Together(folder, results, done.stdout + done.stderr)


if __name__ == "__main__":  # by hand: python tests/processes.py WORKER FOLDER
    found = launch(sys.argv[1], Path(sys.argv[2]))
    sys.stdout.write(json.dumps(found.ranks, indent=1) + found.said)

"""A process that forks others, each of which saves in a loop until it is killed and notes how far it has come.

`python tests/workers/saver.py`: a line of JSON on stdin, {"path": …, "name": …, "start": …, "keep": …}, starts one, and
its process id is printed. It saves `content(name, start)`, `content(name, start + 1)`, … at the path. Its phase and its
count are in the file `name` beside it, mapped into memory, which outlives it; what went wrong is in `name.error`.
"""

import itertools
import json
import mmap
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from paramgroups.state import files

# In the order of a save. From `saving` to `linking` the temporary file is open and not yet renamed.
PHASES = ("starting", "saving", "sealing", "syncing", "linking", "renaming", "renamed")
UNRENAMED = PHASES[1:5]
LINGER = 0.001  # seconds before and after each call: some phases are too short to be hit


def content(name: str, count: int) -> dict[str, Any]:
    """What one process saves: 2 MB that tell whose they are."""
    return {"name": name, "count": count, "tensors": [torch.full((1 << 16,), float(count)) for _ in range(8)]}


class Progress:
    """The phase and the count of a process, shared through a file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(9))
        with path.open("r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 9)

    @property
    def phase(self) -> str:
        """Where the process is in a save."""
        return PHASES[self.shared[0]]

    @phase.setter
    def phase(self, name: str) -> None:
        self.shared[0] = PHASES.index(name)

    @property
    def count(self) -> int:
        """The save that it is at."""
        return int.from_bytes(self.shared[1:], "little")

    @count.setter
    def count(self, value: int) -> None:
        self.shared[1:] = value.to_bytes(8, "little")


class Savers:
    """The parent's side: processes to start and to kill."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe, text=True)
        self.running: set[int] = set()

    def start(self, path: Path, name: str, start: int = 1) -> tuple[int, Progress]:
        """A process that saves at `path`: its id, and how far it has come."""
        progress = Progress(path.with_name(name))
        progress.count, progress.phase = 0, "starting"
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"path": str(path), "name": name, "start": start, "keep": 3}) + "\n")
        self.process.stdin.flush()
        process = int(self.process.stdout.readline())
        self.running.add(process)
        return process, progress

    def kill(self, process: int) -> None:
        """Kill one, and wait until it is no more."""
        self.running.remove(process)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
            while True:
                os.kill(process, 0)

    def close(self) -> None:
        """End them all, and the process that forked them."""
        for process in [*self.running]:
            self.kill(process)
        self.process.communicate()


def instrument(progress: Progress, path: Path) -> None:
    """Note the phase around what a save calls, and linger there: around torch.save, fsync, link, and the rename."""

    def noted(call: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
        def noting(*args: Any, **kwargs: Any) -> Any:
            if progress.phase == "renamed" or (call is replace and args[1] != path):
                return call(*args, **kwargs)  # the folder is synced, or an older file gets its next number
            progress.phase = before
            time.sleep(LINGER)
            result = call(*args, **kwargs)
            progress.phase = after
            time.sleep(LINGER)
            return result

        return noting

    replace = Path.replace
    patch = pytest.MonkeyPatch()
    patch.setattr(torch, "save", noted(torch.save, "saving", "sealing"))
    patch.setattr(os, "fsync", noted(os.fsync, "syncing", "syncing"))
    patch.setattr(os, "link", noted(os.link, "linking", "linking"))
    patch.setattr(Path, "replace", noted(replace, "renaming", "renamed"))


def save_forever(path: Path, name: str, start: int, keep: int) -> None:
    """Save until killed."""
    progress = Progress(path.with_name(name))
    instrument(progress, path)
    for count in itertools.count(start):
        progress.count = count
        progress.phase = "starting"
        files.write(path, content(name, count), keep=keep)


def main() -> None:
    """Fork one process a line; the system reaps them."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        path = Path(order.pop("path"))
        child = os.fork()
        if child == 0:
            try:
                save_forever(path, **order)
            except BaseException:  # noqa: BLE001 - whatever it is, the parent shows it
                path.with_name(f"{order['name']}.error").write_text(traceback.format_exc(), "utf-8")
            os._exit(1)
        print(child, flush=True)  # noqa: T201 - that is how the parent knows it


if __name__ == "__main__":
    main()

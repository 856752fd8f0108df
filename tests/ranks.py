"""A script run by several processes at once, which find each other as torch's launcher has them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import paramgroups


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def said(script: str, *arguments: object, processes: int) -> list[str]:
    """What each process printed; one that waits for another, which failed, is ended."""
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(paramgroups.__file__).parents[1])])
    own = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": str(processes), "PYTHONPATH": path}
    started = [
        subprocess.Popen(
            [sys.executable, script, *map(str, arguments)],
            env={**os.environ, **own, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    try:
        return [process.communicate(timeout=300)[0] for process in started]
    finally:
        for process in started:
            process.kill()

"""The command line, run in this process."""

from dataclasses import dataclass

import pytest
import torch

from paramgroups.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Runs a command in an empty folder, at a terminal 200 columns wide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        streams = capsys.readouterr()
        assert "Traceback" not in streams.out + streams.err
        return Answer(code, streams.out, streams.err)

    return run


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Threads gain nothing on tensors this small, and lose much where several test runs share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

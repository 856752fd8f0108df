"""The file from which a run goes on."""

import pickle

import pytest
import torch

from paramgroups.errors import RunError
from paramgroups.train import checkpoint

STATE = {"step": 3, "model": {"weight": torch.tensor([0.1, 0.2])}, "done": {"a": 0.5}, "nothing": None}


def test_what_is_saved_is_loaded(tmp_path):
    """Numbers, text and tensors, to the bit."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, STATE)
    found = checkpoint.load(path)
    assert torch.equal(found["model"].pop("weight"), STATE["model"]["weight"])  # type: ignore[index]  # it is a dict
    assert found == {**STATE, "model": {}}


def test_a_crash_while_saving_leaves_the_old_file(tmp_path, monkeypatch):
    """The new one takes its place only when it is whole."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, STATE)

    def crash(state, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, {"step": 4})
    monkeypatch.undo()
    assert checkpoint.load(path)["step"] == 3


class Trap:
    def __reduce__(self):
        return print, ("run",)


def test_loading_runs_no_code(tmp_path, capsys):
    """A file that holds code is refused."""
    path = tmp_path / "checkpoint.pt"
    torch.save({"format": checkpoint.FORMAT, "trap": Trap()}, path)
    with pytest.raises(RunError, match=r"cannot be read as a checkpoint"):
        checkpoint.load(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", pickle.dumps([1], 2)], ids=["empty", "cut", "pickle"])
def test_a_file_that_is_none_of_ours_is_explained(tmp_path, content):
    """With what to do."""
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"checkpoint\.pt"):
        checkpoint.load(path)


def test_a_missing_file_and_another_format_are_explained(tmp_path):
    """The one with the folder that is meant, the other with the version."""
    with pytest.raises(RunError, match=r"There is no checkpoint .*\nGive the folder of a run"):
        checkpoint.load(tmp_path / "checkpoint.pt")
    torch.save({"format": 99}, tmp_path / "checkpoint.pt")
    with pytest.raises(RunError, match=r"has the format 99, not 1\.\nResume it with the version"):
        checkpoint.load(tmp_path / "checkpoint.pt")

"""`paramgroups state`."""

import json
import os
import pickle

import pytest
import torch

import paramgroups as pg
import runs
from paramgroups.state import contents, files
from paramgroups.state.comparison import compare


@pytest.fixture
def path(tmp_path):
    """A checkpoint of a short run; two more updates of it are in `later.pt`."""
    net, optimizer, scheduler = runs.made()
    runs.train(net, optimizer, 3)
    pg.save(tmp_path / "state.pt", optimizer, scheduler, net, extra={"epoch": 1})
    runs.train(net, optimizer, 2)
    pg.save(tmp_path / "later.pt", optimizer, scheduler, net, extra={"epoch": 2})
    return tmp_path / "state.pt"


def test_a_checkpoint_is_shown(command, path):
    """How large it is, and the library's tables."""
    answer = command("state", "state.pt")
    assert (answer.code, answer.err) == (0, "")
    told = "\n\n".join(map(str, contents.tables(contents.summary(contents.read(path)))))
    assert answer.out == f"state.pt: {path.stat().st_size:,} bytes\n\n{told}\n"


def test_programs_get_all_of_it(command, path):
    """The names of the parameters included."""
    data = json.loads(command("state", "state.pt", "--json").out)
    assert (data["file"], data["bytes"], data["step"]) == ("state.pt", path.stat().st_size, 3)
    assert [group["parameters"] for group in data["groups"]] == [
        ["body.weight", "body.bias"],
        ["head.weight", "head.bias"],
    ]


def test_equal_checkpoints_are_exit_code_0(command, path):
    """Saved at another time, under another name."""
    files.write(path.with_name("copy.pt"), files.read(path))
    assert command("state", "state.pt", "copy.pt").out == "state.pt and copy.pt hold the same.\n"
    answer = command("state", "state.pt", "copy.pt", "--json")
    assert (answer.code, json.loads(answer.out)["equal"]) == (0, True)


def test_different_checkpoints_are_exit_code_1(command, path):
    """And the library's tables say what is different, for people and programs."""
    answer = command("state", "state.pt", "later.pt")
    assert (answer.code, answer.err) == (1, "")
    found = compare(contents.read(path), contents.read(path.with_name("later.pt")))
    told = "\n\n".join(map(str, found.tables()))
    assert answer.out == f"state.pt, the first, and later.pt, the second, differ.\n\n{told}\n"
    answer = command("state", "state.pt", "later.pt", "--json")
    assert (answer.code, answer.err) == (1, "")
    data = json.loads(answer.out)
    assert (data["first"], data["second"], data["equal"]) == ("state.pt", "later.pt", False)
    assert {"what": "position", "where": ["update"], "first": 3, "second": 5} in data["changes"]


def flipped(path):
    """A bit of a tensor is another."""
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


SPOILT = {
    "absent": (lambda path: path.unlink(), "cannot be read: No such file or directory"),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read: it is a folder"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "foreign": (lambda path: torch.save({"step": 1}, path), "is no checkpoint of paramgroups"),
    "cut": (lambda path: os.truncate(path, path.stat().st_size - 30), "is cut short"),
    "flipped": (flipped, "is damaged"),
    "no run": (lambda path: files.write(path, {"step": 1}), "holds no run"),
    "code": (lambda path: path.write_bytes(pickle.dumps(print)), "is no checkpoint of paramgroups"),
}


@pytest.mark.parametrize(("spoil", "said"), SPOILT.values(), ids=SPOILT)
def test_a_file_that_cannot_be_read_is_exit_code_2(command, path, spoil, said):
    """In the library's words, whichever of two it is."""
    spoil(path)
    for arguments in (["state.pt"], ["state.pt", "later.pt"], ["later.pt", "state.pt"]):
        answer = command("state", *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(f"state.pt {said}")
        told = json.loads(command("state", *arguments, "--json").out)
        assert told["error"] + "\n" == answer.err


def test_a_file_is_needed(command):
    """And no more than two."""
    assert "Missing argument" in command("state").err
    assert command("state", "a", "b", "c").code == 2

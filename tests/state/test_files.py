"""A checkpoint file on the disk: the old one or the new one, whatever happens."""

import collections
import fcntl
import io
import os
import random
import resource
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from paramgroups.errors import FileAccessError, UnsavableError
from paramgroups.state import files
from workers.saver import LINGER, PHASES, UNRENAMED, Savers, content

CONTENT: dict[str, Any] = {"step": 3, "weights": [torch.arange(5_000.0) * i for i in range(4)]}


@pytest.fixture
def path(tmp_path):
    """Where to save."""
    return tmp_path / "state.pt"


@pytest.fixture
def whole(path):
    """The bytes of a file that holds CONTENT, which is at `path`."""
    files.write(path, CONTENT)
    return path.read_bytes()


def left(path: Path) -> list[str]:
    """The names in the folder of a file."""
    return sorted(file.name for file in path.parent.iterdir())


def interrupt(*args: Any) -> None:
    """Ctrl-C."""
    raise KeyboardInterrupt


def steps(path: Path) -> dict[str, int]:
    """Which step is in which file."""
    return {name: files.read(path.with_name(name))["step"] for name in left(path)}


def test_what_is_written_is_read(path, whole):
    """And the file is all that is left."""
    assert files.read(path)["weights"][3].equal(CONTENT["weights"][3])
    assert left(path) == ["state.pt"]
    files.write(str(path), {"device": torch.ones(1)})
    assert files.read(str(path), "meta")["device"].is_meta


def test_a_link_is_followed(tmp_path, path):
    """The file it leads to is replaced, as torch.save would do; who may read it is as for every new file."""
    link = tmp_path / "latest.pt"
    link.symlink_to(path)
    files.write(link, {"step": 1})
    assert link.is_symlink()
    assert files.read(path) == {"step": 1}
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_cannot_be_saved_leaves_the_old_file(path, whole):
    """Neither content that could not be read again nor a `keep` that is no number of files."""
    with pytest.raises(UnsavableError, match=r"state\.pt would hold what is not read without running code"):
        files.write(path, {"range": range(3)})
    with pytest.raises(UnsavableError, match=r"cannot be kept 0 times\.\nGive keep=1, for the newest file alone, or m"):
        files.write(path, {}, keep=0)
    assert (left(path), path.read_bytes()) == (["state.pt"], whole)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.pt", "No such file or directory"),
        ("folder", "it is a folder"),
        ("pipe", "it is no ordinary file"),
        ("file/state.pt", "Not a directory"),
    ],
)
def test_a_path_that_is_no_file_is_explained(tmp_path, name, reason):
    """A pipe is not waited for, and a device not replaced by a file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    text = f"{tmp_path / name} cannot be read: {reason}.\nName a file, in a folder that is there."
    with pytest.raises(FileAccessError) as caught:
        files.read(tmp_path / name)
    assert str(caught.value) == text
    if name == "absent.pt":
        name, text = "absent/state.pt", text.replace("absent.pt", "absent/state.pt")
    with pytest.raises(FileAccessError) as caught:
        files.write(tmp_path / name, {})
    assert str(caught.value) == text.replace("read", "written", 1)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied.\nChange the permissions of the file and its fo"),
        (OSError(5, "Input/output error"), "Input/output error.\nTry again, or name a file on another disk."),
        (TimeoutError("too late"), "too late.\nTry again, or name a file on another disk."),
    ],
    ids=["permissions", "disk", "no number"],
)
def test_what_the_system_refuses_is_explained(path, whole, monkeypatch, error, text):
    """Whatever the reason; the old file stays."""

    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(FileAccessError) as caught:
        files.write(path, {})
    assert str(caught.value).startswith(f"{path} cannot be written: {text}")
    assert (left(path), path.read_bytes()) == (["state.pt"], whole)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileAccessError) as caught:
        files.read(path)
    assert str(caught.value).startswith(f"{path} cannot be read: {text}")


def test_the_file_is_on_the_disk_before_it_is_renamed_and_its_name_after(path, whole, monkeypatch):
    """All of it, the digest as well, which is made while the rest is brought there."""
    done: list[object] = []
    replace, fsync = Path.replace, os.fsync

    def synced(descriptor):
        status = os.fstat(descriptor)
        done.append("folder" if stat.S_ISDIR(status.st_mode) else status.st_size)
        fsync(descriptor)

    def renamed(source, target):
        done.append((source.parent, target))
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    files.write(path, CONTENT)
    assert done[-3:] == [len(whole), (path.parent, path), "folder"]
    assert done[:-3] == [pytest.approx(len(whole), abs=64)]


def test_what_the_disk_refuses_once_is_not_forgotten(path, whole, monkeypatch):
    """A system tells of an error once, and the file is synced twice: while the digest is made, and with it."""
    outcomes = [OSError(5, "Input/output error")]
    monkeypatch.setattr(os, "fsync", lambda _: raise_next(outcomes))
    with pytest.raises(FileAccessError, match="Input/output error"):
        files.write(path, {})
    assert (outcomes, left(path), path.read_bytes()) == ([], ["state.pt"], whole)


def raise_next(outcomes: list[OSError]) -> None:
    """Raise what is left to raise."""
    if outcomes:
        raise outcomes.pop()


def test_a_process_can_save_when_it_ends(path):
    """No thread starts then, so that the file reaches the disk without one."""
    code = f"""
        import atexit, torch
        from paramgroups.state import files
        atexit.register(files.write, {str(path)!r}, {{"step": 7}})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
    assert files.read(path) == {"step": 7}


def test_a_folder_that_cannot_be_synced_is_no_reason_to_fail(path, monkeypatch):
    """Some network disks cannot; an error of the disk is told."""
    fsync, number = os.fsync, 22

    def refuse(descriptor):
        if os.path.isdir(f"/dev/fd/{descriptor}"):  # noqa: PTH112 - a path only in name
            raise OSError(number, "no")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    files.write(path, {"step": 1})
    assert files.read(path) == {"step": 1}
    number = 5
    with pytest.raises(FileAccessError):
        files.write(path, {"step": 2})


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """What is written to a file beyond `size` bytes is refused, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 100, 0.5, -200, -64, -1])
def test_a_full_disk_leaves_the_old_files(path, whole, room):
    """Wherever in the file it happens, also at the digest; with the reason that the system gave."""
    files.write(path, CONTENT, keep=3)
    size = room if room >= 1 else int(room * len(whole)) if room >= 0 else len(whole) + room
    remedy = "Make room there, or save elsewhere; what was there before is as it was."
    with file_size_limit(size), pytest.raises(FileAccessError) as caught:
        files.write(path, CONTENT, keep=3)
    assert str(caught.value) == f"{path} cannot be written: File too large.\n{remedy}"
    assert steps(path) == {"state.pt": 3, "state.pt.1": 3}


@pytest.mark.parametrize("name", ["write", "fsync", "replace"])
def test_an_interrupt_leaves_the_old_file(path, whole, monkeypatch, name):
    """And reaches the user as it is, though torch fails on its way."""
    if name == "write":
        monkeypatch.setattr(files, "_create", lambda path: Interrupted(io.FileIO(f"{path}.new", "x+")))
    else:
        monkeypatch.setattr(Path if name == "replace" else os, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, {"tensor": torch.ones(100_000)})
    assert (left(path), path.read_bytes()) == (["state.pt"], whole)


class Interrupted(io.BufferedRandom):
    """A file during whose writing someone presses Ctrl-C."""

    def write(self, data: Any) -> int:
        if len(data) > 100_000:
            raise KeyboardInterrupt
        return super().write(data)


def test_keep_numbers_the_files_that_were_replaced(path):
    """The newest at the path; a smaller `keep` leaves the older ones, a gap is filled before anything is dropped."""
    for step in range(5):
        files.write(path, {"step": step}, keep=3)
    assert steps(path) == {"state.pt": 4, "state.pt.1": 3, "state.pt.2": 2}
    files.write(path, {"step": 5}, keep=1)
    assert steps(path) == {"state.pt": 5, "state.pt.1": 3, "state.pt.2": 2}
    files.write(path, {"step": 6}, keep=2)
    assert steps(path) == {"state.pt": 6, "state.pt.1": 5, "state.pt.2": 2}
    path.with_name("state.pt.1").unlink()
    files.write(path, {"step": 7}, keep=3)
    assert steps(path) == {"state.pt": 7, "state.pt.1": 6, "state.pt.2": 2}


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("keep", [2, 4])
def test_there_is_a_file_at_every_moment_of_a_rotation(path, monkeypatch, keep, links):
    """Whatever step is the last before a crash, the newest file is at the path, and the next save loses nothing."""
    moments: list[int] = []

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **kwargs: Any) -> Any:
            moments.append(files.read(path)["step"] if path.exists() else -1)
            return call(*args, **kwargs)

        return watching

    def refuse(*args: Any) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", watched(os.link if links else refuse))
    monkeypatch.setattr(Path, "replace", watched(Path.replace))
    monkeypatch.setattr(Path, "unlink", watched(Path.unlink))
    for step in range(6):
        moments.clear()
        files.write(path, {"step": step}, keep=keep)
        assert set(moments) == {step - 1, step}
    assert list(steps(path).values()) == [5, 4, 3, 2][:keep]


def test_a_save_killed_before_the_rename_costs_no_older_file(path, monkeypatch):
    """The newest then has two names, and is not numbered twice."""
    for step in range(3):
        files.write(path, {"step": step}, keep=3)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            files.write(path, {"step": 3}, keep=3)
    assert steps(path) == {"state.pt": 2, "state.pt.1": 2, "state.pt.2": 1}
    files.write(path, {"step": 4}, keep=3)
    assert steps(path) == {"state.pt": 4, "state.pt.1": 2, "state.pt.2": 1}


def test_only_the_temporary_files_of_the_dead_are_removed(path):
    """A file that a process still holds stays, and so does what is no temporary file of this path."""
    for name in ("state.pt.0123abcd.new", "state.pt.89abcdef.new", "other.pt.0123abcd.new", "state.pt.mine.new"):
        path.with_name(name).touch()
    with path.with_name("state.pt.89abcdef.new").open("rb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        files.write(path, {})
    assert left(path) == ["other.pt.0123abcd.new", "state.pt", "state.pt.89abcdef.new", "state.pt.mine.new"]


def test_a_temporary_file_swept_before_it_is_locked_is_made_again(path, monkeypatch):
    """Another process may come between the two; and where the disk has no locks, it goes without."""
    swept: list[str] = []
    lock = files._lock

    def late(file, **options):
        if not swept:
            swept.append(file.name)
            Path(file.name).unlink()
        lock(file, **options)

    monkeypatch.setattr(files, "_lock", late)
    files.write(path, {"step": 1})

    def unsupported(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    files.write(path, {"step": 2})
    assert (len(swept), steps(path)) == (1, {"state.pt": 2})


@pytest.fixture(scope="module")
def savers():
    """Processes to start and to kill."""
    made = Savers()
    yield made
    made.close()


def is_whole(found: dict[str, Any]) -> bool:
    """Whether a content is one that some process saved."""
    wanted = content(found["name"], found["count"])
    return all(map(torch.equal, found.pop("tensors"), wanted.pop("tensors"))) and found == wanted


def older(path: Path) -> set[str]:
    """The numbered files that there are; each is whole. A save that was killed may leave a gap."""
    names = {name for name in left(path) if name in {"state.pt.1", "state.pt.2"}}
    assert all(is_whole(files.read(path.with_name(name))) for name in names)
    return names


@pytest.mark.parametrize("kills", [15, pytest.param(250, marks=pytest.mark.slow)])
def test_a_killed_save_leaves_the_previous_file_or_the_new(path, savers, capsys, kills):
    """SIGKILL in every phase, as the dead process noted it; before the rename it is the previous one, always."""
    files.write(path, content("a", 0))
    phases: collections.Counter[str] = collections.Counter()
    rng = random.Random(kills)
    for kill in range(kills):
        newest = files.read(path)["count"]
        process, progress = savers.start(path, "a", newest + 1)
        wanted, deadline = PHASES[1 + kill % 6], time.monotonic() + 60
        while not (progress.phase == wanted and progress.count > newest + kill % 2) and time.monotonic() < deadline:
            pass
        time.sleep(rng.choice((0, 0, LINGER, 3 * LINGER)))
        savers.kill(process)
        phases[progress.phase] += 1
        found = files.read(path)
        assert is_whole(found)
        assert found["count"] in {progress.count - 1, *([] if progress.phase in UNRENAMED else [progress.count])}
        assert len({*left(path)} - older(path)) <= 3  # with "a" and the file itself: what one dead process left
    with capsys.disabled():
        print(f"\n{kills} kills: {dict(phases)}")  # noqa: T201  # the figure is asked for
    files.write(path, {})
    assert {*left(path)} - older(path) == {"a", "state.pt"}
    assert sum(phases[phase] for phase in UNRENAMED) >= 0.4 * kills


def test_of_two_processes_that_save_to_one_path_one_has_saved(path, savers):
    """At any moment the file is one of theirs, whole, and none of their temporary files is taken for a dead one's."""
    files.write(path, content("none", 0))
    running = [savers.start(path, name) for name in ("a", "b")]
    seen: set[tuple[str, int]] = set()
    deadline = time.monotonic() + 20
    while (len(seen) < 10 or min(progress.count for _, progress in running) < 20) and time.monotonic() < deadline:
        found = files.read(path)
        assert is_whole(found)
        seen.add((found["name"], found["count"]))
    for process, _ in running:
        savers.kill(process)
    assert {"a", "b"} <= {name for name, _ in seen}
    files.write(path, {})
    assert {*left(path)} - older(path) == {"a", "b", "state.pt"}

"""`paramgroups plot`."""

import json

from paramgroups.recipe import make, outline, scheduler


def test_the_terminal_gets_a_picture(command):
    """A panel a hyperparameter, as wide as it is well read."""
    answer = command("plot", "digits-finetune")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert {"lr", "weight_decay", "a backbone, no_decay.backbone", "b head, no_decay.head"} <= set(lines)
    assert max(map(len, lines)) <= 120


def test_a_file_gets_the_picture(command, tmp_path):
    """And the terminal a word."""
    answer = command("plot", "digits-finetune", "-o", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert answer.out == f"{tmp_path / 'a.png'} has the picture.\n"


def test_a_file_that_cannot_be_written_is_explained(command, tmp_path):
    """By its ending, its folder, or what the system says."""
    (tmp_path / "b.png").mkdir()
    for name, said in (
        ("a.pgn", "Did you mean '.png'?"),
        ("no/a.png", f"the folder '{tmp_path / 'no'}' does not exist."),
        ("b.png", f"{tmp_path / 'b.png'} cannot be written: Is a directory."),
    ):
        answer = command("plot", "digits-finetune", "-o", tmp_path / name)
        assert answer.code == 2
        assert said in answer.err
        assert "Errno" not in answer.err


def test_programs_get_every_value(command):
    """Those of the scheduler's preview, to the bit."""
    found = outline("digits-finetune", ["seed=1"])
    driven = scheduler(make(found), found)
    data = json.loads(command("plot", "digits-finetune", "--json").out)
    assert data == {key: line.tolist() for key, line in driven.preview(315).items()}


def test_what_is_thawed_in_mid_run_is_told_below_the_picture(command):
    """Which rule, before which update, with which warm-up."""
    answer = command("plot", "digits-thaw")
    assert answer.code == 0
    assert answer.out.splitlines()[-3:] == [
        "before update  what  parameters       tensors  warm-up     stands",
        "           42  thaw  rule 'backbone'        6  Warmup(21)  ahead",
        "          126  thaw  rule 'stem'            3  Warmup(21)  ahead",
    ]

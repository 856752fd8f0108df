"""The table of a run, written, cut back and written on."""

import csv

from paramgroups.train.metrics import Metrics


def test_rows_are_read_back_to_the_bit(tmp_path):
    """Under the names of the first row."""
    path = tmp_path / "metrics.csv"
    metrics = Metrics(path)
    metrics.add({"step": 0, "lr/head": 0.1 + 0.2})
    metrics.add({"step": 1, "lr/head": 1e-300})
    metrics.close()
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["lr/head"]) for row in rows] == [0.1 + 0.2, 1e-300]
    assert [row["step"] for row in rows] == ["0", "1"]


def test_what_came_after_a_save_is_dropped(tmp_path):
    """A run that goes on from there writes the same file as one that never stopped."""
    path = tmp_path / "metrics.csv"
    metrics = Metrics(path)
    metrics.add({"step": 0})
    saved = metrics.size()
    metrics.add({"step": 111})
    metrics.close()
    again = Metrics(path, saved)
    again.add({"step": 1})
    again.close()
    assert path.read_text() == "step\n0\n1\n"


def test_a_new_run_starts_an_empty_file(tmp_path):
    """Whatever was there."""
    path = tmp_path / "metrics.csv"
    path.write_text("old\n")
    Metrics(path).close()
    assert path.read_text() == ""

"""The examples do what they say."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
TOUR = runpy.run_path(str(EXAMPLES / "param_groups_tour.py"))["TOUR"]
LANGUAGE_MODEL = runpy.run_path(str(EXAMPLES / "muon_language_model.py"))


@pytest.mark.parametrize("stop", TOUR, ids=lambda stop: stop.__name__)
def test_each_stop_of_the_tour_shows_what_it_says(stop):
    """Its own assertions hold, on torch's optimizers."""
    stop()


def test_the_language_model_compares_two_optimizers_fairly(tmp_path, capsys, monkeypatch):
    """At a tiny size: both start alike on each seed, learn, choose the best lr, and are reported and drawn."""
    trained, held_out = LANGUAGE_MODEL["project_text"]()
    assert len(trained) > 50_000
    assert len(held_out) > 5_000
    main, picture = LANGUAGE_MODEL["main"], tmp_path / "curves.png"
    monkeypatch.setitem(main.__globals__, "project_text", lambda: (trained[:2000], held_out[:200]))
    found = main(["--steps", "4", "--seeds", "2", "--rates", "0.01", "1e-5", "--picture", str(picture)])
    printed = capsys.readouterr().out
    first, second = ([curve for curve, _ in runs] for _, _, runs in found.values())
    assert [curve[0] for curve in first] == [curve[0] for curve in second]
    assert all(curve[4] < curve[0] for curve in first + second)
    assert [best for _, best, _ in found.values()] == [0.01, 0.01]
    assert all(f"{title}, choosing an lr: 0.01 → {ends[0.01]:.3f}" in printed for title, (ends, *_) in found.items())
    assert printed.count("is at the end of the list") == 2
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_language_model_gives_muon_the_matrices_of_its_blocks():
    """Its own plan finds the head and the embeddings, and leaves them to AdamW."""
    optimizer = LANGUAGE_MODEL["muon_and_adamw"](LANGUAGE_MODEL["LanguageModel"](), 0.01)
    groups = {group["name"]: (group["algorithm"], len(group["params"])) for group in optimizer.param_groups}
    assert groups == {"default": ("adamw", 3), "matrices": ("muon", 18), "vectors": ("adamw", 20)}

"""The examples do what they say."""

import runpy
from pathlib import Path

import pytest

TOUR = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "param_groups_tour.py"))["TOUR"]


@pytest.mark.parametrize("stop", TOUR, ids=lambda stop: stop.__name__)
def test_each_stop_of_the_tour_shows_what_it_says(stop):
    """Its own assertions hold, on torch's optimizers."""
    stop()

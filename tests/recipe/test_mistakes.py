"""Mistakes, gathered."""

import pytest

from paramgroups.errors import RecipeError, UndrivenError
from paramgroups.recipe.mistakes import Mistakes


def test_what_is_wrong_is_told_in_the_order_of_the_file():
    """Whatever was found first; of one field only the first."""
    mistakes = Mistakes("my.yaml", {"b": 1, "a": 2})
    mistakes.add([("a", "one"), ("b", "two"), ("a", "three")])
    with pytest.raises(RecipeError) as caught:
        mistakes.settle("made")
    assert (caught.value.source, caught.value.problems) == ("my.yaml", [("b", "two"), ("a", "one")])


@pytest.mark.parametrize("error", [ValueError("x"), TypeError("x"), UndrivenError("lr", ["eps"], "Do it.")], ids=repr)
def test_a_user_s_mistake_is_noted_and_the_rest_goes_on(error):
    """With its path."""
    mistakes = Mistakes("my.yaml", {})
    with mistakes.at("model"):
        raise error
    assert mistakes.found == {"model": str(error)}


def test_a_mistake_of_ours_is_raised():
    """It is to be reported with everything."""
    mistakes = Mistakes("my.yaml", {})
    with pytest.raises(ZeroDivisionError), mistakes.at("model"):
        raise ZeroDivisionError
    assert mistakes.found == {}


def test_without_mistakes_there_is_what_was_made():
    """Unchanged."""
    assert Mistakes("my.yaml", {}).settle("made") == "made"

"""The text of each error about several algorithms in one optimizer."""

import pytest

from paramgroups import errors

CASES = {
    "what does not go together": (
        errors.AlgorithmError("Group 'head' is to be updated by 'adamw', but has no betas.", "Move its parameters."),
        "Group 'head' is to be updated by 'adamw', but has no betas.\nMove its parameters.",
    ),
    "an algorithm that is none": (
        errors.UnknownAlgorithmError("moun", "group 'head'", ["muon", "adamw"]),
        (
            "algorithm = 'moun' in group 'head' is none of those that were given.\n"
            "Did you mean 'muon'? An algorithm is a key of the mapping from names to classes."
        ),
    ),
    "no algorithm": (
        errors.UnknownAlgorithmError(None, "group 'head'", ["muon", "adamw"]),
        (
            "Nothing says by which algorithm group 'head' is updated.\n"
            "Say it for all that no rule or group names one for, default='muon', or there: algorithm='muon'. "
            "There are: 'muon', 'adamw'."
        ),
    ),
    "a class that is not one of several": (
        errors.UncomposableError("LBFGS", "its step() needs a closure", "Step it by itself."),
        "LBFGS cannot be one of several algorithms: its step() needs a closure.\nStep it by itself.",
    ),
}


@pytest.mark.parametrize(("error", "text"), CASES.values(), ids=CASES)
def test_the_text_says_what_where_and_what_to_do(error, text):
    """Word for word."""
    assert str(error) == text


@pytest.mark.parametrize("error", [error for error, _ in CASES.values()], ids=CASES)
def test_they_are_plan_errors(error):
    """Whoever catches what is wrong with a plan catches them."""
    assert isinstance(error, errors.PlanError)

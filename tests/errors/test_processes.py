"""The text of each error about processes that train together: what, where, what to do."""

import pickle

import pytest

from paramgroups import errors

REMEDY = (
    "\nMake the same model and the same plan on every rank. Where ranks hold different layers, as the stages of a "
    "pipeline do, name those that must agree: plan.build(..., ranks=process_group), or ranks=False for none."
)
CASES = {
    "a difference": (
        errors.DisagreementError(3, 0, "lr of group 'a' is 1 on rank 3, 2 on rank 0", 1, 8),
        "Rank 3 does not resolve the groups as rank 0: lr of group 'a' is 1 on rank 3, 2 on rank 0." + REMEDY,
    ),
    "differences": (
        errors.DisagreementError(3, 0, "x is 1 on rank 3, 2 on rank 0", 2, 8),
        "Rank 3 does not resolve the groups as rank 0: x is 1 on rank 3, 2 on rank 0; 2 of 8 ranks differ." + REMEDY,
    ),
    "a failure": (
        errors.DisagreementError(3, None, "rank 3 failed: ValueError: no", 1, 8),
        "Rank 3 does not resolve the groups as the others: rank 3 failed: ValueError: no." + REMEDY,
    ),
    "replaced parameters": (
        errors.ReplacedParametersError(["a", "b"], 5),
        (
            "The model has other tensors by now for 2 of the optimizer's 5 parameters: 'a', 'b'. A step would move "
            "nothing that the model uses.\n"
            "fully_shard puts new parameters in place of a model's: shard first, then plan.build(model, ...)."
        ),
    ),
}


@pytest.mark.parametrize(("error", "text"), CASES.values(), ids=CASES)
def test_the_message_says_what_where_and_what_to_do(error, text):
    """Also after a pickle, as between processes."""
    assert str(error) == text
    assert str(pickle.loads(pickle.dumps(error))) == text
    assert isinstance(error, errors.ProcessesError)
    assert isinstance(error, RuntimeError)

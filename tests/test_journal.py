"""Entries of the journal."""

import json

import pytest

from paramgroups.errors import StateMismatchError
from paramgroups.journal import Edit, Override, Rebase, Release, from_json, to_json

ENTRIES = [
    Edit(step=3, group="head", hyperparameter="lr", value=0.1, old=1.0, new=0.5),
    Rebase(step=3, group="head", hyperparameter="lr", old=1.0, new=0.5),
    Override(step=0, group="head", hyperparameter="betas[0]", value=0.5, until=None),
    Override(step=0, group="head", hyperparameter="betas[0]", value=0.5, until=4),
    Release(step=7, group="head", hyperparameter="lr"),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_an_entry_survives_json(entry):
    """Text written and read is the same entry."""
    assert from_json(json.loads(json.dumps(to_json(entry)))) == entry


@pytest.mark.parametrize("data", [{"kind": "oops"}, {}, {"kind": "release", "step": 3}, {"kind": "release", "x": 1}])
def test_what_is_no_entry_is_refused(data):
    """An unknown kind, or a field missing or too many, is an error that shows the data."""
    with pytest.raises(StateMismatchError, match="no entry this version knows") as caught:
        from_json(data)
    assert "edit, rebase, override, release" in str(caught.value)

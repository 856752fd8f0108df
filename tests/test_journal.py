"""Entries of the journal."""

import io
import json
import math
from typing import get_args

import pytest
import torch

from paramgroups.errors import StateMismatchError
from paramgroups.journal import (
    Edit,
    Entry,
    Observe,
    Override,
    Rebase,
    Release,
    Reschedule,
    Restart,
    Stretch,
    Thaw,
    from_json,
    history,
    to_json,
)

ENTRIES: list[Entry] = [
    Edit(step=3, group="head", hyperparameter="lr", value=0.1, old=1.0, new=0.5),
    Rebase(step=3, group="head", hyperparameter="lr", old=1.0, new=0.5),
    Override(step=0, group="head", hyperparameter="betas[0]", value=0.5, until=None),
    Override(step=0, group="head", hyperparameter="betas[0]", value=0.5, until=4),
    Override(step=0, group="head", hyperparameter="betas[0]", scale=0.5),
    Override(step=0, group="head", hyperparameter="betas[0]", scale=0.5, until=4),
    Release(step=7, group="head", hyperparameter="lr"),
    Restart(step=7, group="head", hyperparameter="lr"),
    Reschedule(step=7, group="head", hyperparameter="lr", schedule="Warmup(5) * Plateau(best=1.0)", base=0.5),
    Stretch(step=7, group="head", hyperparameter="lr", old=10, new=20),
    Thaw(step=7, group="head", hyperparameter="lr", warmup="Warmup(5)"),
    *(Observe(step=7, group="head", hyperparameter="lr", metric=each) for each in (0.1, math.nan, math.inf, -math.inf)),
]


def through_json(data):
    """What another program would read, which knows neither NaN nor Infinity."""
    return json.loads(json.dumps(data, allow_nan=False))


def through_torch(data):
    """What torch.load reads, with the weights."""
    file = io.BytesIO()
    torch.save(data, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("through", [through_json, through_torch])
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_an_entry_survives_saving(entry, through):
    """Written and read it is the same entry, however often, by `==` and by hash."""
    first, second = (from_json(through(to_json(entry))) for _ in range(2))
    assert first == second == entry
    assert hash(first) == hash(second) == hash(entry)


def test_every_kind_of_entry_is_saved_above():
    """None is left out of the list."""
    assert {type(entry) for entry in ENTRIES} == set(get_args(Entry))


def test_a_metric_that_is_no_number_reads_as_what_it_is():
    """In the journal and its table."""
    entry = Observe(step=7, group="head", hyperparameter="lr", metric=-math.nan)
    assert entry.metric == "nan"
    assert "observe metric nan" in str(history([entry]))


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "oops"},
        {},
        {"kind": "release", "step": 3},
        {"kind": "release", "x": 1},
        {"kind": "observe", "step": 3, "group": "head", "hyperparameter": "lr", "metric": "good"},
        {"kind": "observe", "step": 3, "group": "head", "hyperparameter": "lr", "metric": None},
    ],
    ids=str,
)
def test_what_is_no_entry_is_refused(data):
    """An unknown kind, a field missing or too many, or a metric that is none, is an error that shows the data."""
    with pytest.raises(StateMismatchError, match="no entry this version knows") as caught:
        from_json(data)
    assert "edit, rebase, override, release" in str(caught.value)

"""A second look at groups and state: the very same objects, or else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paramgroups.kernels.known import Known

KEYS = ("lr", "betas")


def made(sizes=(2, 0, 1), kept=(2, 1)):
    """Groups, and state of the first parameters."""
    groups: list[dict[str, Any]] = [
        {"params": [object() for _ in range(size)], "lr": 0.5 + size, "betas": (0.5, size), "note": [size]}
        for size in sizes
    ]
    owners = [parameter for group in groups for parameter in group["params"]]
    state = {owner: {f"s{i}": object() for i in range(size)} for owner, size in zip(owners, kept, strict=False)}
    return groups, state


def test_what_has_not_been_touched_is_known():
    """However often it is looked at."""
    groups, state = made()
    known = Known(groups, state, KEYS)
    for _ in range(3):
        assert known.holds(groups, state)
        assert known.changed == []


@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 2), max_size=4))
def test_of_whatever_size(sizes, kept):
    """No groups, empty groups, no state and empty state among them; an entry more is seen."""
    groups, state = made(sizes, kept)
    known = Known(groups, state, KEYS)
    assert known.holds(groups, state)
    state[object()] = {}
    assert not known.holds(groups, state)


def test_another_value_is_told_by_its_key():
    """An equal one too, if it is another object; until it is kept."""
    groups, state = made()
    known = Known(groups, state, KEYS)
    groups[2]["betas"] = (0.5, 1 + len(state) - 2)
    assert known.holds(groups, state)
    assert known.changed == ["betas"]
    known.keep("betas", [group["betas"] for group in groups])
    assert known.holds(groups, state)
    assert known.changed == []


def test_values_that_are_not_asked_for_may_be_others():
    """A name, say."""
    groups, state = made()
    known = Known(groups, state, KEYS)
    groups[0]["note"] = "other"
    assert known.holds(groups, state)
    assert known.changed == []


def first(state):
    """The state of the first parameter."""
    return next(iter(state.values()))


EVENTS = {
    "a group more": lambda groups, state: groups.append({**groups[0]}),
    "a group less": lambda groups, state: groups.pop(),
    "groups in another order": lambda groups, state: groups.reverse(),
    "a group that is no dict": lambda groups, state: groups.__setitem__(0, []),
    "a key more": lambda groups, state: groups[0].update(more=1),
    "a key less": lambda groups, state: groups[0].pop("note"),
    "keys in another order": lambda groups, state: groups[0].update(lr=groups[0].pop("lr")),
    "a parameter more": lambda groups, state: groups[1]["params"].append(object()),
    "a parameter less": lambda groups, state: groups[0]["params"].pop(),
    "another parameter": lambda groups, state: groups[0]["params"].__setitem__(1, object()),
    "another list": lambda groups, state: groups[0].update(params=[*groups[0]["params"]]),
    "an owner more": lambda groups, state: state.update({object(): {}}),
    "an owner less": lambda groups, state: state.popitem(),
    "owners in another order": lambda groups, state: state.update({next(iter(state)): state.pop(next(iter(state)))}),
    "other state": lambda groups, state: first(state).update(s0=object()),
    "a part of the state more": lambda groups, state: first(state).update(s9=object()),
    "a part of the state less": lambda groups, state: first(state).popitem(),
    "a part of the state under another name": lambda groups, state: first(state).update(s9=first(state).pop("s1")),
    "state that is no dict": lambda groups, state: state.update({next(iter(state)): [1, 2]}),
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_whatever_else_has_happened_is_seen(event):
    """Nothing is guessed: it is made anew then."""
    groups, state = made()
    known = Known(groups, state, KEYS)
    assert known.holds(groups, state)
    event(groups, state)
    assert not known.holds(groups, state)


def test_other_containers_are_not_looked_into():
    """Compiled code asks lists and dicts alone."""
    groups, state = made()
    known = Known(groups, state, KEYS)
    assert not known.holds((*groups,), state)
    assert not known.holds(groups, [*state.items()])
    groups[0]["params"] = (*groups[0]["params"],)
    assert not Known(groups, state, KEYS).holds(groups, state)


def test_what_is_known_stays_alive():
    """Another object never comes to stand where a known one stood."""
    groups, state = made()
    known = Known(groups, state, KEYS)
    places = {id(value) for each in state.values() for value in each.values()}
    for each in state.values():
        each.clear()
        each.update({f"s{i}": object() for i in range(50)})
    assert not places & {id(value) for each in state.values() for value in each.values()}
    assert not known.holds(groups, state)

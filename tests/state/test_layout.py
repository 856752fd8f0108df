"""What a named state is, and what is none."""

import pytest
from torch import optim

import paramgroups as pg
from paramgroups import optim as ours
from paramgroups.errors import StateMismatchError
from paramgroups.state.layout import class_names
from states import model, refused, stepped


def test_classes_are_known_by_where_they_are_imported_from():
    """With those they inherit from, down to torch's own base."""

    class Mine(optim.AdamW):
        pass

    assert class_names(Mine) == (
        f"{__name__}.{Mine.__qualname__}",
        "torch.optim.adamw.AdamW",
        "torch.optim.adam.Adam",
    )
    assert pg.load_named_state(stepped(model(), Mine), pg.named_state(stepped(model()))).complete


def test_what_is_only_mixed_in_makes_no_relation():
    """Our AdamW and our SGD share how they step, and nothing that they keep."""
    assert class_names(ours.AdamW) == (
        "paramgroups.optim.adam.AdamW",
        "torch.optim.adamw.AdamW",
        "torch.optim.adam.Adam",
    )
    assert {*class_names(ours.SGD)}.isdisjoint(class_names(ours.Lion))


@pytest.mark.parametrize(
    ("broken", "match"),
    [
        (None, "no named state: version, optimizer, parameters, groups, others is missing or malformed"),
        ([], "no named state"),
        ({"state": {}, "param_groups": []}, r"malformed\.\nLoad what .*torch is made one by pg\.state\.adopt"),
        ({"version": "1"}, "no named state: version is"),
        ({"version": 2}, r"has version 2, and .* reads up to 1\.\nUpdate it: pip install --upgrade paramgroups"),
        ({"optimizer": ()}, "no named state: optimizer is"),
        ({"optimizer": "SGD"}, "no named state: optimizer is"),
        ({"parameters": {"a": {"shape": (1,)}}}, "no named state: parameters is"),
        ({"parameters": {"a": 1}}, "no named state: parameters is"),
        ({"parameters": {"a": {"shape": 1, "state": {}}}}, "no named state: parameters is"),
        ({"parameters": {"a": {"shape": (1,), "state": []}}}, "no named state: parameters is"),
        ({"groups": {}}, "no named state: groups is"),
        ({"groups": [{"name": "a", "parameters": (), "settings": {}}]}, "no named state: groups is"),
        ({"groups": [{"name": "a", "parameters": (), "settings": [], "run": {}}]}, "no named state: groups is"),
        ({"groups": [3]}, "no named state: groups is"),
        ({"others": 3}, "no named state: others is"),
    ],
    ids=str,
)
def test_what_is_no_state_is_refused(broken, match):
    """The message names the part."""
    optimizer = stepped(model())
    whole = pg.named_state(optimizer)
    is_part = isinstance(broken, dict) and "state" not in broken
    assert isinstance(refused(optimizer, {**whole, **broken} if is_part else broken, match), StateMismatchError)

"""Where tensors keep what torch knows of them."""

import pytest
import torch
from torch import nn

from paramgroups.kernels import objects
from paramgroups.kernels.jit import jit
from paramgroups.kernels.objects import LAYOUT, at, ids, keys_of, list_item, list_size


def test_the_places_are_found():
    """In the versions that `make setup` installs: without them every test of the tables would be idle."""
    assert LAYOUT is not None


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(5, dtype=torch.bfloat16),
        lambda: nn.Parameter(torch.zeros(2, 3)),
        lambda: torch.zeros(4)[1:],
        lambda: torch.zeros(2, dtype=torch.complex64).conj(),
        lambda: torch.zeros(2, 2).to_sparse_coo(),
        lambda: torch.empty(3, device="meta"),
    ],
)
def test_they_are_where_they_were_looked_for(make):
    """Also in tensors that were not among those that were looked at."""
    assert LAYOUT is not None
    tensor = make()
    assert objects.word(id(tensor) + LAYOUT.tensor) == tensor._cdata
    assert objects.word(tensor._cdata + LAYOUT.keys) == keys_of(tensor)


@pytest.mark.parametrize("name", ["_OBJECT", "_IMPL"])
def test_a_place_that_is_not_found_is_told(monkeypatch, name):
    """Nothing is read there then."""
    monkeypatch.setattr(objects, name, range(0))
    assert objects._found_layout() is None


def test_a_place_that_is_not_the_only_one_is_not_taken(monkeypatch):
    """Two that agree may agree by chance."""
    monkeypatch.setattr(objects, "_IMPL", [LAYOUT.keys, LAYOUT.keys])  # type: ignore[union-attr]  # found, see above
    assert objects._found_layout() is None


def test_the_keys_tell_what_a_table_must_know():
    """A dense tensor of the processor's has the same ones whatever its dtype and shape; what is unlike it, others."""
    plain = keys_of(torch.zeros(3))
    alike = torch.zeros((), dtype=torch.float64), nn.Parameter(torch.zeros(2, 3)), torch.zeros(4, 4)[::2, 1]
    assert {keys_of(tensor) for tensor in alike} == {plain}
    with torch.inference_mode():
        inferred = torch.zeros(3)
    others = torch.zeros(3).to_sparse(), torch.empty(3, device="meta"), torch._neg_view(torch.zeros(3)), inferred
    assert plain not in {keys_of(tensor) for tensor in others}


def test_compiled_code_sees_what_a_list_holds():
    """Its length, its items, and eight bytes of each."""

    @jit
    def look(where):
        return list_size(where), list_item(where, 1), at(list_item(where, 1))

    things = [object(), object(), object()]
    size, item, first = look(id(things))
    assert (size, item, first) == (3, id(things[1]), objects.word(id(things[1])))
    assert ids(things).tolist() == [*map(id, things)]

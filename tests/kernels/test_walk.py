"""A look at tensors from compiled code: what torch answers, and what counts as changed."""

import numpy as np
import pytest
import torch

from paramgroups.kernels import walk
from paramgroups.kernels.objects import LAYOUT, ids, keys_of


def look(parameter, gradient, state=(), step=None, *, known=None, index=-1):
    """The status of one row whose tensors were as `known` (a parameter) when it was made, and the addresses found."""
    known = parameter if known is None else known
    addresses, status = np.zeros((1, 2 + len(state) + (step is not None)), dtype=np.int64), np.zeros(1, dtype=np.int8)
    assert LAYOUT is not None
    parameters, gradients = [parameter], [gradient]
    found = walk.look(
        id(parameters),
        id(gradients),
        np.array([0]),
        ids(state).reshape(1, len(state)),
        ids([] if step is None else [step]),
        np.array([0, known.ndim]),
        np.array(known.shape, dtype=np.int64),
        np.array(known.stride(), dtype=np.int64),
        (walk.DTYPES[known.dtype], walk.DTYPES[torch.float32], keys_of(known), index),
        (LAYOUT.tensor, LAYOUT.keys, id(None)),
        np.zeros(1, dtype=np.int64),
        addresses,
        status,
    )
    assert found == (int(status[0] == walk.READY), int(status[0] > walk.READY))
    return int(status[0]), addresses[0].tolist()


def test_this_torch_tells():
    """The versions that `make setup` installs have the interface: without it every other test here would be idle."""
    assert walk.AVAILABLE


@pytest.mark.parametrize(("word", "value"), [("_LIBRARY", "libtorch_elsewhere.so"), ("_WORDS", ("data_ptr", "taste"))])
def test_a_torch_that_does_not_tell_is_told(monkeypatch, word, value):
    """Its library is elsewhere, or lacks a function: nothing is asked then."""
    monkeypatch.setattr(walk, word, value)
    assert walk._load() == (False, 0)


@pytest.mark.parametrize("dtype", walk.DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (2, 3, 4, 5)], ids=str)
def test_addresses_are_those_of_the_tensors(dtype, shape):
    """A row whose tensors are alike is ready, and every address is where torch says that the numbers are."""
    p, g, s, k = *(torch.zeros(shape, dtype=dtype) for _ in range(3)), torch.tensor(0.0)
    status, addresses = look(p, g, [s], k)
    assert status == walk.READY
    assert addresses == [tensor.data_ptr() for tensor in (p, g, s, k)]


def test_a_view_is_where_it_begins():
    """The address is that of the first element, not of the storage."""
    whole = torch.zeros(4, 6)
    assert look(whole[2], torch.zeros(6))[1][0] == whole.data_ptr() + 2 * 6 * 4


def test_another_device_of_the_kind_is_told():
    """The processor has no number; a row of the first of several devices is not one of it."""
    assert look(torch.zeros(2), torch.zeros(2))[0] == walk.READY
    assert look(torch.zeros(2), torch.zeros(2), index=0)[0] == walk.CHANGED


def test_without_a_gradient_a_row_is_idle():
    """Nothing else is asked."""
    assert look(torch.zeros(2), None)[0] == walk.IDLE


class Traced(torch.Tensor):
    """A subclass that has numbers, and a say in what is done with them."""

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):  # type: ignore[override]  # torch's is a default
        return NotImplemented


OTHERS = {
    "of another dtype": lambda: torch.zeros(3, 4, dtype=torch.float64),
    "of another shape": lambda: torch.zeros(4, 3),
    "of fewer elements": lambda: torch.zeros(3, 3),
    "of another number of axes": lambda: torch.zeros(12),
    "transposed": lambda: torch.zeros(4, 3).t(),
    "with gaps": lambda: torch.zeros(3, 8)[:, ::2],
    "expanded": lambda: torch.zeros(3, 1).expand(3, 4),
    "sparse": lambda: torch.ones(3, 4).to_sparse(),
    "compressed": lambda: torch.ones(3, 4).to_sparse_csr(),
    "on no device": lambda: torch.zeros(3, 4, device="meta"),
    "negated": lambda: torch._neg_view(torch.zeros(3, 4)),
    "of inference": lambda: torch.inference_mode()(torch.zeros)(3, 4),
    "of a class of its own": lambda: torch.Tensor._make_subclass(Traced, torch.zeros(3, 4)),
    "of zeros that stand nowhere": lambda: torch._efficientzerotensor((3, 4)),
}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")  # torch says so at the first one
@pytest.mark.parametrize("gradient", OTHERS.values(), ids=OTHERS)
def test_a_gradient_laid_out_otherwise_is_told(gradient, capfd):
    """It is the gradient that is not like its parameter, and nobody prints anything."""
    assert look(torch.zeros(3, 4), gradient())[0] == walk.UNLIKE
    assert capfd.readouterr() == ("", "")


def test_an_axis_of_one_may_have_any_stride():
    """Its stride leads nowhere."""
    gradient = torch.zeros(3, 5)[:, :1]
    assert gradient.stride() == (5, 1)
    assert look(torch.zeros(1, 3).t(), torch.zeros(3, 1))[0] == walk.READY


@pytest.mark.parametrize("other", ["of another dtype", "of another shape", "transposed"])
def test_a_parameter_or_state_that_is_no_longer_what_it_was_is_told(other):
    """Whatever the gradient is like."""
    known, gradient, made = torch.zeros(3, 4), torch.zeros(3, 4), OTHERS[other]
    assert look(made(), gradient, known=known)[0] == walk.CHANGED
    assert look(known, gradient, [made()])[0] == walk.CHANGED
    for step in (torch.tensor(0.0, dtype=torch.float64), torch.zeros(1)):
        assert look(known, gradient, [torch.zeros(3, 4)], step)[0] == walk.CHANGED


BECOME = {
    "fewer": lambda numbers: numbers[:2],
    "others": lambda numbers: numbers.view(torch.int32),
    "transposed": lambda numbers: numbers.as_strided((3, 4), (1, 3)),
    "of another shape": lambda numbers: numbers.view(4, 3),
    "of fewer axes": lambda numbers: numbers.view(12),
    "expanded": lambda numbers: numbers[:1].expand(3, 4),
}


@pytest.mark.parametrize("become", BECOME.values(), ids=BECOME)
def test_numbers_that_stay_where_they_are_and_become_others_are_told(become):
    """What has not moved is asked how it is laid out: a store there would be another element's, or beyond the end."""
    p, g, s = torch.zeros(3, 4), torch.zeros(3, 4), torch.zeros(3, 4)
    addresses, status = np.array([[p.data_ptr(), 0, s.data_ptr()]]), np.zeros(1, dtype=np.int8)
    assert LAYOUT is not None
    parameters, gradients = [p], [g]
    fixed = [np.array([0]), ids([s]).reshape(1, 1), ids([]), np.array([0, 2]), np.array([3, 4]), np.array([4, 1])]
    kind = walk.DTYPES[torch.float32], -1, keys_of(p), -1
    rest = [kind, (LAYOUT.tensor, LAYOUT.keys, id(None)), np.zeros(1, dtype=np.int64), addresses, status]

    def found():
        return walk.look(id(parameters), id(gradients), *fixed, *rest)

    assert found() == (1, 0)
    s.data = become(s.data)
    assert s.data_ptr() == addresses[0, 2]
    assert found() == (0, 1)
    s.data = torch.zeros(3, 4)
    assert found() == (1, 0)

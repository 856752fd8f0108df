"""Newton–Schulz over batches: against torch's own, and against the polynomial of the singular values."""

import pytest
import torch
from torch import Tensor
from torch.optim._muon import _zeropower_via_newtonschulz as torchs  # the only oracle for one matrix

from paramgroups.optim import orthogonal
from paramgroups.optim.orthogonal import orthogonalized

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
SHAPES = [(1, 1), (1, 7), (2, 3), (5, 7), (8, 8), (16, 40), (33, 65), (64, 64)]
AGREE = 1.5e-2
"""How far apart two orders of summation end, relative to the whole: bfloat16 numbers are 2**-8 = .4e-2 apart."""


def batch(shape: tuple[int, int], count: int = 5) -> Tensor:
    """Random matrices of very different sizes."""
    drawn = torch.Generator().manual_seed(sum(shape))
    sizes = 10.0 ** torch.arange(-2, count - 2).reshape(-1, 1, 1)
    return (torch.randn((count, *shape), generator=drawn) * sizes).bfloat16()


def one_by_one(matrices: Tensor) -> Tensor:
    """What torch makes of each."""
    return torch.stack([torchs(matrix.clone(), COEFFICIENTS, 5, 1e-7) for matrix in matrices])


@pytest.mark.parametrize("multiplied_in", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_batch_is_torchs_iteration_of_each_matrix(shape, multiplied_in, monkeypatch):
    """In either dtype of the products, every matrix differs from torch's by less than four roundings."""
    monkeypatch.setattr(orthogonal, "_multiplied_in", lambda device: multiplied_in)
    matrices = batch(shape)
    ours, theirs = orthogonalized(matrices, COEFFICIENTS, 5, 1e-7), one_by_one(matrices)
    assert ours.dtype == torch.bfloat16
    assert ours.shape == matrices.shape
    for own, other in zip(ours.double(), theirs.double(), strict=True):
        assert (own - other).norm() <= AGREE * other.norm()


@pytest.mark.skipif(
    torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="oneDNN may add up a batch in another order than one matrix"
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_emulated_bfloat16_products_give_torchs_bits(shape, monkeypatch):
    """Where bfloat16 is emulated, and ours told to multiply in it all the same, no bit differs."""
    monkeypatch.setattr(orthogonal, "_multiplied_in", lambda device: torch.bfloat16)
    assert torch.equal(orthogonalized(batch(shape), COEFFICIENTS, 5, 1e-7), one_by_one(batch(shape)))


def test_singular_values_go_through_the_polynomial_and_singular_vectors_stay():
    """Five times a s + b s³ + c s⁵ of each singular value, in float64, is where five steps lead."""
    (matrix,) = batch((24, 40), count=1)
    a, b, c = COEFFICIENTS
    left, values, right = torch.linalg.svd(matrix.double() / matrix.double().norm(), full_matrices=False)
    for _ in range(5):
        values = a * values + b * values**3 + c * values**5
    expected = left @ values.diag() @ right
    (found,) = orthogonalized(matrix[None], COEFFICIENTS, 5, 1e-7).double()
    assert (found - expected).norm() <= 4e-2 * expected.norm()
    assert torch.linalg.svdvals(found).max() < 1.25
    assert torch.linalg.svdvals(found).min() > 0.6


def test_the_matrices_of_a_batch_do_not_mix():
    """Zeros among others stay zeros, and the others do not notice them."""
    matrices = batch((5, 7))
    with_zeros = torch.cat([matrices[:2], torch.zeros(1, 5, 7, dtype=torch.bfloat16), matrices[2:]])
    found = orthogonalized(with_zeros, COEFFICIENTS, 5, 1e-7)
    assert not found[2].any()
    torch.testing.assert_close(found[[0, 1, 3, 4, 5]], orthogonalized(matrices, COEFFICIENTS, 5, 1e-7))


def test_no_steps_leave_a_matrix_of_norm_one():
    """Zero steps only divide, by no less than eps."""
    matrices = batch((5, 7))
    norms = orthogonalized(matrices, COEFFICIENTS, 0, 1e-7).float().norm(dim=(1, 2))
    torch.testing.assert_close(norms, torch.ones(len(matrices)), rtol=1e-2, atol=0.0)
    divided = orthogonalized(matrices, COEFFICIENTS, 0, 1e6)
    torch.testing.assert_close(divided.float(), matrices.float() / 1e6, rtol=1e-2, atol=0.0)


def test_products_are_taken_in_what_the_processor_multiplies():
    """Bfloat16 on accelerators, and on a CPU where oneDNN has it; else float32."""
    native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert orthogonal._multiplied_in("cpu") == (torch.bfloat16 if native else torch.float32)
    assert orthogonal._multiplied_in("cuda") == torch.bfloat16

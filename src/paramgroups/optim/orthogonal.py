"""The orthogonal matrix nearest to each of many matrices, roughly and fast: Newton–Schulz iterations over a batch.

Knows matrices, and in what a processor multiplies them well; nothing of parameters.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor


def orthogonalized(matrices: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Bring the singular values of every matrix near 1, and leave its singular vectors.

        X ← X / max(‖X‖, eps);   `steps` times:  G ← X Xᵀ,  X ← a X + (b G + c G²) X

    The quintic iteration of Jordan et al., "Muon" (2024), as `torch.optim.Muon` has it: what is stored is bfloat16,
    what is added up within a product float32. With torch's coefficients the singular values end between .7 and 1.2.

    A processor without bfloat16 multiplication emulates it, twenty to eighty times as slowly as it multiplies float32;
    there the products are taken of the same numbers in float32, and rounded to bfloat16 as each would have been.

    Args:
        matrices: bfloat16, (count, rows, columns); no more rows than columns, since G has the size of the rows.
        coefficients: a, b, c.
        steps: how often, at least 0.
        eps: the least norm that is divided by.

    Returns:
        A batch of the same shape and dtype.

    Example:
        >>> crooked = torch.tensor([[[3.0, 0.0], [0.0, -0.5]]], dtype=torch.bfloat16)
        >>> orthogonalized(crooked, (3.4445, -4.7750, 2.0315), 5, 1e-7).round().tolist()
        [[[1.0, 0.0], [0.0, -1.0]]]
    """
    a, b, c = coefficients
    norms: Tensor = torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True).clamp(min=eps)
    x = (matrices / norms).to(_multiplied_in(matrices.device.type))
    for _ in range(steps):
        gram = _rounded(torch.bmm(x, x.mT))
        polynomial = _rounded(torch.baddbmm(gram, gram, gram, beta=b, alpha=c))
        x = _rounded(torch.baddbmm(x, polynomial, x, beta=a))
    return x.bfloat16()


def _rounded(numbers: Tensor) -> Tensor:
    """The numbers that bfloat16 keeps of these, in their place."""
    return numbers if numbers.dtype == torch.bfloat16 else numbers.copy_(numbers.bfloat16())


@functools.cache
def _multiplied_in(device: str) -> torch.dtype:
    """The dtype in which a device multiplies bfloat16 numbers fastest."""
    native = device != "cpu" or (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.bfloat16 if native else torch.float32

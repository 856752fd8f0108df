"""Labelled examples as tensors, where the built-in ones come from, and what is held out.

Knows inputs and class labels; knows nothing of models or of how long anything is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch
from torch import Tensor

from paramgroups.errors import DataError
from paramgroups.extras import needed_for
from paramgroups.train.idx import read_idx

_TEST = 0.25  # of all examples, where the source does not say which are for the test
_VALIDATION = 0.2  # of the others
_PIXEL = 255.0
_WANTED = (
    "Return (inputs, targets), or (inputs, targets, test_inputs, test_targets): inputs of floats, one example a row, "
    "and as many whole-numbered classes, from 0."
)


@final
@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs, one a row, and the class of each.

    Example:
        >>> examples = Examples(torch.zeros(4, 8), torch.tensor([0, 1, 2, 1]))
        >>> len(examples), len(examples.of({1})), examples.classes
        (4, 2, 3)
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, indices: Tensor | slice) -> Examples:
        return Examples(self.inputs[indices], self.targets[indices])

    def __add__(self, other: Examples) -> Examples:
        return Examples(torch.cat((self.inputs, other.inputs)), torch.cat((self.targets, other.targets)))

    @property
    def classes(self) -> int:
        """How many classes the labels count."""
        return int(self.targets.max()) + 1

    def of(self, classes: Iterable[int]) -> Examples:
        """Those of the given classes only."""
        return self[torch.isin(self.targets, torch.tensor(sorted(classes)))]

    def to(self, device: torch.device) -> Examples:
        """The same on a device."""
        return Examples(self.inputs.to(device), self.targets.to(device))


@final
@dataclass(frozen=True, eq=False)
class Split:
    """To learn from, to choose by, and to report on. Fixed: no seed of a run changes who is where."""

    train: Examples
    validation: Examples
    test: Examples


Raw = tuple[Any, ...]
"""What a source returns: inputs and targets, and those of the test where it has its own."""


def digits() -> Raw:
    """The 1,797 handwritten digits of 8×8 pixels that come with scikit-learn."""
    with needed_for("The data 'digits'"):
        from sklearn.datasets import load_digits
    inputs, targets = load_digits(return_X_y=True)
    return torch.tensor(inputs, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16, torch.tensor(targets)


def fashion_mnist(root: str) -> Raw:
    """Zalando's 70,000 articles of clothing of 28×28 pixels, from the four IDX files a user has in the folder `root`.

    Xiao et al. (2017), arXiv:1708.07747. MNIST itself has the same files.
    """
    found = []
    for part in ("train", "t10k"):
        images = read_idx(Path(root), f"{part}-images-idx3-ubyte", ndim=3)
        labels = read_idx(Path(root), f"{part}-labels-idx1-ubyte", ndim=1)
        found += [images.unsqueeze(1) / _PIXEL, labels.long()]
    return tuple(found)


SOURCES: Final[dict[str, Callable[..., Raw]]] = {"digits": digits, "fashion-mnist": fashion_mnist}
"""The built-in data by the name a recipe uses."""


def split(raw: object, where: str) -> Split:
    """Checked examples, and the fixed choice of those held out: the same share of every class.

    Raises:
        DataError: `raw` is not what a source returns.
    """
    examples, *own_test = _checked(raw, where)
    learn, test = (examples, own_test[0]) if own_test else _hold_out(examples, _TEST)
    train, validation = _hold_out(learn, _VALIDATION)
    if not (len(train) and len(validation) and len(test)):
        problem = f"has {len(examples)} examples, too few to hold any out"
        raise DataError(where, problem, "Give several examples of each class.")
    return Split(train, validation, test)


def _hold_out(examples: Examples, share: float) -> tuple[Examples, Examples]:
    """The examples without, and with only, a share of each class."""
    random = torch.Generator().manual_seed(0)
    held = torch.zeros(len(examples), dtype=torch.bool)
    for target in range(examples.classes):
        members = torch.nonzero(examples.targets == target).flatten()
        chosen = torch.randperm(len(members), generator=random)[: round(share * len(members))]
        held[members[chosen]] = True
    return examples[torch.nonzero(~held).flatten()], examples[torch.nonzero(held).flatten()]


def _checked(raw: object, where: str) -> list[Examples]:
    if not isinstance(raw, tuple) or len(raw) not in {2, 4} or not all(isinstance(each, Tensor) for each in raw):
        kinds = [type(each).__name__ for each in raw] if isinstance(raw, (tuple, list)) else type(raw).__name__
        raise DataError(where, f"gave {kinds}, not two or four tensors", _WANTED)
    found = []
    for inputs, targets in (raw[:2], raw[2:])[: len(raw) // 2]:
        shapes = f"{tuple(inputs.shape)} {inputs.dtype} and {tuple(targets.shape)} {targets.dtype}"
        whole = not targets.is_floating_point() and not targets.is_complex() and targets.dtype is not torch.bool
        if not inputs.is_floating_point() or not whole or targets.ndim != 1 or len(inputs) != len(targets):
            raise DataError(where, f"gave inputs and targets of {shapes}, which do not fit", _WANTED)
        if not len(targets) or int(targets.min()) < 0:
            raise DataError(where, "gave no examples, or a class below 0", _WANTED)
        found.append(Examples(inputs, targets.long()))
    return found

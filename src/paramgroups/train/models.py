"""The built-in networks, by the name a recipe uses.

Knows layers; knows nothing of data or training. No BatchNorm: what one process computes, several compute too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, final

from torch import Tensor, nn


def _block(channels: int, width: int) -> nn.Sequential:
    """Convolution, norm, ReLU, and half the resolution. The norm makes a bias of the convolution idle."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(channels, width, 3, padding=1, bias=False),
            norm=nn.GroupNorm(4, width),
            relu=nn.ReLU(),
            pool=nn.MaxPool2d(2),
        )
    )


@final
class LeNet(nn.Module):
    """A small network in the manner of LeNet-5 (LeCun et al., 1998): `stem`, two blocks of `backbone`, and a `head`.

    It takes images of any size from 8×8, because the head averages each feature map to one number.

    Args:
        classes: how many it tells apart.
        channels: 1 for grey images, 3 for colour.
        width: channels after the stem, a multiple of 4.
    """

    def __init__(self, classes: int = 10, channels: int = 1, width: int = 16) -> None:
        super().__init__()
        self.stem = _block(channels, width)
        self.backbone = nn.Sequential(_block(width, 2 * width), _block(2 * width, 4 * width))
        self.head = nn.Sequential(
            OrderedDict(
                pool=nn.AdaptiveAvgPool2d(1),
                flat=nn.Flatten(),
                hidden=nn.Linear(4 * width, 64),
                norm=nn.LayerNorm(64),
                relu=nn.ReLU(),
                scores=nn.Linear(64, classes),
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        """One score a class."""
        return self.head(self.backbone(self.stem(images)))  # type: ignore[no-any-return]  # modules return Any


MODELS: Final[dict[str, Callable[..., nn.Module]]] = {"lenet": LeNet}

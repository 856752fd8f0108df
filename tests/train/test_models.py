"""The built-in networks."""

import pytest
import torch
from torch import nn

from paramgroups.train.models import MODELS, LeNet


@pytest.mark.parametrize("size", [8, 28, 32])
def test_lenet_takes_images_of_any_size(size):
    """And gives one score a class."""
    assert LeNet(classes=7, channels=3, width=8)(torch.zeros(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("name", MODELS)
def test_a_network_has_stem_backbone_and_head_and_no_batch_norm(name):
    """Recipes name the parts; statistics of a batch would differ between one process and two."""
    model = MODELS[name]()
    assert [part for part, _ in model.named_children()] == ["stem", "backbone", "head"]
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    assert list(model.buffers()) == []

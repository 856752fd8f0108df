"""Which parameters each selector selects."""

import operator
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

import strategies_models as random
from paramgroups.params import Param, named
from paramgroups.selectors import (
    ALL,
    BIASES,
    EMBEDDINGS,
    NORMS,
    Kind,
    Matching,
    Named,
    Ndim,
    Selector,
    Where,
    Within,
    selector,
)


def selected(select: Selector, model: nn.Module) -> list[str]:
    """Names of what is selected."""
    return [param.name for param in named(model) if select(param)]


def small() -> nn.Module:
    """A little of everything."""
    return random.tree(
        {
            "backbone": {"stem": nn.Conv2d(1, 2, 1), "layer1": {"0": nn.Linear(2, 2), "norm": nn.BatchNorm1d(2)}},
            "backbone2": nn.Linear(2, 2),
            "head": nn.Linear(2, 2),
        }
    )


CASES = {
    "a glob crosses dots": (Named("backbone.*.weight"), ["stem.weight", "layer1.0.weight", "layer1.norm.weight"]),
    "a glob is of the whole name": (Named("backbone"), []),
    "case matters": (Named("Backbone.*"), []),
    "a set of letters": (Named("backbone.layer[1].?.bias"), ["layer1.0.bias"]),
    "any of several globs": (Named("*.stem.bias", "*.norm.bias"), ["stem.bias", "layer1.norm.bias"]),
    "an expression is searched": (Matching(r"layer1\.\d"), ["layer1.0.weight", "layer1.0.bias"]),
    "a module and all below": (
        Within("backbone"),
        [f"{name}.{kind}" for name in ("stem", "layer1.0", "layer1.norm") for kind in ("weight", "bias")],
    ),
    "a glob of modules": (Within("*.layer?"), [f"layer1.{n}.{k}" for n in ("0", "norm") for k in ("weight", "bias")]),
    "a class": (Kind(nn.Conv2d) & Within("backbone"), ["stem.weight", "stem.bias"]),
    "a base class by name": (Kind("_BatchNorm"), ["layer1.norm.weight", "layer1.norm.bias"]),
    "a container owns nothing": (Kind(nn.ModuleDict), []),
    "exactly so many dimensions": (Ndim(4), ["stem.weight"]),
    "bounds": (Ndim(at_least=2, at_most=3) & Within("backbone"), ["layer1.0.weight"]),
    "a function": (Where(lambda p: p.numel == 4 and p.depth == 3), ["layer1.0.weight"]),
    "both": (NORMS & BIASES, ["layer1.norm.bias"]),
    "not": (~Ndim(at_most=1) & ~Kind(nn.Linear), ["stem.weight"]),
    "a glob on either side": ("*.stem.*" & BIASES | (NORMS & "*.bias"), ["stem.bias", "layer1.norm.bias"]),
}


@pytest.mark.parametrize(("select", "names"), CASES.values(), ids=CASES)
def test_a_selector_selects(select, names):
    """By name, place, class, shape or a function, and combined."""
    assert selected(select, small()) == [f"backbone.{name}" for name in names]


@settings(max_examples=40)
@given(random.models(), random.selectors(), random.selectors())
def test_masks_are_the_predicates_and_follow_the_algebra(model, one, other):
    """`mask` is the call for each; &, | and ~ are and, or and not; a glob and its Named are one."""
    params = named(model)
    a, b = one.mask(params), other.mask(params)
    assert a.tolist() == [one(param) for param in params]
    for combined, mask in ((one & other, a & b), (one | other, a | b), (~one, ~a), (~(one & other), ~a | ~b)):
        assert combined.mask(params).tolist() == mask.tolist() == [combined(param) for param in params]


@given(random.selectors())
def test_a_label_is_a_group_name(select):
    """Whatever is selected, a rule without a name gets one that can be a metric's."""
    assert select.label
    assert set(select.label) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


@pytest.mark.parametrize(
    ("select", "label"),
    [
        (Named("backbone.*"), "backbone"),
        (Named("*"), "all"),
        (Named("a.*", "b.*"), "a-or-b"),
        (Named("é*"), "all"),
        (Within("encoder.layer.*"), "encoder.layer"),
        (NORMS | BIASES, "norms-or-biases"),
        (~NORMS & Ndim(at_most=1), "not-norms-and-ndim-at_most-1"),
        (Kind(nn.Linear, "T5LayerNorm"), "linear-or-t5layernorm"),
        (Where(lambda p: True), "lambda"),
    ],
    ids=str,
)
def test_a_label_says_what_is_selected(select, label):
    """Short and without the glob's marks."""
    assert select.label == label


def test_a_tied_parameter_is_selected_where_any_of_its_places_is():
    """The output layer tied to the embedding is both."""
    model = nn.ModuleDict({"embed": nn.Embedding(4, 2), "head": nn.Linear(2, 4, bias=False)})
    model["head"].weight = model["embed"].weight
    for select in (EMBEDDINGS, Kind(nn.Linear), Within("head"), Named("head.*"), Matching("^head")):
        assert selected(select, model) == ["embed.weight"]


def renamed(name: str) -> nn.Module:
    """A module of a class of that name, with a weight and a bias of its own."""
    module: nn.Module = type(name, (nn.Module,), {})()
    module.weight, module.bias = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    return module


TORCH_NORMS = {
    "BatchNorm1d": nn.BatchNorm1d(2),
    "BatchNorm2d": nn.BatchNorm2d(2),
    "BatchNorm3d": nn.BatchNorm3d(2),
    "SyncBatchNorm": nn.SyncBatchNorm(2),
    "GroupNorm": nn.GroupNorm(1, 2),
    "LayerNorm": nn.LayerNorm(2),
    "RMSNorm": nn.RMSNorm(2),
    "InstanceNorm1d": nn.InstanceNorm1d(2, affine=True),
    "InstanceNorm2d": nn.InstanceNorm2d(2, affine=True),
    "InstanceNorm3d": nn.InstanceNorm3d(2, affine=True),
    "weight-normed LayerNorm": nn.utils.parametrizations.weight_norm(nn.LayerNorm((2, 2))),
}


@pytest.mark.parametrize("module", TORCH_NORMS.values(), ids=TORCH_NORMS)
def test_every_norm_of_torch_is_a_norm(module):
    """Each parameter it owns."""
    model = nn.Sequential(module)
    assert selected(NORMS, model) == [param.name for param in named(model)] != []


@pytest.mark.parametrize(
    "name",
    [
        "LlamaRMSNorm", "T5LayerNorm", "GemmaRMSNorm", "Qwen3RMSNorm", "MixedFusedRMSNorm", "FusedLayerNorm",
        "MambaRMSNormGated", "FusedRMSNormGated", "LayerNorm2d", "BatchNormAct2d", "GroupNormAct", "LayerNormAct2d",
        "FilterResponseNormTlu2d", "EvoNorm2dS0a", "EvoNorm2dB0", "RmsNorm2d", "LayerNormFp32", "NoNorm",
        "GlobalResponseNorm", "FrozenBatchNorm2d", "ConvNextLayerNorm",
    ],
)  # fmt: skip
def test_the_norms_of_the_big_libraries_are_norms(name):
    """transformers, timm, apex, fla, open_clip: told by the class's name."""
    assert selected(NORMS, nn.Sequential(renamed(name))) == ["0.weight", "0.bias"]


@pytest.mark.parametrize("name", ["Normalize", "NormLinear", "Normalizer2d", "PreNormBlock", "Enormous"])
def test_what_only_sounds_like_a_norm_is_none(name):
    """`unbiased_proj`, `NormLinear`: a word inside a name is not a role."""
    assert selected(NORMS, nn.Sequential(renamed(name))) == []


def test_a_class_derived_from_a_norm_is_a_norm():
    """Whatever it is called."""
    assert selected(NORMS, nn.Sequential(nn.Linear(2, 2), type("Mine", (nn.LayerNorm,), {})(2))) == [
        "1.weight",
        "1.bias",
    ]


class Roles(nn.Module):
    """Parameters by what they are called."""

    def __init__(self, **shapes: tuple[int, ...]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))


def test_biases_are_told_by_role():
    """Torch's own, and one-dimensional ones of a module's own; not a table that is called a bias."""
    biases = {"bias": (2,), "in_proj_bias": (6,), "q_bias": (2,), "gate_up_proj_bias": (4, 2), "bias_k": (1, 1, 2)}
    others = {"weight": (2, 2), "relative_position_bias": (4, 4), "bias_table": (4, 4), "unbiased": (2,)}
    assert selected(BIASES, Roles(**biases, **others)) == list(biases)


@pytest.mark.parametrize(
    "module",
    [nn.LSTM(2, 2, 2, bidirectional=True), nn.GRU(2, 2), nn.LSTMCell(2, 2), nn.GRUCell(2, 2), nn.RNNCell(2, 2),
     nn.MultiheadAttention(2, 1, add_bias_kv=True), nn.Bilinear(2, 2, 2), nn.ConvTranspose1d(1, 2, 1), nn.LayerNorm(2)],
    ids=lambda module: type(module).__name__,
)  # fmt: skip
def test_every_bias_of_torchs_layers_is_a_bias(module):
    """What torch calls bias, in recurrent cells and attention too, and nothing else."""
    model = nn.Sequential(module)
    biases = [param.name for param in named(model) if "bias" in param.attribute]
    assert selected(BIASES, model) == biases != []


def test_a_bias_that_is_an_embedding_is_no_bias():
    """T5's `relative_attention_bias.weight` is a table, to be decayed as one."""
    model = random.tree(
        {"attention": {"relative_attention_bias": nn.Embedding(4, 2), "unbiased_proj": random.linear()}}
    )
    assert selected(BIASES, model) == ["attention.unbiased_proj.bias"]
    assert selected(EMBEDDINGS, model) == ["attention.relative_attention_bias.weight"]


def test_embeddings_are_told_by_class_or_name():
    """Torch's and any library's embedding classes, and bare parameters called so."""
    class_names = nn.Sequential(nn.Embedding(2, 2), nn.EmbeddingBag(2, 2), renamed("OPTLearnedPositionalEmbedding"))
    assert selected(EMBEDDINGS, class_names) == ["0.weight", "1.weight", "2.weight", "2.bias"]
    embedded = {"pos_embed": (2,), "class_embedding": (2,), "position_embeddings": (2,)}
    assert selected(EMBEDDINGS, Roles(**embedded, embedder=(2,), cls_token=(2,))) == list(embedded)


def is_wide(param: Param) -> bool:
    """A predicate that pickles."""
    return param.numel > 2


def test_what_holds_the_users_own_code_compares_and_pickles():
    """`Where` over a function of a module, `Kind` over a class of one's own."""
    for select in (Where(is_wide), Kind(random.TinyViT), Where(is_wide) & ~NORMS):
        assert pickle.loads(pickle.dumps(select)) == select
        assert eval(repr(select), {**random.NAMES, "is_wide": is_wide, "TinyViT": random.TinyViT}) == select


NO_TEXT = "give one or more non-empty strings"
WRONG: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]] = [
    (selector, (3,), {}, r"^3 selects no parameters.\nPass a glob"),
    (selector, (nn.LayerNorm,), {}, r"^the class LayerNorm selects .*\n.*write Kind\(nn\.LayerNorm\)\.$"),
    (selector, (nn.Sequential(nn.Linear(2, 2)),), {}, r"^a Sequential selects .*\n.*Within\('its\.path'\)"),
    (selector, (nn.Linear(2, 2).weight,), {}, r"^a Parameter selects .*\n.*the name that"),
    (selector, (["a.*", "b.*"],), {}, r"^a list selects .*\n.*write Named\('a\.\*', 'b\.\*'\)\.$"),
    (selector, ({"b.*", "a.*"},), {}, r"^a set selects .*\n.*write Named\('a\.\*', 'b\.\*'\)\.$"),
    (selector, (len,), {}, r"\n.*write Where\(function\)\.$"),
    (operator.and_, (NORMS, 3), {}, "^3 selects no parameters"),
    (Named, (), {}, NO_TEXT),
    (Named, ("",), {}, NO_TEXT),
    (Within, ("a", 3), {}, NO_TEXT),
    (Matching, (3,), {}, NO_TEXT),
    (Matching, ("(",), {}, r"Matching\('\('\): not a regular expression"),
    (Kind, (), {}, "give one or more nn.Module classes"),
    (Kind, (int,), {}, "give one or more nn.Module classes"),
    (Ndim, (), {}, "give either one number"),
    (Ndim, (2,), {"at_most": 3}, "give either one number"),
    (Ndim, (True,), {}, "give either one number"),
    (Where, ("name",), {}, "give a function from Param to bool"),
]


@pytest.mark.parametrize(("make", "arguments", "keywords", "text"), WRONG)
def test_a_selector_that_cannot_be_says_so_when_it_is_written(make, arguments, keywords, text):
    """Not when it is first used."""
    with pytest.raises((TypeError, ValueError), match=text):
        make(*arguments, **keywords)


def test_a_mask_is_of_bool():
    """It is combined with numpy's operators."""
    assert ALL.mask(named(small())).dtype == np.bool_

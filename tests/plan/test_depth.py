"""The layer of each parameter, inferred from the names of well-known models, or given."""

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

import paramgroups as pg
import strategies_models as random
from paramgroups.errors import DepthError
from paramgroups.params import Param, named
from paramgroups.plan.depth import in_layer, layers
from strategies_models import linear, stack, tree


def norm() -> nn.LayerNorm:
    """A layer without a number."""
    return nn.LayerNorm(2)


def blocks(count: int, *parts: str) -> nn.Sequential:
    """Numbered blocks with these parts."""
    return stack(count, lambda: tree({part: linear() for part in parts}))


def depths(model: nn.Module) -> dict[str, int]:
    """Module path -> its layer; each parameter of a module is at the same one."""
    params = named(model)
    found: dict[str, int] = {}
    for param, layer in zip(params, layers(params), strict=True):
        assert found.setdefault(param.module_path, layer) == layer
    return found


def bert() -> nn.Module:
    """As transformers' BertForSequenceClassification."""
    embeddings = {"word_embeddings": nn.Embedding(4, 2), "position_embeddings": nn.Embedding(4, 2), "LayerNorm": norm()}

    def layer() -> nn.Module:
        attention = {"self": {"query": linear()}}
        return tree({"attention": attention, "output": {"dense": linear(), "LayerNorm": norm()}})

    encoder = {"embeddings": embeddings, "encoder": {"layer": stack(3, layer)}, "pooler": {"dense": linear()}}
    return tree({"bert": encoder, "classifier": linear()})


def gpt2() -> nn.Module:
    """As transformers' GPT2LMHeadModel, its output tied to its input."""
    body = {"wte": nn.Embedding(4, 2), "wpe": nn.Embedding(4, 2), "h": blocks(3, "ln_1", "attn", "mlp"), "ln_f": norm()}
    model = tree({"transformer": body, "lm_head": nn.Linear(2, 4, bias=False)})
    model.lm_head.weight = model.transformer.wte.weight  # type: ignore[union-attr]  # a ModuleDict's children are attributes
    return model


def llama() -> nn.Module:
    """As transformers' LlamaForCausalLM."""
    body = {"embed_tokens": nn.Embedding(4, 2), "layers": blocks(3, "self_attn", "mlp"), "norm": norm()}
    return tree({"model": body, "lm_head": linear()})


def resnet() -> nn.Module:
    """As torchvision's ResNet."""
    stages = {f"layer{i}": blocks(2, "conv1", "bn1") for i in range(1, 5)}
    stages["layer2"][0].add_module("downsample", stack(2))
    return tree({"conv1": linear(), "bn1": norm(), **stages, "fc": linear()})


def swin() -> nn.Module:
    """As timm's SwinTransformer: the downsampling comes first in a stage."""
    stages = [tree({"blocks": blocks(2, "attn", "mlp")}), tree({"downsample": linear(), "blocks": blocks(2, "attn")})]
    return tree({"patch_embed": {"proj": linear()}, "layers": nn.Sequential(*stages), "norm": norm(), "head": linear()})


def swin_hf() -> nn.Module:
    """As transformers' SwinModel: it comes last."""
    stages = [tree({"blocks": blocks(2, "attn"), "downsample": linear()}), tree({"blocks": blocks(2, "attn")})]
    return tree({"embeddings": {"norm": norm()}, "encoder": {"layers": nn.Sequential(*stages)}, "layernorm": norm()})


def convnext() -> nn.Module:
    """As timm's ConvNeXt."""
    stages = [tree({"blocks": blocks(2, "conv")}), tree({"downsample": stack(2), "blocks": blocks(1, "conv")})]
    return tree({"stem": stack(2), "stages": nn.Sequential(*stages), "head": {"norm": norm(), "fc": linear()}})


def vgg() -> nn.Module:
    """As torchvision's VGG."""
    features = nn.Sequential(linear(), nn.ReLU(), linear(), nn.ReLU(), nn.ReLU(), linear())
    return tree({"features": features, "classifier": nn.Sequential(linear(), nn.ReLU(), linear())})


def vit() -> nn.Module:
    """As torchvision's VisionTransformer: numbers after an underscore, and numbered parts inside."""
    encoder = {f"encoder_layer_{i}": tree({"self_attention": linear(), "mlp": stack(2)}) for i in range(3)}
    return tree({"conv_proj": linear(), "encoder": {"layers": encoder, "ln": norm()}, "heads": {"head": linear()}})


def t5_encoder() -> nn.Module:
    """As transformers' T5EncoderModel."""

    def block() -> nn.Module:
        return tree({"layer": nn.Sequential(tree({"SelfAttention": linear()}), tree({"wi": linear()}))})

    return tree({"shared": nn.Embedding(4, 2), "encoder": {"block": stack(2, block), "final_layer_norm": norm()}})


MODELS: dict[str, tuple[Callable[[], nn.Module], dict[str, int]]] = {
    "Sequential": (
        lambda: nn.Sequential(linear(), nn.ReLU(), nn.Sequential(linear(), linear()), linear()),
        {"0": 0, "2.0": 1, "2.1": 1, "3": 2},
    ),
    "a stack and a head": (
        lambda: tree({"body": stack(3), "head": stack(2)}),
        {"body.0": 0, "body.1": 1, "body.2": 2, "head.0": 3, "head.1": 3},
    ),
    "a head defined before the body": (
        lambda: tree({"head": linear(), "blocks": stack(2)}),
        {"head": 2, "blocks.0": 0, "blocks.1": 1},
    ),
    "one layer": (lambda: tree({"stem": linear(), "layers": stack(1)}), {"stem": 0, "layers.0": 1}),
    "a head as long as the body, and before it": (
        lambda: tree({"classifier": stack(2), "features": stack(2)}),
        {"classifier.0": 2, "classifier.1": 2, "features.0": 0, "features.1": 1},
    ),
    "ten layers in the order of numbers": (lambda: tree({"h": stack(11)}), {f"h.{i}": i for i in range(11)}),
    "BERT": (
        bert,
        {
            **{f"bert.embeddings.{n}": 0 for n in ("word_embeddings", "position_embeddings", "LayerNorm")},
            **{
                f"bert.encoder.layer.{i}.{part}": i + 1
                for i in range(3)
                for part in ("attention.self.query", "output.dense", "output.LayerNorm")
            },
            "bert.pooler.dense": 4,
            "classifier": 4,
        },
    ),
    "GPT-2": (
        gpt2,
        {
            "transformer.wte": 0,
            "transformer.wpe": 0,
            **{f"transformer.h.{i}.{part}": i + 1 for i in range(3) for part in ("ln_1", "attn", "mlp")},
            "transformer.ln_f": 4,
        },
    ),
    "Llama": (
        llama,
        {
            "model.embed_tokens": 0,
            **{f"model.layers.{i}.{part}": i + 1 for i in range(3) for part in ("self_attn", "mlp")},
            "model.norm": 4,
            "lm_head": 4,
        },
    ),
    "ResNet": (
        resnet,
        {
            "conv1": 0,
            "bn1": 0,
            **{
                f"layer{stage}.{block}.{part}": 2 * (stage - 1) + block + 1
                for stage in range(1, 5)
                for block in range(2)
                for part in ("conv1", "bn1")
            },
            "layer2.0.downsample.0": 3,
            "layer2.0.downsample.1": 3,
            "fc": 9,
        },
    ),
    "Swin of timm": (
        swin,
        {
            "patch_embed.proj": 0,
            **{f"layers.0.blocks.{i}.{part}": i + 1 for i in range(2) for part in ("attn", "mlp")},
            "layers.1.downsample": 3,
            **{f"layers.1.blocks.{i}.attn": i + 4 for i in range(2)},
            "norm": 6,
            "head": 6,
        },
    ),
    "Swin of transformers": (
        swin_hf,
        {
            "embeddings.norm": 0,
            **{f"encoder.layers.0.blocks.{i}.attn": i + 1 for i in range(2)},
            "encoder.layers.0.downsample": 3,
            **{f"encoder.layers.1.blocks.{i}.attn": i + 4 for i in range(2)},
            "layernorm": 6,
        },
    ),
    "ConvNeXt": (
        convnext,
        {
            "stem.0": 0,
            "stem.1": 0,
            **{f"stages.0.blocks.{i}.conv": i + 1 for i in range(2)},
            "stages.1.downsample.0": 3,
            "stages.1.downsample.1": 3,
            "stages.1.blocks.0.conv": 4,
            "head.norm": 5,
            "head.fc": 5,
        },
    ),
    "VGG": (vgg, {"features.0": 0, "features.2": 1, "features.5": 2, "classifier.0": 3, "classifier.2": 3}),
    "ViT of torchvision": (
        vit,
        {
            "conv_proj": 0,
            **{
                f"encoder.layers.encoder_layer_{i}.{part}": i + 1
                for i in range(3)
                for part in ("self_attention", "mlp.0", "mlp.1")
            },
            "encoder.ln": 4,
            "heads.head": 4,
        },
    ),
    "the encoder of T5": (
        t5_encoder,
        {
            "shared": 0,
            **{
                f"encoder.block.{i}.layer.{j}.{part}": 2 * i + j + 1
                for i in range(2)
                for j, part in enumerate(("SelfAttention", "wi"))
            },
            "encoder.final_layer_norm": 5,
        },
    ),
    "a model inside a Sequential": (
        lambda: nn.Sequential(random.TinyViT(), linear()),
        {
            "0": 0,
            "0.patch_embed.proj": 0,
            **{f"0.blocks.{i}.{part}": i + 1 for i in range(4) for part in ("norm1", "attn.qkv", "mlp.fc1")},
            "0.norm": 5,
            "0.head": 5,
            "1": 6,
        },
    ),
}


@pytest.mark.parametrize(("make", "found"), MODELS.values(), ids=MODELS)
def test_layers_are_inferred_from_the_names_of_well_known_models(make, found):
    """Embeddings and stem lowest, blocks in order, what follows them highest; without gaps."""
    assert depths(make()) == found


def t5() -> nn.Module:
    """As transformers' T5Model: an encoder and a decoder."""
    halves = {half: {"block": blocks(2, "attn")} for half in ("encoder", "decoder")}
    return tree({"shared": nn.Embedding(4, 2), **halves})


UNKNOWN: dict[str, tuple[Callable[[], nn.Module], str, list[str]]] = {
    "T5": (
        t5,
        "2 stacks of layers were found, and which is deeper cannot be told",
        ["encoder.block: 2 numbered layers"],
    ),
    "a U-Net": (
        lambda: tree({"down_blocks": stack(2), "up_blocks": stack(2)}),
        "2 stacks of layers were found",
        ["down_blocks: 2 numbered layers", "up_blocks: 2 numbered layers"],
    ),
    "no numbers": (
        lambda: tree({"conv1": linear(), "branch": {"norm": norm()}, "fc": linear()}),
        "no numbered stack of layers was found in the model",
        ["branch: LayerNorm", "conv1: Linear", "fc: Linear"],
    ),
    "DenseNet": (
        lambda: tree({"features": {"conv0": linear(), "denseblock1": {"denselayer1": {"conv1": linear()}}}}),
        "no numbered stack of layers was found",
        ["features: Linear"],
    ),
}


@pytest.mark.parametrize(("make", "problem", "seen"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_inferred_is_an_error_that_shows_what_was_seen(make, problem, seen):
    """Never a guess; the error has the way out."""
    with pytest.raises(DepthError) as caught:
        pg.Plan(pg.LayerDecay(0.5), lr=1.0).on(make())
    text = str(caught.value)
    assert problem in text
    assert all(line in text for line in seen)
    assert "LayerDecay(0.75, depth={" in text


def timm_scales(model: nn.Module, decay: float, min_scale: float, layer_ids: dict[str, int]) -> dict[str, float]:
    """As timm's `param_groups_layer_decay`: scale_i = max(min_scale, d ** (L - 1 - i)), L = max layer id + 1."""
    count = max(layer_ids.values()) + 1
    scales = [max(min_scale, decay ** (count - 1 - i)) for i in range(count)]
    return {name: scales[layer_ids[name]] for name, _ in model.named_parameters()}


def vit_layer_id(name: str) -> int:
    """As timm's `group_matcher` of a ViT with four blocks, but for the last norm, which it puts with the last block."""
    if name.startswith("blocks."):
        return int(name.split(".")[1]) + 1
    return 0 if name.startswith(("cls_token", "pos_embed", "patch_embed")) else 5


@pytest.mark.parametrize(("decay", "min_scale"), [(0.75, 0.0), (0.5, 0.1), (1.0, 0.0)])
def test_scales_are_timms(decay, min_scale):
    """Each parameter of a ViT gets timm's factor, in its own lr, so that any scheduler keeps it."""
    model = random.TinyViT()
    ids = {name: vit_layer_id(name) for name, _ in model.named_parameters()}
    grouping = pg.Plan(pg.LayerDecay(decay, min_scale=min_scale), lr=1.0).on(model)
    found = {param.name: group.hyperparameters["lr"] for group in grouping.groups for param in group.params}
    assert found == timm_scales(model, decay, min_scale, ids)
    assert [group.name for group in grouping.groups] == [f"layer{i:02d}" for i in range(6)]


def test_timms_place_for_the_last_norm_can_be_given():
    """With the last block instead of the head, by a mapping or by a function."""
    model = random.TinyViT()
    by_hand: dict[str, int] = {"*": 0, **{f"blocks.{i}.*": i + 1 for i in range(4)}, "norm.*": 4, "head.*": 5}
    scales = timm_scales(
        model, 0.75, 0.0, {n: 4 if n.startswith("norm.") else vit_layer_id(n) for n, _ in model.named_parameters()}
    )

    def by_function(param: Param) -> int:
        return 4 if param.name.startswith("norm.") else vit_layer_id(param.name)

    given: list[Any] = [by_hand, by_function]
    for depth in given:
        grouping = pg.Plan(pg.LayerDecay(0.75, depth), lr=1.0).on(model)
        assert {p.name: g.hyperparameters["lr"] for g in grouping.groups for p in g.params} == scales


def test_a_selection_is_inferred_by_itself():
    """The backbone's top layer has factor 1, whatever follows it."""
    model = tree({"backbone": resnet(), "head": linear()})
    grouping = pg.Plan(pg.LayerDecay(0.5, select=pg.Within("backbone.layer*")), lr=1.0).on(model)
    lrs = {p.name: g.hyperparameters["lr"] for g in grouping.groups for p in g.params}
    assert lrs["backbone.layer4.1.bn1.weight"] == lrs["head.weight"] == lrs["backbone.conv1.weight"] == 1.0
    assert lrs["backbone.layer1.0.bn1.weight"] == 0.5**7


WRONG: dict[str, tuple[Any, str]] = {
    "a glob that matches nothing": (
        {"*": 0, "haed.*": 1},
        "the depth of 'haed.*' was given, which matches no parameter. Seen:\n  body.weight: Linear",
    ),
    "a parameter left out": (
        {"body.*": 0},
        "the depths given leave out 2 of 4 parameters. Seen:\n  head.weight: no depth",
    ),
    "a negative depth": ({"*": -1}, "a depth must be an int of at least 0. Seen:\n  body.weight: -1"),
    "a depth that is no int": (lambda _: 0.5, "a depth must be an int of at least 0. Seen:\n  body.weight: 0.5"),
    "True": (lambda _: True, "a depth must be an int of at least 0. Seen:\n  body.weight: True"),
}


@pytest.mark.parametrize(("depth", "text"), WRONG.values(), ids=WRONG)
def test_depths_given_wrongly_are_an_error(depth, text):
    """By name."""
    with pytest.raises(DepthError) as caught:
        pg.Plan(pg.LayerDecay(0.5, depth), lr=1.0).on(tree({"body": linear(), "head": linear()}))
    assert text in str(caught.value)


def test_a_later_entry_of_a_mapping_wins():
    """As rules do; a tied parameter is matched by any of its names."""
    model = tree({"body": linear(), "head": linear()})
    params = named(model)
    assert layers(params, (("*", 0), ("head.*", 2), ("*.bias", 1))) == [0, 1, 2, 1]
    tied = named(gpt2())
    assert layers(tied, (("*", 0), ("lm_head.*", 7)))[0] == 7


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("encoder.layers.0.mlp", True),
        ("encoder.layers.encoder_layer_3.mlp.0", True),
        ("albert_layers.11.ffn", True),
        ("layer4.1.conv1", True),
        ("layers.0", False),
        ("layer4", False),
        ("head.0.mlp", False),
        ("", False),
    ],
)
def test_a_module_is_inside_a_numbered_layer_or_is_not(path, inside):
    """Whatever the layers are called; a layer itself is not inside one."""
    assert in_layer(path) is inside

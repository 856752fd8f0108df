"""Small models of well-known kinds, built from configurations alone, and what each of their parameters should get.

The tables were written by hand, from what each layer does; `#` stands for each of two numbered blocks.
"""

from collections.abc import Callable
from typing import Any, Final

import torch
import transformers
from torch import nn

SMALL: Final[dict[str, Any]] = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
BERT: Final[dict[str, Any]] = {"vocab_size": 64, "intermediate_size": 16, "max_position_embeddings": 16, **SMALL}


class SilentHead(nn.Module):
    """A language model whose head is called `projection`, and defined before the blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(32, 8)
        self.projection = nn.Linear(8, 32)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 16) for _ in range(2))
        self.mixer = nn.Linear(8, 8)


class Bytes(nn.Module):
    """As many bytes as channels, so that every width is 16, and a head that is only known by standing last."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = nn.Embedding(16, 16)
        self.up = nn.Linear(16, 16)
        self.down = nn.Linear(16, 16)
        self.out = nn.Linear(16, 16, bias=False)


class Tied(nn.Module):
    """A language model whose head is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(8, 32, bias=False)
        self.table = nn.Embedding(32, 8)
        self.table.weight = self.out.weight
        self.inner = nn.Linear(8, 8)


class Fused(nn.Module):
    """Attention that keeps query, key and value in one matrix, outside any numbered block."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(32, 8)
        self.attention = nn.MultiheadAttention(8, 2, add_bias_kv=True)
        self.answer = nn.Linear(8, 32)


class LinearPatches(nn.Module):
    """A vision transformer that cuts its patches with a matrix, has 2-D tokens, and two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 8))
        self.pos_embed = nn.Parameter(torch.zeros(5, 8))
        self.patches = nn.Linear(48, 8)
        self.blocks = nn.Sequential(*(nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8)) for _ in range(2)))
        self.norm = nn.LayerNorm(8)
        self.heads = nn.ModuleDict(
            {"colour": nn.Linear(8, 3), "shape": nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))}
        )


def mlp() -> nn.Module:
    """Three layers of a plain network."""
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))


def convnet() -> nn.Module:
    """Convolutions, batch norms, a hidden matrix and a head."""
    return nn.ModuleDict(
        {
            "conv1": nn.Conv2d(3, 8, 3),
            "bn1": nn.BatchNorm2d(8),
            "conv2": nn.Conv2d(8, 8, 3, groups=8),
            "bn2": nn.BatchNorm2d(8),
            "fc1": nn.Linear(128, 16),
            "fc2": nn.Linear(16, 10),
        }
    )


BERT_BODY: Final = """
bert.embeddings.word_embeddings.weight                      adamw
bert.embeddings.position_embeddings.weight                  adamw
bert.embeddings.token_type_embeddings.weight                adamw
bert.embeddings.LayerNorm.weight                            adamw
bert.embeddings.LayerNorm.bias                              adamw
bert.encoder.layer.#.attention.self.query.weight            muon
bert.encoder.layer.#.attention.self.query.bias              adamw
bert.encoder.layer.#.attention.self.key.weight              muon
bert.encoder.layer.#.attention.self.key.bias                adamw
bert.encoder.layer.#.attention.self.value.weight            muon
bert.encoder.layer.#.attention.self.value.bias              adamw
bert.encoder.layer.#.attention.output.dense.weight          muon
bert.encoder.layer.#.attention.output.dense.bias            adamw
bert.encoder.layer.#.attention.output.LayerNorm.weight      adamw
bert.encoder.layer.#.attention.output.LayerNorm.bias        adamw
bert.encoder.layer.#.intermediate.dense.weight              muon
bert.encoder.layer.#.intermediate.dense.bias                adamw
bert.encoder.layer.#.output.dense.weight                    muon
bert.encoder.layer.#.output.dense.bias                      adamw
bert.encoder.layer.#.output.LayerNorm.weight                adamw
bert.encoder.layer.#.output.LayerNorm.bias                  adamw
"""


MODELS: Final[dict[str, tuple[Callable[[], nn.Module], str]]] = {
    "GPT-2": (
        lambda: transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=64, n_positions=16, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
            )
        ),
        """
        transformer.wte.weight                 adamw   the embedding, which is the head too
        transformer.wpe.weight                 adamw
        transformer.h.#.ln_1.weight            adamw
        transformer.h.#.ln_1.bias              adamw
        transformer.h.#.attn.c_attn.weight     muon    query, key and value in one
        transformer.h.#.attn.c_attn.bias       adamw
        transformer.h.#.attn.c_proj.weight     muon
        transformer.h.#.attn.c_proj.bias       adamw
        transformer.h.#.ln_2.weight            adamw
        transformer.h.#.ln_2.bias              adamw
        transformer.h.#.mlp.c_fc.weight        muon
        transformer.h.#.mlp.c_fc.bias          adamw
        transformer.h.#.mlp.c_proj.weight      muon
        transformer.h.#.mlp.c_proj.bias        adamw
        transformer.ln_f.weight                adamw
        transformer.ln_f.bias                  adamw
        """,
    ),
    "Llama": (
        lambda: transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                vocab_size=64, intermediate_size=12, num_key_value_heads=1, max_position_embeddings=16, **SMALL
            )
        ),
        """
        model.embed_tokens.weight                         adamw
        model.layers.#.self_attn.q_proj.weight            muon
        model.layers.#.self_attn.k_proj.weight            muon
        model.layers.#.self_attn.v_proj.weight            muon
        model.layers.#.self_attn.o_proj.weight            muon
        model.layers.#.mlp.gate_proj.weight               muon
        model.layers.#.mlp.up_proj.weight                 muon
        model.layers.#.mlp.down_proj.weight               muon
        model.layers.#.input_layernorm.weight             adamw
        model.layers.#.post_attention_layernorm.weight    adamw
        model.norm.weight                                 adamw
        lm_head.weight                                    adamw
        """,
    ),
    "Llama without a head": (
        lambda: transformers.LlamaModel(
            transformers.LlamaConfig(
                vocab_size=64, intermediate_size=12, num_key_value_heads=1, max_position_embeddings=16, **SMALL
            )
        ),
        """
        embed_tokens.weight                         adamw
        layers.#.self_attn.q_proj.weight            muon
        layers.#.self_attn.k_proj.weight            muon
        layers.#.self_attn.v_proj.weight            muon
        layers.#.self_attn.o_proj.weight            muon
        layers.#.mlp.gate_proj.weight               muon
        layers.#.mlp.up_proj.weight                 muon
        layers.#.mlp.down_proj.weight               muon    the last matrix there is, but hidden: it is in a block
        layers.#.input_layernorm.weight             adamw
        layers.#.post_attention_layernorm.weight    adamw
        norm.weight                                 adamw
        """,
    ),
    "BERT, classifying": (
        lambda: transformers.BertForSequenceClassification(transformers.BertConfig(**BERT)),
        BERT_BODY
        + """
        bert.pooler.dense.weight                                    muon    hidden: the classifier reads it
        bert.pooler.dense.bias                                      adamw
        classifier.weight                                           adamw
        classifier.bias                                             adamw
        """,
    ),
    "BERT, pretraining": (
        lambda: transformers.BertForPreTraining(transformers.BertConfig(**BERT)),
        BERT_BODY
        + """
        bert.pooler.dense.weight                                    muon
        bert.pooler.dense.bias                                      adamw
        cls.predictions.bias                                        adamw
        cls.predictions.transform.dense.weight                      muon
        cls.predictions.transform.dense.bias                        adamw
        cls.predictions.transform.LayerNorm.weight                  adamw
        cls.predictions.transform.LayerNorm.bias                    adamw
        cls.seq_relationship.weight                                 adamw   a head whose name does not say so
        cls.seq_relationship.bias                                   adamw
        """,
    ),
    "ViT": (
        lambda: transformers.ViTForImageClassification(
            transformers.ViTConfig(intermediate_size=16, image_size=8, patch_size=4, **SMALL)
        ),
        """
        vit.embeddings.cls_token                             adamw
        vit.embeddings.position_embeddings                   adamw
        vit.embeddings.patch_embeddings.projection.weight    adamw   a convolution
        vit.embeddings.patch_embeddings.projection.bias      adamw
        vit.layers.#.attention.q_proj.weight                 muon
        vit.layers.#.attention.q_proj.bias                   adamw
        vit.layers.#.attention.k_proj.weight                 muon
        vit.layers.#.attention.k_proj.bias                   adamw
        vit.layers.#.attention.v_proj.weight                 muon
        vit.layers.#.attention.v_proj.bias                   adamw
        vit.layers.#.attention.o_proj.weight                 muon
        vit.layers.#.attention.o_proj.bias                   adamw
        vit.layers.#.layernorm_before.weight                 adamw
        vit.layers.#.layernorm_before.bias                   adamw
        vit.layers.#.layernorm_after.weight                  adamw
        vit.layers.#.layernorm_after.bias                    adamw
        vit.layers.#.mlp.fc1.weight                          muon
        vit.layers.#.mlp.fc1.bias                            adamw
        vit.layers.#.mlp.fc2.weight                          muon
        vit.layers.#.mlp.fc2.bias                            adamw
        vit.layernorm.weight                                 adamw
        vit.layernorm.bias                                   adamw
        classifier.weight                                    adamw
        classifier.bias                                      adamw
        """,
    ),
    "T5": (
        lambda: transformers.T5ForConditionalGeneration(
            transformers.T5Config(vocab_size=64, d_model=8, d_kv=4, d_ff=16, num_layers=2, num_heads=2)
        ),
        """
        shared.weight                                                        adamw   the head, too
        encoder.block.#.layer.0.SelfAttention.q.weight                       muon
        encoder.block.#.layer.0.SelfAttention.k.weight                       muon
        encoder.block.#.layer.0.SelfAttention.v.weight                       muon
        encoder.block.#.layer.0.SelfAttention.o.weight                       muon
        encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight adamw
        encoder.block.#.layer.0.layer_norm.weight                            adamw
        encoder.block.#.layer.1.DenseReluDense.wi.weight                     muon
        encoder.block.#.layer.1.DenseReluDense.wo.weight                     muon
        encoder.block.#.layer.1.layer_norm.weight                            adamw
        encoder.final_layer_norm.weight                                      adamw
        decoder.block.#.layer.0.SelfAttention.q.weight                       muon
        decoder.block.#.layer.0.SelfAttention.k.weight                       muon
        decoder.block.#.layer.0.SelfAttention.v.weight                       muon
        decoder.block.#.layer.0.SelfAttention.o.weight                       muon
        decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight adamw
        decoder.block.#.layer.0.layer_norm.weight                            adamw
        decoder.block.#.layer.1.EncDecAttention.q.weight                     muon
        decoder.block.#.layer.1.EncDecAttention.k.weight                     muon
        decoder.block.#.layer.1.EncDecAttention.v.weight                     muon
        decoder.block.#.layer.1.EncDecAttention.o.weight                     muon
        decoder.block.#.layer.1.layer_norm.weight                            adamw
        decoder.block.#.layer.2.DenseReluDense.wi.weight                     muon
        decoder.block.#.layer.2.DenseReluDense.wo.weight                     muon
        decoder.block.#.layer.2.layer_norm.weight                            adamw
        decoder.final_layer_norm.weight                                      adamw
        """,
    ),
    "an MLP": (
        mlp,
        """
        0.weight    adamw   reads the data
        0.bias      adamw
        2.weight    muon
        2.bias      adamw
        4.weight    adamw   gives the answer
        4.bias      adamw
        """,
    ),
    "nn.TransformerEncoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False),
        """
        layers.#.self_attn.in_proj_weight     muon
        layers.#.self_attn.in_proj_bias       adamw
        layers.#.self_attn.out_proj.weight    muon
        layers.#.self_attn.out_proj.bias      adamw
        layers.#.linear1.weight               muon
        layers.#.linear1.bias                 adamw
        layers.#.linear2.weight               muon
        layers.#.linear2.bias                 adamw
        layers.#.norm1.weight                 adamw
        layers.#.norm1.bias                   adamw
        layers.#.norm2.weight                 adamw
        layers.#.norm2.bias                   adamw
        """,
    ),
    "a ConvNet": (
        convnet,
        """
        conv1.weight    adamw
        conv1.bias      adamw
        bn1.weight      adamw
        bn1.bias        adamw
        conv2.weight    adamw
        conv2.bias      adamw
        bn2.weight      adamw
        bn2.bias        adamw
        fc1.weight      muon
        fc1.bias        adamw
        fc2.weight      adamw
        fc2.bias        adamw
        """,
    ),
    "a head whose name and place say nothing": (
        SilentHead,
        """
        table.weight                          adamw
        projection.weight                     adamw
        projection.bias                       adamw
        blocks.#.self_attn.in_proj_weight     muon
        blocks.#.self_attn.in_proj_bias       adamw
        blocks.#.self_attn.out_proj.weight    muon
        blocks.#.self_attn.out_proj.bias      adamw
        blocks.#.linear1.weight               muon
        blocks.#.linear1.bias                 adamw
        blocks.#.linear2.weight               muon
        blocks.#.linear2.bias                 adamw
        blocks.#.norm1.weight                 adamw
        blocks.#.norm1.bias                   adamw
        blocks.#.norm2.weight                 adamw
        blocks.#.norm2.bias                   adamw
        mixer.weight                          muon
        mixer.bias                            adamw
        """,
    ),
    "a head known by its place alone": (
        Bytes,
        """
        bytes.weight    adamw
        up.weight       muon
        up.bias         adamw
        down.weight     muon
        down.bias       adamw
        out.weight      adamw
        """,
    ),
    "a tied head": (
        Tied,
        """
        out.weight      adamw
        inner.weight    muon
        inner.bias      adamw
        """,
    ),
    "fused attention": (
        Fused,
        """
        tokens.weight                adamw
        attention.in_proj_weight     muon
        attention.in_proj_bias       adamw
        attention.bias_k             adamw
        attention.bias_v             adamw
        attention.out_proj.weight    muon
        attention.out_proj.bias      adamw
        answer.weight                adamw
        answer.bias                  adamw
        """,
    ),
    "linear patches and two heads": (
        LinearPatches,
        """
        cls_token               adamw
        pos_embed               adamw
        patches.weight          adamw   reads the data
        patches.bias            adamw
        blocks.#.0.weight       adamw
        blocks.#.0.bias         adamw
        blocks.#.1.weight       muon
        blocks.#.1.bias         adamw
        norm.weight             adamw
        norm.bias               adamw
        heads.colour.weight     adamw
        heads.colour.bias       adamw
        heads.shape.0.weight    muon    hidden, in a head of two layers
        heads.shape.0.bias      adamw
        heads.shape.1.weight    adamw
        heads.shape.1.bias      adamw
        """,
    ),
}


def expected(table: str) -> dict[str, str]:
    """Parameter name -> algorithm, as a table has them."""
    rows = [line.split()[:2] for line in table.splitlines() if line.strip()]
    return {name.replace("#", str(block)): algorithm for name, algorithm in rows for block in range(2)}

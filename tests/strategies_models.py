"""Random models, selectors, rules and plans for property tests, and small models with the names of well-known ones."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn

import paramgroups as pg
from paramgroups.selectors import Selector

NAMES = {name: getattr(pg, name) for name in pg.__all__ if name not in {"plot", "Scheduler"}} | {"nn": nn}
"""What `repr` is written in."""

# --- models ---------------------------------------------------------------------------------------------------------

_LAYERS: list[Callable[[], nn.Module]] = [
    lambda: nn.Linear(2, 2),
    lambda: nn.Linear(2, 3, bias=False),
    lambda: nn.LayerNorm(2),
    lambda: nn.BatchNorm1d(2),
    lambda: nn.Embedding(3, 2),
    lambda: nn.MultiheadAttention(2, 1),
    lambda: nn.LSTM(2, 1),
    nn.PReLU,
]
_CHILDREN = ["body", "head", "blocks", "norm", "layer1"]


def _trees(inner: st.SearchStrategy[nn.Module]) -> st.SearchStrategy[nn.Module]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda layers: nn.Sequential(*layers)),
        st.dictionaries(st.sampled_from(_CHILDREN), inner, min_size=1, max_size=3).map(nn.ModuleDict),
    )


@st.composite
def models(draw: st.DrawFn) -> nn.Module:
    """A tree of small layers, part of it perhaps tied, part of it perhaps frozen, never all of it."""
    leaves = st.sampled_from(_LAYERS).map(lambda make: make())
    model = draw(_trees(st.recursive(leaves, _trees, max_leaves=5)))
    if draw(st.booleans()):
        model = nn.ModuleDict({"body": model, "twin": model})
    parameters = list(model.parameters())
    for parameter in draw(st.lists(st.sampled_from(parameters), max_size=len(parameters) - 1)):
        parameter.requires_grad_(False)
    return model


def linear(*, bias: bool = True) -> nn.Linear:
    """The smallest layer."""
    return nn.Linear(2, 2, bias=bias)


def tree(layout: Mapping[str, nn.Module | Mapping[str, Any]]) -> nn.ModuleDict:
    """Nested dicts as nested modules: names as they are in a real model."""
    return nn.ModuleDict({k: v if isinstance(v, nn.Module) else tree(v) for k, v in layout.items()})


def stack(count: int, make: Callable[[], nn.Module] = linear) -> nn.Sequential:
    """`count` numbered modules."""
    return nn.Sequential(*(make() for _ in range(count)))


def _vit_block() -> nn.Module:
    return tree({"norm1": nn.LayerNorm(2), "attn": {"qkv": nn.Linear(2, 6)}, "mlp": {"fc1": linear()}})


class TinyViT(nn.Module):
    """The parameter names of timm's VisionTransformer, four blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 2))
        self.pos_embed = nn.Parameter(torch.zeros(1, 5, 2))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, 2, 1)})
        self.blocks = stack(4, _vit_block)
        self.norm = nn.LayerNorm(2)
        self.head = linear()


# --- selectors, rules, plans ----------------------------------------------------------------------------------------

_KINDS: list[type[nn.Module] | str] = [nn.Linear, nn.LayerNorm, nn.Module, "LSTM", "PReLU"]
_globs = st.sampled_from(["*", "*.weight", "*.bias", "0.*", "*head*", "body.*", "*norm*", "[01].?eight", "absent.*"])
_simple: st.SearchStrategy[Selector] = st.one_of(
    st.lists(_globs, min_size=1, max_size=2).map(lambda globs: pg.Named(*globs)),
    st.sampled_from(["body", "head*", "*.0", "blocks"]).map(pg.Within),
    st.sampled_from([r"\.bias$", "norm|head", r"^\d", "it's"]).map(pg.Matching),
    st.lists(st.sampled_from(_KINDS), min_size=1, max_size=2).map(lambda kinds: pg.Kind(*kinds)),
    st.integers(0, 3).map(pg.Ndim),
    st.integers(0, 2).map(lambda n: pg.Ndim(at_least=n)),
    st.tuples(st.integers(0, 1), st.integers(1, 3)).map(lambda ends: pg.Ndim(at_least=ends[0], at_most=ends[1])),
    st.sampled_from([pg.ALL, pg.BIASES, pg.EMBEDDINGS, pg.NORMS]),
)


def selectors() -> st.SearchStrategy[Selector]:
    """Any selector without code of the user's own."""
    return st.recursive(
        _simple,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
            inner.map(lambda one: ~one),
        ),
        max_leaves=4,
    )


_values = {
    "lr": st.floats(1e-6, 1.0) | st.integers(1, 3),
    "weight_decay": st.floats(0.0, 1.0) | st.just(0),
    "betas": st.tuples(st.floats(0.0, 0.99), st.floats(0.0, 0.99)),
}
_given = st.fixed_dictionaries(
    {},
    optional={
        "lr": _values["lr"] | st.floats(0.0, 4.0).map(pg.Times),
        "weight_decay": _values["weight_decay"] | st.floats(0.0, 4.0).map(pg.Times),
        "betas": _values["betas"],
    },
)


def rules(names: st.SearchStrategy[str | None]) -> st.SearchStrategy[pg.Rule]:
    """A rule that may match nothing."""
    giving = st.builds(
        lambda select, name, given: pg.Rule(select, name=name, optional=True, **given),
        selectors() | _globs,
        names,
        _given.filter(bool),
    )
    freezing = st.builds(lambda select: pg.Rule(select, frozen=True, optional=True), selectors())
    thawing = st.builds(
        lambda select, name, thaw, warmup, given: pg.Rule(
            select, name=name, optional=True, frozen=True, thaw=thaw, warmup=warmup, **given
        ),
        selectors(),
        names,
        st.sampled_from([0, 100, "2 epochs", "10%"]),
        st.sampled_from([None, 10, "1 epochs", pg.Linear(10, start=0.5, end=1.0)]),
        _given,
    )
    return st.one_of(giving, giving, giving, freezing, thawing)


@st.composite
def plans(draw: st.DrawFn, most: int = 5) -> pg.Plan:
    """A plan that fits AdamW, whose rules may all match nothing."""
    unnamed = draw(st.lists(rules(st.none()), max_size=most))
    named = [draw(rules(st.just(f"rule{i}"))) for i in range(draw(st.integers(0, 2)))]
    order = draw(st.permutations([*unnamed, *named]))
    return pg.Plan(*order, lr=draw(_values["lr"]), weight_decay=draw(_values["weight_decay"]))

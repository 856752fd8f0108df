"""Where a network begins and ends: the matrices that read its data, and those that give its answer.

Knows modules' names, places and shapes; runs no model, and knows nothing of what is done with what it finds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from torch import Tensor, nn

from paramgroups.params import Param, named
from paramgroups.plan.depth import in_layer, is_head
from paramgroups.selectors import BIASES, EMBEDDINGS, NORMS

_MATRIX: Final = 2  # dimensions
_OFTEN_HIDDEN: Final = frozenset({"fc", "pooler"})  # named as heads are; found by place or shape where they are heads
_NO_LAYER = re.compile(r"(\w+_)?(tokens?|log)")  # learnt input, as `cls_token`; elementwise, as Mamba's `A_log`


def outermost(model: nn.Module) -> list[str]:
    """Globs over the names of the matrices that are not hidden, nor embeddings: tokens, what reads the data, heads.

    A head is the last weight of a module that is named as heads are; where no module is, each layer that makes as many
    numbers as nothing in the model reads, and stands after the numbered blocks or has an embedding's shape; else
    the last layer, if it is in no block and no embedding is the head. What reads the data is the first layer that is in
    no block, where neither an embedding nor a convolution does it.

    Example:
        >>> outermost(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)))
        ['0.weight', '4.weight']
    """
    params = named(model)
    matrices = [p for p in params if p.ndim == _MATRIX and not (EMBEDDINGS(p) or NORMS(p) or BIASES(p))]
    blocks = _in_blocks(matrices)
    layers = [p for p in matrices if p.attribute == "weight" and p.name not in blocks]
    others = dict.fromkeys(f"*{p.attribute}" for p in matrices if _NO_LAYER.fullmatch(p.attribute))
    last_block = max((i for i, p in enumerate(params) if p.name in blocks), default=len(params))
    heads = _named_heads(model) + [p.parameter for p in matrices if is_head(p.attribute) and p.name not in blocks]
    heads = heads or _heads_by_width(layers, params, params[last_block:])
    if not heads and not any(map(_is_head_too, params)):
        heads = [p.parameter for p in matrices[-1:] if p in layers]
    readers = [] if any(map(_reads_data, params)) else layers[:1]
    found = {id(p.parameter) for p in readers}.union(map(id, heads))
    return [*others, *(p.name for p in matrices if id(p.parameter) in found)]


def _in_blocks(matrices: Sequence[Param]) -> set[str]:
    """The names of those in numbered layers, or in other numbered modules, with a twin of the same name and shape."""
    kinds = [(re.sub(r"\d+", "#", param.name), param.parameter.shape) for param in matrices]
    count = Counter(kinds)
    return {
        param.name
        for param, kind in zip(matrices, kinds, strict=True)
        if in_layer(param.module_path) or (count[kind] > 1 and re.search(r"\d.*\.", param.module_path))
    }


def _named_heads(model: nn.Module) -> list[Tensor]:
    """The last weight of each module that is named as heads are, outside numbered ones."""
    found: list[Tensor] = []
    for path, module in model.named_modules():
        *above, step = path.split(".")
        inside = any(outer.isdigit() or is_head(outer) for outer in above)
        if is_head(step) and step not in _OFTEN_HIDDEN and not inside:
            found += _answers(module)
    return found


def _answers(module: nn.Module) -> Iterator[Tensor]:
    """The last weight of a module; of each, where it holds several that work side by side."""
    if isinstance(module, (nn.ModuleDict, nn.ModuleList)):
        for child in module.children():
            yield from _answers(child)
    else:
        yield from [tensor for tensor in module.parameters() if tensor.ndim >= _MATRIX][-1:]


def _heads_by_width(layers: Iterable[Param], params: Iterable[Param], after: Sequence[Param]) -> list[Tensor]:
    """The layers that make as many numbers as nothing reads, and whose place or shape is that of a head."""
    weights = [param for param in params if "weight" in param.attribute]
    tables = {param.parameter.shape for param in weights if EMBEDDINGS(param)}
    read = {param.parameter.shape[1] for param in weights if param.ndim == _MATRIX and not EMBEDDINGS(param)}
    read |= {param.parameter.shape[0] for param in weights if NORMS(param)}
    return [
        param.parameter
        for param in layers
        if param.parameter.shape[0] not in read and (param in after or param.parameter.shape in tables)
    ]


def _is_head_too(param: Param) -> bool:
    """Whether a parameter is an embedding, and the weight of another layer."""
    return EMBEDDINGS(param) and not all(EMBEDDINGS(Param(param.parameter, (site,))) for site in param.sites)


def _reads_data(param: Param) -> bool:
    """Whether a parameter is an embedding's table, or a convolution's weights."""
    return param.attribute == "weight" and (EMBEDDINGS(param) or param.ndim > _MATRIX)

"""How deep in the network a parameter lies: told by the user, or read from the names of the model's layers.

Knows dotted names and containers; knows nothing of what is multiplied by depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

from paramgroups.errors import DepthError
from paramgroups.params import Param
from paramgroups.selectors import EMBEDDINGS

_WORDS = r"(?:layers?|blocks?|h|stages?|resblocks|resnets|cells?|units?)"
_NUMBERED = re.compile(rf"(?P<stack>(?:\w+_)?{_WORDS})_?(?P<number>\d+)")  # layer1, block3, encoder_layer_0
_STACK = re.compile(_WORDS)
_HEAD = re.compile(r"(?:\w+_)?heads?\d*|fc|classifier|score|pooler|qa_outputs|output_projection")

_TOP = 1 << 30  # above every number

Depths: TypeAlias = tuple[tuple[str, int], ...] | Callable[[Param], int]
"""Layers as a user gave them: pairs of (glob, layer), or a function."""

_Key = tuple[int, ...]  # place within the stack: (3,) of `blocks.3`, (1, 0) of `layer1.0`


def is_head(step: str) -> bool:
    """Whether a module of this name is one that gives the network's answer.

    Example:
        >>> is_head("lm_head"), is_head("classifier"), is_head("headroom")
        (True, True, False)
    """
    return _HEAD.fullmatch(step) is not None


def in_layer(path: str) -> bool:
    """Whether a module of this path is inside a numbered layer.

    Example:
        >>> in_layer("encoder.layers.0.mlp"), in_layer("layer1.conv"), in_layer("layers.0"), in_layer("head.0.mlp")
        (True, True, False, False)
    """
    above = path.split(".")[:-1]
    numbered = (each for before, step in zip(["", *above], above, strict=False) for each in (step, f"{before}_{step}"))
    return any(map(_NUMBERED.fullmatch, numbered))


def layers(params: Sequence[Param], given: Depths | None = None) -> list[int]:
    """The layer of each parameter, an int from 0 (nearest the input) without gaps when inferred.

    Args:
        params: the parameters, in the model's order.
        given: None to infer; pairs of (glob, layer), the last match winning; or a function from `Param` to a layer.

    Raises:
        DepthError: no stack of layers, or two, was found; or what was given leaves a parameter out.
    """
    if given is None:
        return _inferred(params)
    if callable(given):
        found = {param.name: given(param) for param in params}
    else:
        for glob, _ in given:
            if not any(fnmatchcase(name, glob) for param in params for name in param.names):
                owners = {param.name: type(param.module).__name__ for param in params}
                raise DepthError(f"the depth of {glob!r} was given, which matches no parameter", owners)
        matches = {p.name: [d for glob, d in given if any(fnmatchcase(n, glob) for n in p.names)] for p in params}
        missing = {name: "no depth" for name, depths in matches.items() if not depths}
        if missing:
            raise DepthError(f"the depths given leave out {len(missing)} of {len(params)} parameters", missing)
        found = {name: depths[-1] for name, depths in matches.items()}
    wrong = {
        name: repr(depth)
        for name, depth in found.items()
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 0
    }
    if wrong:
        raise DepthError("a depth must be an int of at least 0", wrong)
    return list(found.values())


def _inferred(params: Sequence[Param]) -> list[int]:
    stacks: dict[str, dict[str, _Key]] = {}
    for param in params:
        place = _place(param)
        if place is not None:
            stacks.setdefault(place[0], {})[param.name] = place[1]
    main = _main(params, stacks)
    inside = stacks[main]
    first = next(i for i, param in enumerate(params) if param.name in inside)
    low, high = (-1,), (_TOP,)
    keys = [inside.get(p.name) or (low if _is_low(p, before=i < first) else high) for i, p in enumerate(params)]
    with_inner: set[int] = set()
    for i, key in enumerate(keys):
        # What stands beside the blocks of `layers.0.blocks` is below them where it is defined before, else above.
        if len(key) > 1:
            with_inner.add(key[0])
        elif key[0] in with_inner:
            keys[i] = (key[0], _TOP)
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return [ranks[key] for key in keys]


def _main(params: Sequence[Param], stacks: dict[str, dict[str, _Key]]) -> str:
    """The one container that holds the network's layers."""
    sizes = {path: len(set(keys.values())) for path, keys in stacks.items()}
    named = [path for path in stacks if _STACK.fullmatch(path.rpartition(".")[2])]
    several = [path for path in stacks if sizes[path] > 1]
    candidates = [path for path in named if path in several] or several or named
    if not candidates:
        top = {param.name.partition(".")[0]: type(param.module).__name__ for param in params}
        raise DepthError("no numbered stack of layers was found in the model", top)
    if "" in candidates:
        return ""
    bodies = [path for path in candidates if not is_head(path.rpartition(".")[2])] or candidates
    if len(bodies) > 1 or any(sizes[path] > sizes[bodies[0]] for path in candidates):
        seen = {path: f"{size} numbered layers" for path, size in sizes.items()}
        raise DepthError(f"{len(candidates)} stacks of layers were found, and which is deeper cannot be told", seen)
    return bodies[0]


def _place(param: Param) -> tuple[str, _Key] | None:
    """The path of the stack a parameter is in, and its place there; None where no name is numbered."""
    steps = param.name.split(".")[:-1]
    for i, step in enumerate(steps):
        following = steps[i + 1 : i + 4]
        path = ".".join(steps[:i])
        if step.isdigit():
            return path, (int(step), *_second(following))
        numbered = _NUMBERED.fullmatch(step)
        if numbered:
            inner = (int(following[0]),) if following and following[0].isdigit() else ()
            return f"{path}.{numbered['stack']}".lstrip("."), (int(numbered["number"]), *inner)
    return None


def _second(following: Sequence[str]) -> _Key:
    """The inner number of `layers.0.blocks.1`: a stage of blocks is as deep as its blocks."""
    inner = len(following) > 1 and _STACK.fullmatch(following[0]) and following[1].isdigit()
    return (int(following[1]),) if inner else ()


def _is_low(param: Param, *, before: bool) -> bool:
    """Whether a parameter outside the stack belongs below it: embeddings do, heads do not, else as defined."""
    if EMBEDDINGS(param):
        return True
    return before and not any(map(is_head, param.name.split(".")))

"""Text to value and back: the reprs of schedules, selectors and rules, read without running any code.

Knows a short vocabulary and Python's expression syntax; refuses everything else by name. The way back is `repr`.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any, Final

from torch import nn

from paramgroups import schedules, selectors
from paramgroups.errors import ExpressionError, did_you_mean, nearest
from paramgroups.plan.rules import LayerDecay, Plan, Rule, Times

_LONGEST: Final = 10_000  # characters: what a person writes, and the parser cannot choke on
_DEEPEST: Final = 100  # so that no later walk over what is read, such as its repr, runs out of stack
_SELECTORS: Final = ("Kind", "Matching", "Named", "Ndim", "Within")
_CONSTANTS: Final = ("ALL", "BIASES", "EMBEDDINGS", "NORMS")
_SHAPES: Final = tuple(
    name for name in schedules.__all__ if name not in {"Duration", "Function", "Level", "Schedule"}
)  # Function holds code, and no file may
_CALLS: Final[dict[str, Callable[..., Any]]] = {
    **{name: getattr(schedules, name) for name in _SHAPES},
    **{name: getattr(selectors, name) for name in _SELECTORS},
    **{kind.__name__: kind for kind in (LayerDecay, Plan, Rule, Times)},
}
_NAMES: Final = {name: getattr(selectors, name) for name in _CONSTANTS}
_METHODS: Final = ("then", "clip", "repeat", "shift", "stretch")
_PEERS: Final = "dialects"
_LIVE: Final = "from_torch"  # takes an object that no text can name
_WRITTEN = re.compile(r"[&|~(]|[A-Z]+")


def read(text: str) -> Any:
    """The value of an expression in our vocabulary: what `repr` printed, or what a person would write in Python.

    Numbers, strings, tuples, lists and dicts; the shapes of `paramgroups.schedules` but `Function`, with `.then`,
    `.clip`, `.repeat`, `.shift` and `*`, and other libraries' as `dialects.torch.OneCycleLR(...)`; the selectors but
    `Where`, with `&`, `|`, `~`; classes as `nn.Linear`; `Times`, `Rule`, `LayerDecay` and `Plan`.

    Args:
        text: one Python expression, at most 10,000 characters.

    Raises:
        ExpressionError: it is not one, uses another name, or an argument is wrong; it says where.

    Example:
        >>> read('Warmup("5%").then(Cosine("rest", end=0.01))')
        Warmup('5%').then(Cosine('rest', end=0.01))
        >>> read("NORMS | BIASES")
        NORMS | BIASES
    """
    if len(text) > _LONGEST:
        raise ExpressionError(text, f"it has {len(text):,} characters, over {_LONGEST:,}", 0, "")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        hint = "Write it as in Python: Warmup('5%').then(Cosine('rest'))."
        raise ExpressionError(text, f"it is no Python expression ({error.msg})", error.offset or 0, hint) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(text, f"it cannot be parsed ({error})", 0, "Is it a text of a few lines?") from error
    if _depth(tree) > _DEEPEST:
        raise ExpressionError(text, f"it is nested more than {_DEEPEST} deep", 0, "Give parts of it names.")
    return _Reader(text.strip()).value(tree.body)


def read_selector(text: str) -> selectors.Selector:
    """A selector from text: an expression, or else a glob over parameter names.

    Raises:
        ExpressionError: an expression that is no selector.

    Example:
        >>> read_selector("head.*"), read_selector("NORMS & ~Within('head')")
        (Named('head.*'), NORMS & ~Within('head'))
    """
    if not _WRITTEN.search(text) or (_WRITTEN.fullmatch(text) is None and re.fullmatch(r"[\w.*?\[\]!-]+", text)):
        return selectors.Named(text)
    value = read(text)
    if not isinstance(value, (selectors.Selector, str)):
        raise ExpressionError(text, f"it is {value!r}, no selector", 0, f"Combine {_one_of(_SELECTORS + _CONSTANTS)}.")
    return selectors.selector(value)


def _depth(tree: ast.AST) -> int:
    """How deeply the nodes are nested, told without recursion."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


class _Reader:
    """Walks the syntax tree of one text; every node is either known or refused."""

    def __init__(self, text: str) -> None:
        self.text = text

    def value(self, node: ast.expr) -> Any:
        read_node = getattr(self, f"_{type(node).__name__.lower()}", None)
        if read_node is None:
            raise self._refused(
                node, f"{type(node).__name__} is not allowed here", "Only values and our own names are read."
            )
        return read_node(node)

    def _constant(self, node: ast.Constant) -> Any:
        if not isinstance(node.value, (int, float, str, type(None))):  # bool is an int
            raise self._refused(
                node, f"{node.value!r} is not allowed here", "Write a number, text, True, False or None."
            )
        if isinstance(node.value, (int, float)) and abs(node.value) > sys.float_info.max:
            raise self._refused(node, "the number is too large", "Write a finite one.")
        return node.value

    def _tuple(self, node: ast.Tuple) -> Any:
        return tuple(self.value(item) for item in node.elts)

    def _list(self, node: ast.List) -> Any:
        return [self.value(item) for item in node.elts]

    def _dict(self, node: ast.Dict) -> Any:
        if None in node.keys:
            raise self._refused(node, "** is not allowed here", "Write the entries.")
        keys = [self.value(key) for key in node.keys if key]
        if not all(isinstance(key, (str, int, float)) for key in keys):
            raise self._refused(node, "a key is neither text nor a number", "Write {'stem.*': 0, 'blocks.0.*': 1}.")
        return dict(zip(keys, map(self.value, node.values), strict=True))

    def _name(self, node: ast.Name) -> Any:
        if node.id in _NAMES:
            return _NAMES[node.id]
        hint = f"It is called: {node.id}(...)." if node.id in _CALLS else self._known(node.id)
        raise self._refused(node, f"{node.id!r} means nothing here", hint)

    def _attribute(self, node: ast.Attribute) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id == "nn":
            kind = getattr(nn, node.attr, None)
            if isinstance(kind, type) and issubclass(kind, nn.Module):
                return kind
            classes = [name for name, value in vars(nn).items() if isinstance(value, type)]
            raise self._refused(node, f"torch.nn has no module class {node.attr!r}", did_you_mean(node.attr, classes))
        raise self._refused(
            node, f".{node.attr} is not allowed here", "Classes are written nn.Linear, or by name: 'Linear'."
        )

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.USub) and isinstance(operand, (int, float)):
            return -operand
        if isinstance(node.op, ast.Invert) and isinstance(operand, selectors.Selector):
            return ~operand
        raise self._refused(
            node, f"the sign does not fit {operand!r}", "'~' goes before a selector, '-' before a number."
        )

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        try:
            if isinstance(node.op, ast.Mult) and schedules.Schedule in map(_root, (left, right)):
                return left * right
            if selectors.Selector in map(_root, (left, right)):
                if isinstance(node.op, ast.BitAnd):
                    return left & right
                if isinstance(node.op, ast.BitOr):
                    return left | right
        except (TypeError, ValueError) as error:
            raise self._refused(node, str(error)) from error
        hint = "Selectors are combined with &, | and ~, schedules with .then and *."
        raise self._refused(node, f"the operator does not fit {left!r} and {right!r}", hint)

    def _call(self, node: ast.Call) -> Any:
        called = self._callable(node.func)
        arguments = [self.value(argument) for argument in node.args]
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self._refused(node, "** is not allowed here", "Write the arguments.")
            if keyword.arg in keywords:
                raise self._refused(node, f"{keyword.arg} is given twice", "Leave one.")
            keywords[keyword.arg] = self.value(keyword.value)
        self._check_keywords(node, called, keywords)
        try:
            return called(*arguments, **keywords)
        except (TypeError, ValueError) as error:
            raise self._refused(node, str(error)) from error

    def _callable(self, node: ast.expr) -> Callable[..., Any]:
        if isinstance(node, ast.Name):
            if node.id in {"Function", "Where"}:
                raise self._refused(node, f"{node.id} holds Python code, which no file may", "Build it in Python.")
            if node.id not in _CALLS:
                raise self._refused(node, f"{node.id!r} means nothing here", self._known(node.id))
            return _CALLS[node.id]
        match node:
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id=name), attr=peer), attr=call) if name == _PEERS:
                return self._of_peer(node, peer, call)
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            if isinstance(owner, schedules.Schedule) and node.attr in _METHODS:
                return getattr(owner, node.attr)  # type: ignore[no-any-return]  # one of four methods
            raise self._refused(node, f"{owner!r} has no .{node.attr} here", did_you_mean(node.attr, _METHODS))
        raise self._refused(node, "this cannot be called", self._known(""))

    def _of_peer(self, node: ast.expr, peer: str, call: str) -> Callable[..., Any]:
        if peer not in schedules.dialects.__all__:
            hint = did_you_mean(peer, schedules.dialects.__all__)
            raise self._refused(node, f"there is no dialect {peer!r}", hint)
        module = getattr(schedules.dialects, peer)
        calls = [name for name in module.__all__ if name != _LIVE]
        if call not in calls:
            raise self._refused(node, f"dialects.{peer} has no {call!r} here", did_you_mean(call, calls))
        return getattr(module, call)  # type: ignore[no-any-return]  # one of its public names

    def _check_keywords(self, node: ast.expr, called: Callable[..., Any], keywords: dict[str, Any]) -> None:
        parameters = inspect.signature(called).parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return
        for key in keywords.keys() - parameters.keys():
            title = getattr(called, "__name__", "it")
            raise self._refused(node, f"{title} has no argument {key!r}", did_you_mean(key, parameters))

    def _known(self, word: str) -> str:
        known = [*_CALLS, *_NAMES]
        near = nearest(word, known)
        return f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(sorted(known))}."

    def _refused(self, node: ast.expr, problem: str, hint: str = "") -> ExpressionError:
        return ExpressionError(self.text, problem.rstrip("."), node.col_offset + 1, hint)


def _root(value: object) -> type | None:
    return next((kind for kind in (schedules.Schedule, selectors.Selector) if isinstance(value, kind)), None)


def _one_of(names: tuple[str, ...]) -> str:
    return ", ".join(names)

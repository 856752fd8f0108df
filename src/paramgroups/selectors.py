"""Which parameters: predicates on one `Param` that combine with `&`, `|` and `~`.

Knows names, owner modules and shapes; knows nothing of what is done with the parameters it selects.
"""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from paramgroups.errors import described
from paramgroups.params import Param, Site

Mask: TypeAlias = NDArray[np.bool_]
SiteTest: TypeAlias = Callable[[Site], bool]


class Selector(ABC):
    """Says of a parameter whether it is selected. A tied parameter is selected where any of its sites is."""

    @abstractmethod
    def __call__(self, param: Param) -> bool:
        """Whether `param` is selected."""

    @property
    @abstractmethod
    def label(self) -> str:
        """A short name for what is selected, for a rule to which nobody gave one."""

    def mask(self, params: Sequence[Param]) -> Mask:
        """Which of `params` are selected: an array of bool, one for each."""
        return np.fromiter(map(self, params), dtype=np.bool_, count=len(params))

    def __and__(self, other: Selector | str) -> Selector:
        return Both(self, selector(other))

    def __or__(self, other: Selector | str) -> Selector:
        return Either(self, selector(other))

    def __rand__(self, other: str) -> Selector:
        return Both(selector(other), self)

    def __ror__(self, other: str) -> Selector:
        return Either(selector(other), self)

    def __invert__(self) -> Selector:
        return Not(self)


def selector(value: Selector | str) -> Selector:
    """`value` itself, or the glob that a plain string is.

    Raises:
        TypeError: neither a selector nor a string; it says which selector was meant.
    """
    if isinstance(value, Selector):
        return value
    if isinstance(value, str):
        return Named(value)
    raise TypeError(f"{described(value)} selects no parameters.\n{_meant(value)}")


def _meant(value: object) -> str:
    """What to write instead of `value`, which is no selector."""
    if isinstance(value, type) and issubclass(value, nn.Module):
        return f"To select the parameters of every {value.__name__}, write {Kind(value)!r}."
    if isinstance(value, nn.Module):
        return "To select all of a module, write Within('its.path'), with the path that model.named_modules() gives it."
    if isinstance(value, Tensor):
        return "To select one parameter, write the name that model.named_parameters() gives it, 'head.weight'."
    if isinstance(value, (list, tuple, set, frozenset)) and value and all(isinstance(each, str) for each in value):
        return f"For several globs write {Named(*sorted(value) if isinstance(value, (set, frozenset)) else value)!r}."
    if callable(value):
        return "To select by a function from Param to bool, write Where(function)."
    return (
        "Pass a glob over dotted names ('head.*'), or a selector such as NORMS, "
        "Within('head'), Kind(nn.Linear), Ndim(2), Where(lambda param: ...), combined with &, | and ~."
    )


def parts(select: Selector) -> list[Selector]:
    """The selectors that `&` and `|` put together; one that is not so made is its own only part."""
    return parts(select.left) + parts(select.right) if isinstance(select, (Both, Either)) else [select]


def meaning(select: Selector) -> str:
    """What a selector looks for, in words."""
    match select:
        case Role() if select.name in _MEANINGS:
            return _MEANINGS[select.name]
        case Kind():
            return f"parameters that a module of the class itself owns ({select!r})"
        case Matching():
            return f"names in which a regular expression is found ({select!r})"
        case Ndim():
            return f"parameters by their number of dimensions ({select!r})"
    return f"parameters that {select!r} selects"


class _SiteSelector(Selector):
    """A selector that looks at one site at a time."""

    @abstractmethod
    def _test(self) -> SiteTest:
        """The predicate on one site; made once for many."""

    def __call__(self, param: Param) -> bool:
        return any(map(self._test(), param.sites))

    def mask(self, params: Sequence[Param]) -> Mask:
        sites = [site for param in params for site in param.sites]
        hits = np.fromiter(map(self._test(), sites), dtype=np.bool_, count=len(sites))
        if len(sites) == len(params):
            return hits
        starts = np.cumsum([0, *(len(param.sites) for param in params[:-1])])
        return np.logical_or.reduceat(hits, starts)


@functools.lru_cache(maxsize=1024)
def _matcher(globs: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
    return re.compile("|".join(translate(glob) for glob in globs)).match


def _texts(class_name: str, values: tuple[object, ...]) -> tuple[str, ...]:
    texts = tuple(value for value in values if isinstance(value, str) and value)
    if len(texts) != len(values) or not values:
        raise TypeError(f"{class_name}{values!r}: give one or more non-empty strings, as in {class_name}('head.*').")
    return texts


def _slug(text: str) -> str:
    """`text` reduced to what a group name may hold.

    Example:
        >>> _slug("backbone.*"), _slug("*.norm?.weight"), _slug("*")
        ('backbone', 'norm-.weight', 'all')
    """
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text.strip("*.")).strip("-.") or "all"


@final
@dataclass(frozen=True, init=False, repr=False)
class Named(_SiteSelector):
    """Parameters whose whole dotted name matches one of `globs` (case matters; `*` crosses dots).

    Example:
        >>> Named("head.*", "*.bias")
        Named('head.*', '*.bias')
    """

    globs: tuple[str, ...]

    def __init__(self, *globs: str) -> None:
        object.__setattr__(self, "globs", _texts("Named", globs))

    def __repr__(self) -> str:
        return f"Named({', '.join(map(repr, self.globs))})"

    @property
    def label(self) -> str:
        return "-or-".join(dict.fromkeys(map(_slug, self.globs)))

    def _test(self) -> SiteTest:
        match = _matcher(self.globs)
        return lambda site: match(site.name) is not None


@final
@dataclass(frozen=True)
class Matching(_SiteSelector):
    r"""Parameters in whose dotted name the regular expression `regex` is found (`re.search`).

    Raises:
        ValueError: `regex` is not a regular expression.

    Example:
        >>> Matching(r"layers\.(10|11)\.").label
        'layers-.-10-11'
    """

    regex: str

    def __post_init__(self) -> None:
        _texts("Matching", (self.regex,))
        try:
            re.compile(self.regex)
        except re.error as error:
            raise ValueError(f"Matching({self.regex!r}): not a regular expression: {error}.") from error

    @property
    def label(self) -> str:
        return _slug(self.regex)

    def _test(self) -> SiteTest:
        search = re.compile(self.regex).search
        return lambda site: search(site.name) is not None


@final
@dataclass(frozen=True, init=False, repr=False)
class Within(_SiteSelector):
    """Parameters of a module whose dotted path matches one of `globs`, and of every module below it.

    Example:
        >>> Within("encoder.layer.*")
        Within('encoder.layer.*')
    """

    globs: tuple[str, ...]

    def __init__(self, *globs: str) -> None:
        object.__setattr__(self, "globs", _texts("Within", globs))

    def __repr__(self) -> str:
        return f"Within({', '.join(map(repr, self.globs))})"

    @property
    def label(self) -> str:
        return "-or-".join(dict.fromkeys(map(_slug, self.globs)))

    def _test(self) -> SiteTest:
        return lambda site: _inside(self.globs, site.module_path)


@functools.lru_cache(maxsize=1 << 16)
def _inside(globs: tuple[str, ...], path: str) -> bool:
    return _matcher(globs)(path) is not None or (path != "" and _inside(globs, path.rpartition(".")[0]))


@final
@dataclass(frozen=True, init=False, repr=False)
class Kind(_SiteSelector):
    """Parameters owned directly by a module of one of `types`: a class, or the name of one.

    A name also finds classes that cannot be imported where the plan is written.

    Example:
        >>> Kind(nn.Linear, "LlamaRMSNorm")
        Kind(nn.Linear, 'LlamaRMSNorm')
    """

    types: tuple[type[nn.Module] | str, ...]

    def __init__(self, *types: type[nn.Module] | str) -> None:
        if not types or not all(
            isinstance(t, str) or (isinstance(t, type) and issubclass(t, nn.Module)) for t in types
        ):
            raise TypeError(f"Kind{types!r}: give one or more nn.Module classes or their names, as in Kind(nn.Linear).")
        object.__setattr__(self, "types", types)

    def __repr__(self) -> str:
        return f"Kind({', '.join(map(_type_code, self.types))})"

    @property
    def label(self) -> str:
        return "-or-".join(_slug(t if isinstance(t, str) else t.__name__).lower() for t in self.types)

    def _test(self) -> SiteTest:
        classes = tuple(kind for kind in self.types if not isinstance(kind, str))
        names = {kind for kind in self.types if isinstance(kind, str)}
        return lambda site: (
            isinstance(site.module, classes) or any(base.__name__ in names for base in type(site.module).__mro__)
        )


def _type_code(kind: type[nn.Module] | str) -> str:
    if isinstance(kind, str):
        return repr(kind)
    return f"nn.{kind.__name__}" if getattr(nn, kind.__name__, None) is kind else kind.__qualname__


@final
@dataclass(frozen=True, init=False, repr=False)
class Ndim(Selector):
    """Parameters with `exactly` so many dimensions, or `at_least` and `at_most` so many.

    Raises:
        TypeError: neither given, or `exactly` beside a bound.

    Example:
        >>> Ndim(2), Ndim(at_most=1)
        (Ndim(2), Ndim(at_most=1))
    """

    at_least: int | None
    at_most: int | None

    def __init__(self, exactly: int | None = None, *, at_least: int | None = None, at_most: int | None = None) -> None:
        bounds = (at_least, at_most)
        if (exactly is None) == (bounds == (None, None)) or any(
            isinstance(n, bool) or not isinstance(n, int | None) for n in (exactly, *bounds)
        ):
            raise TypeError(
                f"Ndim({exactly!r}, at_least={at_least!r}, at_most={at_most!r}): "
                "give either one number, Ndim(2), or bounds, Ndim(at_least=2) and Ndim(at_most=1)."
            )
        object.__setattr__(self, "at_least", at_least if exactly is None else exactly)
        object.__setattr__(self, "at_most", at_most if exactly is None else exactly)

    def __repr__(self) -> str:
        if self.at_least == self.at_most:
            return f"Ndim({self.at_least})"
        bounds = {"at_least": self.at_least, "at_most": self.at_most}
        return f"Ndim({', '.join(f'{key}={n}' for key, n in bounds.items() if n is not None)})"

    @property
    def label(self) -> str:
        return _slug(repr(self).lower())

    def __call__(self, param: Param) -> bool:
        ndim = param.ndim
        return (self.at_least is None or ndim >= self.at_least) and (self.at_most is None or ndim <= self.at_most)


@final
@dataclass(frozen=True, repr=False)
class Where(Selector):
    """Parameters for which `predicate(param)` is true; `param` has `name`, `names`, `module`, `ndim`, `numel`, ….

    Example:
        >>> def is_large(param: Param) -> bool:
        ...     return param.numel > 1_000_000
        >>> Where(is_large)
        Where(is_large)
    """

    predicate: Callable[[Param], bool]

    def __post_init__(self) -> None:
        if not callable(self.predicate):
            raise TypeError(f"Where({self.predicate!r}): give a function from Param to bool.")

    def __repr__(self) -> str:
        return f"Where({getattr(self.predicate, '__qualname__', repr(self.predicate))})"

    @property
    def label(self) -> str:
        return _slug(getattr(self.predicate, "__name__", "where"))

    def __call__(self, param: Param) -> bool:
        return bool(self.predicate(param))


_NORM = re.compile(r"Norm(\dd)?(Act|Gated|Fp32|Tlu)?(\dd)?([BS]\da?)?$")  # EvoNorm2dS0a, FilterResponseNormTlu2d, …
_BIAS = re.compile(r"bias|(\w+_)?proj_bias|bias_(ih|hh)(_l\d+(_reverse)?)?|bias_[kv]")
_FLAT_BIAS = re.compile(r".*_bias")
_EMBEDDING = re.compile(r"Embedding(Bag)?$")
_EMBEDDED = re.compile(r"(.*_)?embed(ding)?s?(_.*)?")


def _called(pattern: re.Pattern[str], module: nn.Module) -> bool:
    """Whether the name of a module's class, or of a base of it, has the pattern."""
    return _any_name(pattern, type(module))  # type: ignore[arg-type]  # a class is hashable; Module's own __hash__ misleads mypy


@functools.lru_cache(maxsize=4096)
def _any_name(pattern: re.Pattern[str], kind: type) -> bool:
    return any(pattern.search(base.__name__) for base in kind.__mro__)


def _norm(site: Site) -> bool:
    """Owned by a module whose class, or a base of it, is named as norm layers are: BatchNorm2d, T5LayerNorm, …."""
    return _called(_NORM, site.module)


def _bias(site: Site) -> bool:
    """A bias by its role: `bias`, `in_proj_bias`, `bias_ih_l0`; a one-dimensional `…_bias` of the module's own."""
    if _BIAS.fullmatch(site.attribute):
        return True
    parameter = getattr(site.module, site.attribute, None)
    return _FLAT_BIAS.fullmatch(site.attribute) is not None and parameter is not None and parameter.ndim <= 1


def _embedding(site: Site) -> bool:
    """Owned by an embedding layer, or itself an embedding: `pos_embed`, `class_embedding`."""
    return _called(_EMBEDDING, site.module) or _EMBEDDED.fullmatch(site.attribute) is not None


def _all(_: Site) -> bool:
    return True


_MEANINGS = {
    "NORMS": "norm layers, by their class (NORMS: LayerNorm, BatchNorm2d, T5LayerNorm, ...)",
    "BIASES": "biases, by their name in the module (BIASES: bias, in_proj_bias, bias_ih_l0, ...)",
    "EMBEDDINGS": "embeddings, by class or name (EMBEDDINGS: nn.Embedding, pos_embed, ...)",
}
_ROLES: dict[str, SiteTest] = {"ALL": _all, "BIASES": _bias, "EMBEDDINGS": _embedding, "NORMS": _norm}


@final
@dataclass(frozen=True, repr=False)
class Role(_SiteSelector):
    """Parameters that play one of the common roles; written as the constants ALL, BIASES, EMBEDDINGS, NORMS."""

    name: str

    def __repr__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        return self.name.lower()

    def _test(self) -> SiteTest:
        return _ROLES[self.name]


ALL = Role("ALL")
BIASES = Role("BIASES")
EMBEDDINGS = Role("EMBEDDINGS")
NORMS = Role("NORMS")


@final
@dataclass(frozen=True, repr=False)
class Both(Selector):
    """Parameters that `left` and `right` both select: `left & right`."""

    left: Selector
    right: Selector

    def __repr__(self) -> str:
        return f"{_operand(self.left, Either)} & {_operand(self.right, Either, Both)}"

    @property
    def label(self) -> str:
        return f"{self.left.label}-and-{self.right.label}"

    def __call__(self, param: Param) -> bool:
        return self.left(param) and self.right(param)

    def mask(self, params: Sequence[Param]) -> Mask:
        return self.left.mask(params) & self.right.mask(params)


@final
@dataclass(frozen=True, repr=False)
class Either(Selector):
    """Parameters that `left` or `right` selects: `left | right`."""

    left: Selector
    right: Selector

    def __repr__(self) -> str:
        return f"{self.left!r} | {_operand(self.right, Either)}"

    @property
    def label(self) -> str:
        return f"{self.left.label}-or-{self.right.label}"

    def __call__(self, param: Param) -> bool:
        return self.left(param) or self.right(param)

    def mask(self, params: Sequence[Param]) -> Mask:
        return self.left.mask(params) | self.right.mask(params)


@final
@dataclass(frozen=True, repr=False)
class Not(Selector):
    """Parameters that `inner` does not select: `~inner`."""

    inner: Selector

    def __repr__(self) -> str:
        return f"~{_operand(self.inner, Both, Either)}"

    @property
    def label(self) -> str:
        return f"not-{self.inner.label}"

    def __call__(self, param: Param) -> bool:
        return not self.inner(param)

    def mask(self, params: Sequence[Param]) -> Mask:
        return ~self.inner.mask(params)


def _operand(part: Selector, *looser: type[Selector]) -> str:
    return f"({part!r})" if isinstance(part, looser) else repr(part)

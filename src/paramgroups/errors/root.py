"""The root of the exception tree, and how a message finds the word a user meant.

Knows spelling; knows nothing of what is spelt.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields

_CLOSE = 0.6  # difflib's ratio from which a word counts as a near miss
_LOOKED_AT = 5_000  # near misses are looked for among this many names: a message must not take seconds


def nearest(word: str, candidates: Iterable[str], most: int = 3) -> list[str]:
    """The candidates closest in spelling to `word`, best first, at most `most`.

    Example:
        >>> nearest("weigth_decay", ["lr", "weight_decay", "momentum"])
        ['weight_decay']
    """
    names = list(dict.fromkeys(candidates))
    if len(names) > _LOOKED_AT:
        names = [name for name in names if name[:1] == word[:1]][:_LOOKED_AT]
    folded = {name.lower(): name for name in reversed(names)}
    return [folded[name] for name in difflib.get_close_matches(word.lower(), folded, n=most, cutoff=_CLOSE)]


def listing(names: Iterable[str], most: int = 8) -> str:
    """`'a', 'b' and 3 more`: the first names, quoted, and how many are left.

    Example:
        >>> listing(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    all_names = list(names)
    shown = ", ".join(repr(name) for name in all_names[:most])
    left = len(all_names) - most
    return f"{shown} and {left} more" if left > 0 else shown


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A sentence that offers the nearest candidates, or lists what there is.

    Example:
        >>> did_you_mean("haed", ["head", "backbone"])
        "Did you mean 'head'?"
        >>> did_you_mean("x", ["head", "backbone"])
        "There are: 'head', 'backbone'."
    """
    names = list(dict.fromkeys(candidates))
    close = nearest(word, names)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    return f"There are: {listing(names)}." if names else "There are none."


def described(value: object) -> str:
    """What was passed, in a few words: of an object its type alone, since its repr may be long.

    Example:
        >>> described("adam"), described(dict), described([1, 2])
        ("'adam'", 'the class dict', 'a list')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if value is None or isinstance(value, (str, int, float)):
        return repr(value)
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


class ParamGroupsError(Exception):
    """The root of every error this package raises on purpose."""

    def __post_init__(self) -> None:
        # An exception pickles as (class, args): the fields are its arguments.
        self.args = tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]  # leaves are dataclasses

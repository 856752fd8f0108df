"""Which saved name is which present one.

Knows names; knows nothing of what bears them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from paramgroups.errors import StateMismatchError, WrongModelError, did_you_mean, listing

Rename: TypeAlias = Mapping[str, str] | Callable[[str], str] | None
"""Saved name -> present name, of parameters or whole modules; or a function of the saved name."""


def renamed_by(names: Iterable[str], rename: Rename) -> dict[str, str]:
    """Saved name -> present name.

    Raises:
        StateMismatchError: a name to be changed is not there, or two become one.
    """
    if rename is None:
        return {name: name for name in names}
    found = {name: rename(name) for name in names} if callable(rename) else _moved(list(names), rename)
    olds = defaultdict(list)
    for old, new in found.items():
        olds[new].append(old)
    for new, several in olds.items():
        if len(several) > 1:
            raise StateMismatchError(f"rename gives {listing(several)} one name, {new!r}.", "Give each its own.")
    return found


def _moved(names: Sequence[str], rename: Mapping[str, str]) -> dict[str, str]:
    """Saved name -> present name: the longest path that is given counts, and "" is the whole model's."""
    found, used = {}, set()
    for name in names:
        path = next((path for path in _paths(name) if path in rename), None)
        used.add(path)
        found[name] = name if path is None else _joined(rename[path], name[len(path) :].lstrip("."))
    unused = [path for path in rename if path not in used]
    if unused:
        known = dict.fromkeys(path for name in names for path in _paths(name) if path)
        raise StateMismatchError(
            f"rename names {listing(unused)}, and nothing was saved under it.", did_you_mean(unused[0], sorted(known))
        )
    return found


def _paths(name: str) -> list[str]:
    """A name, and each module above it, the last of them ""."""
    steps = name.split(".")
    return [".".join(steps[:count]) for count in range(len(steps), -1, -1)]


def _joined(path: str, rest: str) -> str:
    return f"{path}.{rest}" if path and rest else path or rest


def check_model(renamed: Mapping[str, str], names: Iterable[Iterable[str]]) -> None:
    """Accept names of which one at least is here.

    Args:
        renamed: saved name -> present name.
        names: of the optimizer's parameters, group by group.

    Raises:
        WrongModelError: none is.
        StateMismatchError: something was renamed, and to nothing that is.
    """
    here = {name for own in names for name in own}
    if renamed and here.isdisjoint(renamed.values()):
        raise WrongModelError(list(renamed), sorted(here))
    changed = [new for old, new in renamed.items() if new != old]
    if changed and here.isdisjoint(changed):
        raise StateMismatchError(
            f"rename leads to {listing(changed)}, which nothing here is called.", did_you_mean(changed[0], sorted(here))
        )

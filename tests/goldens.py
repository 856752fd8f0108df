"""Tables of other libraries' values, tests/goldens/<peer>.json: what is in them, and how far ours are from them.

A script a peer, tools/goldens/<peer>.py, makes them in the peer's own environment, from nothing of ours. A table is

    {"peer": "torch", "versions": {"torch": "2.13.0"}, "cases": [
      {"call": "StepLR", "arguments": {"step_size": 2}, "base": 0.1, "values": [0.1, 0.1, 0.010000000000000002]}]}

- `values` are the peer's for a group of that base at the steps 0, 1, 2, ...: float64, every digit.
- `ends`, where a case has it, is why there are no more: the peer's own words at the step after the last.
- In arguments `{"call": name, "arguments": {...}}` is another call of the peer's, `{"function": "0.9 ** step"}` a
  function of `step`, in which `math` may be used, `{"tuple": [...]}` a tuple, `{"slice": [start, stop]}` a slice,
  and `{"mapping": [[key, value], ...]}` a mapping whose keys are not text. All else is JSON.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "goldens"
RELATIVE, OF_BASE = 1e-12, 1e-15  # |difference| <= RELATIVE * |value| + OF_BASE * |base|


@dataclass(frozen=True)
class Case:
    """One call of a peer's, and its values."""

    peer: str
    call: str
    arguments: dict[str, Any]
    base: float
    values: list[float] = field(repr=False)
    ends: str | None = None

    def __str__(self) -> str:
        return f"{self.call}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"

    def schedule(self) -> Any:
        """Ours: the function of the same name in `paramgroups.schedules.dialects.<peer>`, with the same arguments."""
        dialect = import_module(f"paramgroups.schedules.dialects.{self.peer}")

        def ours(name: str, arguments: dict[str, Any]) -> Any:
            return getattr(dialect, name)(**arguments)

        return decoded({"call": self.call, "arguments": self.arguments}, ours)

    def difference(self) -> float:
        """The largest of all steps, as a share of what would be allowed at a relative error of 1."""
        ours = self.schedule().values(len(self.values), self.base).tolist()
        assert len(ours) == len(self.values) > 0
        return max(
            abs(our - their) / (abs(their) + OF_BASE / RELATIVE * abs(self.base)) if our != their else 0.0
            for our, their in zip(ours, self.values, strict=True)
        )


def peers() -> list[str]:
    """The peers that have a table."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@lru_cache
def table(peer: str) -> dict[str, Any]:
    """A peer's table, as it is in the file."""
    found: dict[str, Any] = json.loads((FOLDER / f"{peer}.json").read_text("utf-8"))
    return found


def cases(peer: str, *calls: str) -> list[Case]:
    """What a peer's table has of these calls, or of all."""
    found = [Case(peer, **case) for case in table(peer)["cases"]]
    return [case for case in found if not calls or case.call in calls]


def decoded(value: Any, call: Callable[[str, dict[str, Any]], Any]) -> Any:  # noqa: PLR0911 - one a kind of value
    """What an argument in a table stands for, where `call` makes what the peer's name and arguments do."""
    match value:
        case {"call": name, "arguments": arguments}:
            return call(name, decoded(arguments, call))
        case {"function": text}:
            return eval(f"lambda step: {text}", {"math": math})
        case {"tuple": items}:
            return tuple(decoded(items, call))
        case {"slice": ends}:
            return slice(*ends)
        case {"mapping": pairs}:
            return {key: decoded(each, call) for key, each in pairs}
        case dict():
            return {name: decoded(each, call) for name, each in value.items()}
        case list():
            return [decoded(each, call) for each in value]
    return value

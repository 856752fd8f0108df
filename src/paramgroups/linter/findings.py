"""What a finding says, and what a check is: a code, how grave it is, and a function that looks.

Knows the form; knows nothing of what is looked at.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeAlias, TypeVar, final

Severity: TypeAlias = Literal["error", "warning", "note"]
"""It cannot have been meant; it is likely a mistake; it is worth a look."""

SubjectT = TypeVar("SubjectT")


@final
@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth a look.

    Args:
        code: which, such as `PG101`; it never changes its meaning.
        severity: `"error"`, `"warning"` or `"note"`.
        sentence: what was found.
        where: in which group, rule or schedule, by name.
        advice: what to do.

    Example:
        >>> print(Finding("PG101", "warning", "the first update has lr 0", "lr/head", "Start above 0"))
        PG101 warning lr/head: the first update has lr 0. Start above 0.
    """

    code: str
    severity: Severity
    sentence: str
    where: str
    advice: str

    def __str__(self) -> str:
        return f"{self.code} {self.severity} {self.where}: {self.sentence}. {self.advice}."


class Said(NamedTuple):
    """What a check says: the sentence, the advice, and where, if not simply in its subject."""

    sentence: str
    advice: str
    where: str = ""


@final
@dataclass(frozen=True)
class Check(Generic[SubjectT]):
    """A code, and the pure function that finds it in a subject of one kind.

    Args:
        code: `PG` and three digits, the first of which says what it is about.
        severity: of its findings.
        title: what it finds, in a few words.
        about: the class of the subjects it looks at.
        look: yields what it says of one; its docstring says why that matters.
    """

    code: str
    severity: Severity
    title: str
    about: type[SubjectT]
    look: Callable[[SubjectT], Iterator[Said]]

    @property
    def reason(self) -> str:
        """Why it matters, in one line."""
        return " ".join((inspect.getdoc(self.look) or "").split())


def finds(
    code: str, severity: Severity, title: str, about: type[SubjectT]
) -> Callable[[Callable[[SubjectT], Iterator[Said]]], Check[SubjectT]]:
    """Make a check of a function."""
    return lambda look: Check(code, severity, title, about, look)

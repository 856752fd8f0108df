"""Every check there is, by code.

Knows which there are, and how a user names some of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from paramgroups.errors import UnknownCodeError
from paramgroups.linter import about_clocks, about_groups, about_schedules, about_tutorials
from paramgroups.linter.findings import Check, Finding

CHECKS: Final[tuple[Check[Any], ...]] = tuple(
    sorted(
        (
            value
            for module in (about_schedules, about_groups, about_clocks, about_tutorials)
            for value in vars(module).values()
            if isinstance(value, Check)
        ),
        key=lambda check: check.code,
    )
)
"""In the order of their codes."""


def chosen(findings: Iterable[Finding], select: Collection[str] = (), ignore: Collection[str] = ()) -> list[Finding]:
    """The findings that a user wants to hear of.

    Args:
        findings: all of them.
        select: codes, or the first characters of several (`PG1`); without any, all are wanted.
        ignore: the same, of those that are not.

    Raises:
        UnknownCodeError: no check has such a code.

    Example:
        >>> found = [Finding("PG101", "warning", "a", "b", "c"), Finding("PG203", "warning", "a", "b", "c")]
        >>> [each.code for each in chosen(found, select=["PG1", "PG2"], ignore=["PG203"])]
        ['PG101']
    """
    known = [check.code for check in CHECKS]
    for code in (*select, *ignore):
        if not code or not any(each.startswith(code) for each in known):
            raise UnknownCodeError(code, known)
    return [
        each
        for each in findings
        if each.code.startswith(tuple(select) or "PG") and not each.code.startswith(tuple(ignore) or "-")
    ]

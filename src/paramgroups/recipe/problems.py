"""From what pydantic finds wrong to what a person is told: the path to the field, and what to do there.

Knows pydantic's errors; knows nothing of what the fields mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from paramgroups.errors import did_you_mean

Problem: TypeAlias = tuple[str, str]
"""The path to a field, and what is wrong there."""

OURS: Final = "ours"
"""The type of an error whose message is complete."""

_WANTED: Final = {  # the start of pydantic's name for an error -> what was wanted there
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "dict": "a mapping",
    "model": "a mapping of fields",
    "list": "a list",
    "too_short": "long enough: give at least one",
}


def tag(name: str) -> str:
    """A name for one of several forms of a section, which no path shows.

    Example:
        >>> path(("plan", "rules", 0, tag("rule"), "lr"))
        'plan.rules.0.lr'
    """
    return f"<{name}>"


def path(location: Iterable[int | str]) -> str:
    """The path to a field as people write it."""
    return ".".join(str(part) for part in location if not str(part).startswith("<"))


def fail_at(problems: Iterable[tuple[str, str]], given: Any) -> None:
    """Raise, inside a validator, one error for each (field, message); none where there are none."""
    lines = [
        InitErrorDetails(type=PydanticCustomError(OURS, "{message}", {"message": message}), loc=(field,), input=given)
        for field, message in problems
    ]
    if lines:
        raise ValidationError.from_exception_data("recipe", lines)


def problems_in(error: ValidationError, fields_at: Callable[[str], Iterable[str]]) -> list[Problem]:
    """What is wrong, in the order of the fields.

    Args:
        error: what pydantic raised.
        fields_at: the names of the fields of the section at a path.
    """
    return [(path(each["loc"]), _message(each, fields_at)) for each in error.errors()]


def _message(error: ErrorDetails, fields_at: Callable[[str], Iterable[str]]) -> str:
    *above, last = error["loc"] or ("",)
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        return f"there is no such field. {did_you_mean(str(last), fields_at(path(above)))}"
    if error["type"] == "missing":
        return "it is missing."
    if error["type"] == OURS:
        return str(context["message"])
    if error["type"] == "value_error":
        return str(context["error"])
    wanted = next((text for start, text in _WANTED.items() if error["type"].startswith(start)), None)
    return f"{error['input']!r} is not {wanted or error['msg'].removeprefix('Input should be ')}."

"""The leaves of a recipe: schedules, selectors and values, as text in a file and as our own objects in Python.

Knows how each is read, written and described to an editor; what a leaf is for is its section's to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from paramgroups.errors import ExpressionError
from paramgroups.expressions import read, read_selector
from paramgroups.plan import Times
from paramgroups.schedules import Duration, Schedule
from paramgroups.schedules.units import as_duration
from paramgroups.selectors import Named, Selector

LeafT = TypeVar("LeafT")

_UNCOUNTED = "a recipe's run does not count: only steps, epochs and samples."


def _reader(kind: type[LeafT], reads: Callable[[str], Any], noun: str) -> Callable[[object], LeafT]:
    """A validator: text is read, an object has to be one that text can say."""

    def leaf(given: object) -> LeafT:
        if isinstance(given, kind):
            try:
                same = reads(repr(given)) == given
            except ExpressionError as error:
                raise ValueError(f"{given!r} cannot be written to a file: {error}") from error
            if not same:
                raise ValueError(f"{given!r} cannot be written to a file: it would be read as another.")
            return given
        if not isinstance(given, str):
            raise ValueError(f"{given!r} is no {noun}; write it as text, as in Python.")  # noqa: TRY004 - as pydantic wants
        found = _read(given, reads)
        if not isinstance(found, kind):
            raise ValueError(f"{given!r} is no {noun}.")  # noqa: TRY004 - as pydantic wants
        return found

    return leaf


def _read(text: str, reads: Callable[[str], Any]) -> Any:
    """What the text says; where YAML has cut it short, that is said."""
    try:
        return reads(text)
    except ExpressionError as error:
        if text.count("(") <= text.count(")"):
            raise
        raise ValueError(f"{text!r} is cut off: inside {{ }} and [ ], YAML ends text at a comma. Quote it.") from error
    except TypeError as error:  # which pydantic would take for ours
        raise ValueError(str(error)) from error


def _read_schedule(text: str) -> Any:
    """A schedule that needs nothing to be told of a run but how many steps, epochs and samples it has."""
    found = read(text)
    if isinstance(found, Schedule) and found.driven_by_metric:
        raise ValueError(f"{text!r} follows a metric, and a recipe's run reports none; see scheduler.observe.")
    if isinstance(found, Schedule) and "token" in repr(found).lower():
        raise ValueError(f"{text!r} is in tokens, which {_UNCOUNTED}")
    return found


def _read_duration(given: object) -> Duration:
    """A moment or a length of the run, in what a recipe's run counts."""
    duration = as_duration(given, "a recipe", rest=False)
    if "token" in str(duration):
        raise ValueError(f"{given!r} is in tokens, which {_UNCOUNTED}")
    return duration


def _read_warmup(given: object) -> Duration | Schedule:
    """How an lr joins: a length, or text that calls something, which is a schedule."""
    if isinstance(given, Schedule) or (isinstance(given, str) and "(" in given):
        return _reader(Schedule, _read_schedule, "schedule")(given)  # type: ignore[type-abstract]  # none is made of it
    return _read_duration(given)


def select_text(select: Selector) -> str:
    """A selector as a person would write it: a single glob as it is, where it is taken for one."""
    if isinstance(select, Named) and len(select.globs) == 1:
        (glob,) = select.globs
        try:
            if read_selector(glob) == select:
                return glob
        except ExpressionError:
            return repr(select)
    return repr(select)


def _read_value(given: object) -> Any:
    """A hyperparameter: text that calls something is an expression, a list a tuple."""
    if isinstance(given, str) and "(" in given:
        return _read(given, read)
    if isinstance(given, (list, tuple)):
        return tuple(_read_value(item) for item in given)
    if given is None or isinstance(given, (bool, int, float, str, Times)):
        return given
    raise ValueError(f"{given!r} is no hyperparameter; give a number, a list of numbers, text or Times(0.1).")


def value_data(value: object) -> object:
    """A hyperparameter as YAML and JSON have it."""
    if isinstance(value, tuple):
        return [value_data(item) for item in value]
    return repr(value) if isinstance(value, Times) else value


ScheduleText: TypeAlias = Annotated[
    Schedule,
    PlainValidator(_reader(Schedule, _read_schedule, "schedule")),
    PlainSerializer(repr, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "description": "A schedule as in Python, such as Warmup('5%').then(Cosine('rest', end=0.01)).",
        }
    ),
]
SelectorText: TypeAlias = Annotated[
    Selector,
    PlainValidator(_reader(Selector, read_selector, "selector")),
    PlainSerializer(select_text, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "description": "A glob over parameter names, such as head.*, or a selector as in Python: NORMS | BIASES.",
        }
    ),
]
_LENGTH = "updates, or text such as '2 epochs' or '10%'"
DurationText: TypeAlias = Annotated[
    Duration,
    PlainValidator(_read_duration),
    WithJsonSchema({"type": ["integer", "string"], "description": f"A moment of the run: {_LENGTH}."}),
]
WarmupText: TypeAlias = Annotated[
    Duration | Schedule,
    PlainValidator(_read_warmup),
    PlainSerializer(lambda given: repr(given) if isinstance(given, Schedule) else given),
    WithJsonSchema(
        {
            "type": ["integer", "string"],
            "description": f"How an lr warms up: {_LENGTH}; or a schedule of factors, Linear(100, start=0.1, end=1.0).",
        }
    ),
]
Value: TypeAlias = Annotated[
    Any,
    PlainValidator(_read_value),
    PlainSerializer(value_data),
    WithJsonSchema(
        {
            "type": ["number", "boolean", "null", "array", "string"],
            "description": "A value, a list of values, or Times(0.1) to multiply the value that stands.",
        }
    ),
]

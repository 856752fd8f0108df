"""What is wrong with a schedule, with what drives an optimizer by it, or with what it was read from.

Knows only what it is handed, as plain fields; the text is made of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from paramgroups.errors.root import ParamGroupsError, did_you_mean, listing

_SHOWN = 200  # characters of a text that cannot be read


class ScheduleError(ParamGroupsError, ValueError):
    """A schedule that cannot be built, or has no value where it was asked."""


@dataclass(eq=False, repr=False)
class DurationError(ScheduleError):
    """A length that is no whole number of steps. Fields: `duration`, `where`, `problem`, `remedy`."""

    duration: object
    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.duration!r} {self.problem}.\n{self.remedy}"


@dataclass(eq=False, repr=False)
class UnresolvedDurationError(ScheduleError):
    """A schedule still has lengths relative to a run. Fields: `schedule` (its code), `durations`."""

    schedule: str
    durations: list[str]

    def __str__(self) -> str:
        return (
            f"{self.schedule} does not know yet how many steps {listing(self.durations)} is.\n"
            "Say how long the run is: Scheduler(..., horizon=Horizon(steps=...)), or "
            "schedule.resolve(Horizon(steps=...))."
        )


@dataclass(eq=False, repr=False)
class MissingBaseError(ScheduleError, TypeError):
    """A value was asked without the base it multiplies. Field: `schedule` (its code)."""

    schedule: str

    def __str__(self) -> str:
        return (
            f"{self.schedule} gives factors of a base (a group's own lr, say), and no base was given.\n"
            "Give it, schedule(step, base=3e-4), or write every level in its own unit, Absolute(3e-4)."
        )


@dataclass(eq=False, repr=False)
class CompositionError(ScheduleError, TypeError):
    """Schedules that do not fit together. Fields: `parts` (their code), `problem`, `remedy`."""

    parts: list[str]
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{' and '.join(self.parts)}: {self.problem}.\n{self.remedy}"


@dataclass(eq=False, repr=False)
class ScheduleArgumentError(ScheduleError):
    """A value no schedule can use. Fields: `name`, `value`, `where`, `allowed` (in words)."""

    name: str
    value: object
    where: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value!r} in {self.where} cannot be used.\nIt must be {self.allowed}."


@dataclass(eq=False, repr=False)
class UndefinedValueError(ScheduleError, ArithmeticError):
    """A schedule has no finite value where it was asked. Fields: `schedule` (its code), `at`, `problem`, `remedy`."""

    schedule: str
    at: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.schedule} has no value at {self.at}: {self.problem}.\n{self.remedy}"


@dataclass(eq=False, repr=False)
class UnconvertibleError(ScheduleError):
    """Another library's live scheduler that no schedule goes on from. Fields: `scheduler`, `problem`, `remedy`."""

    scheduler: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"No schedule can go on from this {self.scheduler}: {self.problem}.\n{self.remedy}"


class SchedulerError(ParamGroupsError, RuntimeError):
    """A schedule that cannot drive this optimizer."""


@dataclass(eq=False, repr=False)
class ClaimError(SchedulerError):
    """A hyperparameter of a group is driven by another scheduler. Fields: `what`, `holder`, `way_out`."""

    what: str
    holder: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.what} is already driven by {self.holder}.\n{self.way_out}"


@dataclass(eq=False, repr=False)
class UndrivenError(SchedulerError):
    """Nothing drives what was to be changed. Fields: `what`, `driven` (what is), `way_out`."""

    what: str
    driven: list[str]
    way_out: str

    def __str__(self) -> str:
        return f"This scheduler does not drive {self.what}.\nIt drives {listing(self.driven)}. {self.way_out}"


@dataclass(eq=False, repr=False)
class ClockError(SchedulerError):
    """The clock cannot be trusted. Fields: `problem`, `way_out`."""

    problem: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.problem}\n{self.way_out}"


@dataclass(eq=False, repr=False)
class ClockStalledError(ClockError):
    """`scheduler.step()` was called again and again, and no optimizer step happened. Fields as `ClockError`'s."""


@dataclass(eq=False, repr=False)
class EditError(SchedulerError):
    """A driven value was changed by hand, and the scheduler was told to forbid it, or it cannot be used.

    Fields: `what`, `value`, `expected`, `step`, `reason`.
    """

    what: str
    value: object
    expected: float
    step: int
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.what} was changed by hand from {self.expected!r} to {self.value!r} before step {self.step}: "
            f"{self.reason}.\n"
            "Write a valid value under on_edit='rebase', or say what is meant: scheduler.override(...) for a while, "
            "scheduler.rebase(...) for good."
        )


@dataclass(eq=False, repr=False)
class ScheduledValueError(SchedulerError, ValueError):
    """A schedule leads out of a hyperparameter's range.

    Fields: `what`, `schedule`, `step`, `value`, `base`, `allowed`.
    """

    what: str
    schedule: str
    step: int
    value: float
    base: float
    allowed: str

    def __str__(self) -> str:
        return (
            f"{self.schedule} gives {self.what} = {self.value!r} at step {self.step}, from the base {self.base!r}.\n"
            f"It must be {self.allowed}. A plain level is a factor of the group's base; "
            "a level in the hyperparameter's own unit is written Absolute(...)."
        )


@dataclass(eq=False, repr=False)
class StateMismatchError(SchedulerError, ValueError):
    """A saved state does not fit. Fields: `problem`, `way_out`."""

    problem: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.problem}\n{self.way_out}"


@dataclass(eq=False, repr=False)
class WrongModelError(ParamGroupsError, ValueError):
    """Nothing that was saved has the name of anything here. Fields: `saved`, `present` (names)."""

    saved: list[str]
    present: list[str]

    def __str__(self) -> str:
        return (
            f"This is another model's state: nothing in it has the name of a parameter here. It holds "
            f"{listing(self.saved)}; here are {listing(self.present)}.\n"
            "If these are the same under other names, say so: rename={'old': 'new'}, for parameters or whole modules."
        )


@dataclass(eq=False, repr=False)
class ExpressionError(ParamGroupsError, ValueError):
    """Text that is no expression of ours. Fields: `text`, `problem`, `column` (from 1, 0 unknown), `hint`."""

    text: str
    problem: str
    column: int
    hint: str

    def __str__(self) -> str:
        where = f" (column {self.column})" if self.column else ""
        text = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…"
        return "\n".join(filter(None, (f"{text!r} cannot be read{where}: {self.problem}.", self.hint)))


@dataclass(eq=False, repr=False)
class RecipeError(ParamGroupsError, ValueError):
    """A recipe with mistakes, all of them. Fields: `source` (its file or name), `problems` (path, message)."""

    source: str
    problems: list[tuple[str, str]]

    def __str__(self) -> str:
        lines = [f"{path}: {message}" if path else message for path, message in self.problems]
        if len(lines) == 1:
            return f"{self.source}: {lines[0]}"
        each = "\n".join("  " + line.replace("\n", "\n    ") for line in lines)
        return f"{self.source} has {len(lines)} mistakes.\n{each}"


@dataclass(eq=False, repr=False)
class DataError(ParamGroupsError, ValueError):
    """Files or tensors that are no data to train on. Fields: `where`, `problem`, `remedy`."""

    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where} {self.problem}.\n{self.remedy}"


@dataclass(eq=False, repr=False)
class RunError(ParamGroupsError, RuntimeError):
    """A run that cannot start or go on. Fields: `problem`, `remedy`."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}"


@dataclass(eq=False, repr=False)
class UnknownCodeError(ParamGroupsError, LookupError):
    """No check of the linter has this code, or one that starts so. Fields: `code`, `known`."""

    code: str
    known: list[str]

    def __str__(self) -> str:
        return (
            f"No check has the code {self.code!r}, or one that starts so.\n"
            f"{did_you_mean(self.code, self.known)} docs/linter.md lists them all."
        )


@dataclass(eq=False, repr=False)
class CaptureError(ParamGroupsError, RuntimeError):
    """A step that a CUDA graph cannot capture, or no longer follows. Fields: `problem`, `remedy`."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}.\n{self.remedy}"


@dataclass(eq=False, repr=False)
class MissingExtraError(ParamGroupsError, ImportError):
    """An optional dependency is not installed. Fields: `package`, `extra`, `purpose`."""

    package: str
    extra: str
    purpose: str

    def __str__(self) -> str:
        return (
            f"{self.purpose} needs {self.package!r}, which is not installed.\n"
            f"Install it with: pip install 'paramgroups[{self.extra}]'"
        )

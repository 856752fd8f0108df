"""Every mistake the package explains, and how it finds the word a user meant.

Knows no other module: what an error needs to say is handed to it as plain fields.

    ParamGroupsError
    ├── PlanError (ValueError)              a plan that cannot be put on a model
    │   ├── UnmatchedRuleError (LookupError)
    │   │   └── NothingSelectedError
    │   ├── UnknownHyperparameterError
    │   ├── HyperparameterValueError
    │   │   └── GroupRefusedError
    │   ├── NotAMatrixError
    │   ├── EmptyRuleError
    │   ├── NothingToScaleError
    │   ├── MissingHyperparameterError
    │   ├── DuplicateParameterError
    │   ├── DuplicateNameError
    │   ├── InvalidNameError
    │   ├── EmptyModelError
    │   ├── NothingToTrainError
    │   ├── NotAModelError (TypeError)
    │   ├── NotAnOptimizerError (TypeError)
    │   ├── CollidingArgumentError
    │   └── DepthError
    ├── GroupIndexError (IndexError)        looking a group up
    ├── GroupNameError (KeyError)
    ├── ParameterNameError (KeyError)
    │   └── ForeignParameterError
    ├── MixedValueError (ValueError)
    ├── UnknownModelError (LookupError)     regrouping a live optimizer
    ├── RegroupError (ValueError)
    ├── UnequalGroupsError (ValueError)
    ├── FreezeError (RuntimeError)          freezing and thawing
    ├── ScheduleError (ValueError)          a schedule that has no value
    │   ├── DurationError
    │   ├── UnresolvedDurationError
    │   ├── MissingBaseError (TypeError)
    │   ├── CompositionError (TypeError)
    │   ├── ScheduleArgumentError
    │   ├── UndefinedValueError (ArithmeticError)
    │   └── UnconvertibleError
    ├── SchedulerError (RuntimeError)       a schedule that cannot drive an optimizer
    │   ├── ClaimError
    │   ├── UndrivenError
    │   ├── ClockError
    │   │   └── ClockStalledError
    │   ├── EditError
    │   ├── ScheduledValueError (ValueError)
    │   └── StateMismatchError (ValueError)
    ├── WrongModelError (ValueError)        a state with no name that is here
    ├── ExpressionError (ValueError)        text that is not an expression of ours
    ├── RecipeError (ValueError)            a recipe with mistakes, each with its path
    ├── DataError (ValueError)              files or tensors that are no data to train on
    ├── RunError (RuntimeError)             a run that cannot start or go on
    ├── ProcessesError (RuntimeError)       processes that would not train as one
    │   ├── DisagreementError
    │   └── ReplacedParametersError (ValueError)
    ├── CaptureError (RuntimeError)         a step that a CUDA graph cannot capture or follow
    ├── UnknownCodeError (LookupError)      a code that no check of the linter has
    ├── CheckpointError (RuntimeError)      a checkpoint that cannot be written or read
    │   ├── FileAccessError (OSError)
    │   ├── UnsavableError (ValueError)
    │   ├── ForeignFileError (ValueError)
    │   ├── TruncatedFileError (ValueError)
    │   ├── DamagedFileError (ValueError)
    │   └── IncompatibleFileError (ValueError)
    └── MissingExtraError (ImportError)     an optional dependency that is absent

Facts are fields; the text is made in `__str__`, in three parts: what happened, where (by name), what to do.
"""

from paramgroups.errors.planning import (
    CollidingArgumentError,
    DepthError,
    DuplicateNameError,
    DuplicateParameterError,
    EmptyModelError,
    EmptyRuleError,
    ForeignParameterError,
    FreezeError,
    GroupIndexError,
    GroupNameError,
    GroupRefusedError,
    HyperparameterValueError,
    InvalidNameError,
    MissingHyperparameterError,
    MixedValueError,
    NotAMatrixError,
    NotAModelError,
    NotAnOptimizerError,
    NothingSelectedError,
    NothingToScaleError,
    NothingToTrainError,
    ParameterNameError,
    PlanError,
    RegroupError,
    UnequalGroupsError,
    UnknownHyperparameterError,
    UnknownModelError,
    UnmatchedRuleError,
)
from paramgroups.errors.processes import (
    DisagreementError,
    ProcessesError,
    ReplacedParametersError,
)
from paramgroups.errors.root import (
    ParamGroupsError,
    described,
    did_you_mean,
    listing,
    nearest,
)
from paramgroups.errors.running import (
    CaptureError,
    ClaimError,
    ClockError,
    ClockStalledError,
    CompositionError,
    DataError,
    DurationError,
    EditError,
    ExpressionError,
    MissingBaseError,
    MissingExtraError,
    RecipeError,
    RunError,
    ScheduleArgumentError,
    ScheduledValueError,
    ScheduleError,
    SchedulerError,
    StateMismatchError,
    UnconvertibleError,
    UndefinedValueError,
    UndrivenError,
    UnknownCodeError,
    UnresolvedDurationError,
    WrongModelError,
)
from paramgroups.errors.saving import (
    CheckpointError,
    DamagedFileError,
    FileAccessError,
    ForeignFileError,
    IncompatibleFileError,
    TruncatedFileError,
    UnsavableError,
)

__all__ = [
    "CaptureError",
    "CheckpointError",
    "ClaimError",
    "ClockError",
    "ClockStalledError",
    "CollidingArgumentError",
    "CompositionError",
    "DamagedFileError",
    "DataError",
    "DepthError",
    "DisagreementError",
    "DuplicateNameError",
    "DuplicateParameterError",
    "DurationError",
    "EditError",
    "EmptyModelError",
    "EmptyRuleError",
    "ExpressionError",
    "FileAccessError",
    "ForeignFileError",
    "ForeignParameterError",
    "FreezeError",
    "GroupIndexError",
    "GroupNameError",
    "GroupRefusedError",
    "HyperparameterValueError",
    "IncompatibleFileError",
    "InvalidNameError",
    "MissingBaseError",
    "MissingExtraError",
    "MissingHyperparameterError",
    "MixedValueError",
    "NotAMatrixError",
    "NotAModelError",
    "NotAnOptimizerError",
    "NothingSelectedError",
    "NothingToScaleError",
    "NothingToTrainError",
    "ParamGroupsError",
    "ParameterNameError",
    "PlanError",
    "ProcessesError",
    "RecipeError",
    "RegroupError",
    "ReplacedParametersError",
    "RunError",
    "ScheduleArgumentError",
    "ScheduleError",
    "ScheduledValueError",
    "SchedulerError",
    "StateMismatchError",
    "TruncatedFileError",
    "UnconvertibleError",
    "UndefinedValueError",
    "UndrivenError",
    "UnequalGroupsError",
    "UnknownCodeError",
    "UnknownHyperparameterError",
    "UnknownModelError",
    "UnmatchedRuleError",
    "UnresolvedDurationError",
    "UnsavableError",
    "WrongModelError",
    "described",
    "did_you_mean",
    "listing",
    "nearest",
]

for _error in [value for value in vars().copy().values() if isinstance(value, type)]:
    _error.__module__ = __name__  # tracebacks and pickles know an error by its public place

"""What a recipe calls by name: a built-in, or the user's own code as `module:callable`.

Knows how a name with arguments is written, and how code is found. This is the only place where a recipe leads to the
user's code being run.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from paramgroups.errors import ParamGroupsError, did_you_mean
from paramgroups.hyperparameters import of_class
from paramgroups.recipe.problems import fail_at
from paramgroups.train.data import SOURCES
from paramgroups.train.models import MODELS

_UNFIT: Final = {"LBFGS", "SparseAdam"}  # one needs a closure, the other sparse gradients; the loop has neither
OPTIMIZERS: Final[Mapping[str, type[torch.optim.Optimizer]]] = {
    name: kind
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
    and name not in _UNFIT
}  # fmt: skip


class Target(BaseModel):
    """A name, and arguments beside it. Without arguments it is written as the name alone."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        """What is given beside the name."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def is_own_code(self) -> bool:
        """Whether it is the user's, to be imported."""
        return ":" in self.name

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: object) -> object:
        return {"name": given} if isinstance(given, str) else given

    @model_serializer
    def _to_name(self) -> Any:
        return {"name": self.name, **self.arguments} if self.arguments else self.name

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        whole = {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": True,
        }
        return {"anyOf": [{"type": "string"}, whole]}


def _checked(known: Mapping[str, Callable[..., Any]], arguments_of: Callable[..., Iterable[str]], noun: str) -> Any:
    """A validator: a built-in name has to be known, and to take the arguments."""

    def check(target: Target) -> Target:
        if target.is_own_code:
            module, _, attribute = target.name.partition(":")
            if not all(part.isidentifier() for part in [*module.split("."), *attribute.split(".")]):
                raise ValueError(f"{target.name!r} is not of the form module:callable.")
        elif target.name not in known:
            hint = f"{did_you_mean(target.name, known)} Your own code is written module:callable."
            raise ValueError(f"there is no {noun} {target.name!r}. {hint}")
        else:
            taken = list(arguments_of(known[target.name]))
            wrong = [key for key in target.arguments if key not in taken]
            fail_at([(key, f"{target.name} has no such argument. {did_you_mean(key, taken)}") for key in wrong], wrong)
            _check_complete(known[target.name], target)
        return target

    return check


def _check_complete(called: Callable[..., Any], target: Target) -> None:
    """Every argument that has no default is given."""
    if isinstance(called, type) and issubclass(called, torch.optim.Optimizer):
        return  # what is missing may be in the plan
    parameters = inspect.signature(called).parameters.values()
    missing = [each.name for each in parameters if each.default is each.empty and each.name not in target.arguments]
    fail_at([(name, f"{target.name} needs it.") for name in missing], target.name)


check_model = _checked(MODELS, lambda called: inspect.signature(called).parameters, "model")
check_data = _checked(SOURCES, lambda called: inspect.signature(called).parameters, "data")
check_optimizer = _checked(OPTIMIZERS, of_class, "optimizer")


def find(name: str, known: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """The built-in `name`, or the user's own `module:callable`, imported as `python -m` in this folder would.

    Raises:
        ValueError, TypeError: it cannot be imported, or cannot be called.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon:
        return known[name]
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise ValueError(f"importing {module_name!r} from {here} raised {_short(error)}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [each for each in dir(found) if not each.startswith("_")]
            raise ValueError(f"{module_name!r} has no {attribute!r}. {did_you_mean(part, names)}")
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name} is {type(found).__name__} and cannot be called.")
    return found  # type: ignore[no-any-return]  # callable, as was just asked


def call(name: str, known: Mapping[str, Callable[..., Any]], arguments: Mapping[str, Any]) -> Any:
    """What the built-in or the user's own code returns.

    Raises:
        ParamGroupsError: as the built-in does.
        ValueError, TypeError: the code cannot be found, or raised something.
    """
    called = find(name, known)
    try:
        return called(**arguments)
    except ParamGroupsError:
        raise
    except Exception as error:
        raise ValueError(f"{name} raised {_short(error)}") from error


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"

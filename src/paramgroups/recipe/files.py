"""Recipes as text: read from YAML or from those built in, changed by overrides, validated whole, and written again.

Knows files and mappings; what the fields mean is the sections' to know.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from paramgroups.errors import RecipeError, did_you_mean
from paramgroups.recipe import sections
from paramgroups.recipe.algorithms import classes_in
from paramgroups.recipe.mistakes import Mistakes
from paramgroups.recipe.names import misnamed
from paramgroups.recipe.places import without
from paramgroups.recipe.problems import problems_in
from paramgroups.recipe.sections import Recipe

_LARGEST: Final = 1_000_000  # bytes
_SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "": Recipe,
    "plan": sections.PlanSection,
    "horizon": sections.HorizonSection,
    "pretrain": sections.PretrainSection,
    "compare": sections.CompareSection,
}  # by their paths; what is below `plan` and forbids other fields is a layer decay
_TARGETS: Final = ("model", "data", "optimizer")  # a name, or a mapping of a name and arguments
_WHERE_TO_LOOK: Final = "`paramgroups schema` prints what a recipe may hold."


def built_in() -> list[str]:
    """The names of the recipes that come with the package."""
    folder = resources.files("paramgroups") / "recipes"
    return sorted(Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".yaml"))


def load(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe in a file, or the built-in one of that name.

    Args:
        name: a path, or one of `built_in()`.
        overrides: changes such as `plan.rules.0.lr=1e-3`, each value as YAML has it.

    Raises:
        RecipeError: there is none, or it has mistakes; all of them, each with the path to its field.
    """
    return validated(data_of(name, overrides), name)


def read(text: str, source: str = "recipe", overrides: Iterable[str] = ()) -> Recipe:
    """The recipe that YAML text describes.

    Raises:
        RecipeError: it has mistakes.

    Example:
        >>> text = "{model: lenet, data: digits, optimizer: SGD, plan: {defaults: {lr: 1e-3}}, horizon: {epochs: 3}}"
        >>> read(text, overrides=["horizon.epochs=5"]).horizon.epochs
        5.0
    """
    return validated(_changed(text, source, overrides), source)


def validated(data: Mapping[str, Any], source: str = "recipe") -> Recipe:
    """The recipe that plain data describes.

    Raises:
        RecipeError: it has mistakes.
    """
    mistakes = Mistakes(source, data)
    return mistakes.settle(sound(data, mistakes))


def data_of(name: str, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """What is written in a file, or in the built-in recipe of that name, as plain data.

    Raises:
        RecipeError: there is none, it is not YAML, or an override leads nowhere.
    """
    return _changed(_text(name), name, overrides)


def sound(data: Mapping[str, Any], mistakes: Mistakes) -> Recipe | None:
    """The recipe that plain data describes without its mistakes, which are noted; None where too little is left."""
    slips = misnamed(data, classes_in(data.get("optimizer")))
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        mistakes.add(problems_in(error, _fields_at))
    finally:
        mistakes.add(slips)
    try:
        return Recipe.model_validate(without(data, mistakes.found))
    except ValidationError:
        return None


def write(recipe: Recipe) -> str:
    """YAML that reads as the same recipe, with every setting spelled out."""
    stream = io.StringIO()
    _yaml().dump(recipe.model_dump(), stream)
    return stream.getvalue()


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)  # YAML 1.2: 1e-3 is a number, a key given twice an error
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # a flag, typed as None
    yaml.width = 10_000
    return yaml


def _fields_at(path: str) -> Iterable[str]:
    section = _SECTIONS.get(path, sections.LayerDecayEntry)
    return section.model_fields


def _text(name: str) -> str:
    if name in built_in():
        return (resources.files("paramgroups") / "recipes" / f"{name}.yaml").read_text("utf-8")
    path = Path(name)
    try:
        if not path.is_file():
            hint = f"A file is given by its path, a built-in recipe by its name. {did_you_mean(path.stem, built_in())}"
            raise RecipeError(name, [("", f"there is no such recipe.\n{hint}")])
        if path.stat().st_size > _LARGEST:
            raise RecipeError(name, [("", f"it has over {_LARGEST:,} bytes, and is no recipe.")])
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(name, [("", f"it cannot be read as text ({error}).")]) from error


def _changed(text: str, source: str, overrides: Iterable[str]) -> dict[str, Any]:
    """What YAML text says, once the overrides are made."""
    data = _mapping(text, source)
    problems = [problem for override in overrides for problem in _override(data, override)]
    if problems:
        raise RecipeError(source, problems)
    return data


def _mapping(text: str, source: str) -> dict[str, Any]:
    try:
        data = _yaml().load(text)
    except YAMLError as error:
        raise RecipeError(source, [_syntax(error)]) from error
    if not isinstance(data, dict):
        found = "empty" if data is None else f"{type(data).__name__}"
        raise RecipeError(source, [("", f"a recipe is a mapping of fields, and this is {found}. {_WHERE_TO_LOOK}")])
    return data


def _syntax(error: YAMLError) -> tuple[str, str]:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    return where, f"it is not YAML: {problem}."


def _override(data: dict[str, Any], override: str) -> list[tuple[str, str]]:
    """Set what `path=value` says in the data; what is wrong with it, if anything."""
    path, equals, text = override.partition("=")
    if not equals or not path:
        return [("", f"--set {override!r} is not of the form path=value, as in plan.rules.0.lr=1e-3.")]
    try:
        value = _yaml().load(text)
    except YAMLError as error:
        return [(path, f"--set {override!r}: {_syntax(error)[1]}")]
    here: Any = data
    *above, last = path.split(".")
    for depth, part in enumerate(above):
        if isinstance(here, dict):
            inside = here.get(part)
            if depth == 0 and part in _TARGETS and isinstance(inside, str):
                inside = {"name": inside}
            here[part] = {} if inside is None else inside
            here = here[part]
        elif (place := _place(here, part)) is not None:
            here = here[place]
        else:
            return [(path, _nowhere(here, ".".join(above[:depth]), part))]
    if isinstance(here, dict):
        here[last] = value
    elif (place := _place(here, last)) is not None:
        here[place] = value
    else:
        return [(path, _nowhere(here, ".".join(above), last))]
    return []


def _place(here: Any, part: str) -> int | None:
    return int(part) if isinstance(here, list) and part.isdigit() and int(part) < len(here) else None


def _nowhere(here: Any, path: str, part: str) -> str:
    if isinstance(here, list):
        numbers = f"0 to {len(here) - 1}" if here else "none"
        return f"{path} has no entry {part}; there are {len(here)}, numbered {numbers}."
    return f"{path} is {here!r}, and has no {part} inside."

"""What is wrong with a recipe, gathered, so that a user is told all of it at once.

Knows paths and messages; where they come from is others' to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar, final

from paramgroups.errors import ParamGroupsError, RecipeError
from paramgroups.recipe.places import in_order
from paramgroups.recipe.problems import Problem

MISTAKE: Final = (ParamGroupsError, ValueError, TypeError)
"""What is raised for a mistake of the user's; anything else is ours."""

MadeT = TypeVar("MadeT")


@final
class Mistakes:
    """What is wrong with a recipe: of each field what is found first.

    Args:
        source: the recipe's file or name.
        data: the recipe as it is written.
    """

    def __init__(self, source: str, data: Mapping[str, Any]) -> None:
        self._source, self._data = source, data
        self.found: dict[str, str] = {}

    def add(self, problems: Iterable[Problem]) -> None:
        """Note these."""
        for path, message in problems:
            self.found.setdefault(path, message)

    @contextmanager
    def at(self, path: str) -> Iterator[None]:
        """Note what is wrong in trying what the field at this path says, and go on."""
        try:
            yield
        except MISTAKE as error:
            self.add([(path, str(error))])

    def settle(self, made: MadeT | None) -> MadeT:
        """What was made of the recipe, if nothing is wrong.

        Raises:
            RecipeError: something is; all of it, in the order of the file.
        """
        if made is None or self.found:
            raise RecipeError(self._source, [(path, self.found[path]) for path in in_order(self.found, self._data)])
        return made

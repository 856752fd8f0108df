"""The optional packages, and which extra brings each.

Knows their names; imports none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from paramgroups.errors import MissingExtraError

_EXTRAS: Final = {  # the top-level module as it is imported -> the extra
    "pydantic": "recipe",
    "ruamel": "recipe",
    "rich": "cli",
    "typer": "cli",
    "matplotlib": "plot",
    "plotille": "plot",
    "lightning_fabric": "train",
    "sklearn": "train",
}
_PACKAGES: Final = {"ruamel": "ruamel.yaml", "lightning_fabric": "lightning-fabric", "sklearn": "scikit-learn"}


@contextmanager
def needed_for(purpose: str) -> Iterator[None]:
    """Say what an optional package is for, around the imports of it.

    Raises:
        MissingExtraError: one is not installed; it has the command that installs it.

    Example:
        >>> with needed_for("Drawing a schedule"):
        ...     raise ModuleNotFoundError(name="matplotlib.figure")
        Traceback (most recent call last):
        paramgroups.errors.MissingExtraError: Drawing a schedule needs 'matplotlib', which is not installed.
        Install it with: pip install 'paramgroups[plot]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRAS:
            raise
        raise MissingExtraError(_PACKAGES.get(module, module), _EXTRAS[module], purpose) from error

"""What is said where an optional package is absent."""

import re
from importlib import metadata

import pytest

from paramgroups import extras
from paramgroups.errors import MissingExtraError
from paramgroups.extras import needed_for


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("matplotlib.figure", "matplotlib", "plot"),
        ("plotille", "plotille", "plot"),
        ("ruamel.yaml", "ruamel.yaml", "recipe"),
        ("sklearn.datasets", "scikit-learn", "train"),
        ("lightning_fabric", "lightning-fabric", "train"),
    ],
)
def test_an_absent_package_is_named_with_the_command_that_installs_it(module, package, extra):
    """By the name that pip knows, which may not be the module's."""
    with pytest.raises(MissingExtraError) as caught, needed_for("Drawing"):
        raise ModuleNotFoundError(name=module)
    assert str(caught.value) == (
        f"Drawing needs '{package}', which is not installed.\nInstall it with: pip install 'paramgroups[{extra}]'"
    )


def test_another_absent_module_is_not_ours_to_explain():
    """A bug in the user's own code stays what it is."""
    with pytest.raises(ModuleNotFoundError, match="elsewhere"), needed_for("Drawing"):
        raise ModuleNotFoundError("elsewhere", name="elsewhere")


def test_each_package_is_brought_by_the_extra_that_is_named():
    """The table and the package's own metadata agree."""
    wanted = [re.findall(r"^([\w.-]+).*extra == ['\"](\w+)", each) for each in metadata.requires("paramgroups") or []]
    for module, extra in vars(extras)["_EXTRAS"].items():
        package = vars(extras)["_PACKAGES"].get(module, module)
        assert [(re.sub(r"[._-]+", "-", package), extra)] in wanted

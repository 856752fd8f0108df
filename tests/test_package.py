"""What an installed paramgroups costs and promises before anything of it is used."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import paramgroups

EXTRAS = (
    "lightning",
    "lightning_fabric",
    "matplotlib",
    "numba",
    "plotille",
    "pydantic",
    "rich",
    "ruamel",
    "sklearn",
    "typer",
)


def run(*lines: str) -> str:
    """The output of a fresh interpreter that runs these lines."""
    return subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, capture_output=True, text=True).stdout


def test_importing_adds_under_50_ms_to_importing_torch():
    """The best of five fresh interpreters, each timing our import after torch's."""
    lines = (
        "import time, torch",
        "start = time.perf_counter()",
        "import paramgroups",
        "print(time.perf_counter() - start)",
    )
    assert min(float(run(*lines)) for _ in range(5)) < 0.050


def test_importing_loads_neither_torch_nor_an_extra():
    """Everything is found at its first use."""
    loaded = run("import sys, paramgroups", "print(*sys.modules)").split()
    assert "paramgroups" in loaded
    assert not {"torch", "numpy", *EXTRAS} & set(loaded)


def test_no_public_name_needs_an_extra():
    """With every extra absent, each public name can still be had: extras are imported where they are used."""
    lines = (
        "import sys, paramgroups",
        f"sys.modules.update(dict.fromkeys({EXTRAS!r}))",
        "print(*(name for name in paramgroups.__all__ if getattr(paramgroups, name) is not None))",
    )
    assert run(*lines).split() == paramgroups.__all__


def test_schedules_work_without_torch():
    """Schedules are pure functions of time: they import, and give values, where torch cannot be imported."""
    lines = (
        "import sys",
        "sys.modules['torch'] = None",
        "import paramgroups.schedules as schedules",
        "import paramgroups as pg",
        "print(pg.schedules is schedules, pg.Cosine(10)(0, 2.0))",
    )
    assert run(*lines).split() == ["True", "2.0"]


def test_the_version_is_written_once():
    """`__version__`, the installed metadata and pyproject.toml agree."""
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    (written,) = re.findall(r'^version = "(.+)"$', pyproject.read_text("utf-8"), re.MULTILINE)
    assert paramgroups.__version__ == metadata.version("paramgroups") == written


def test_the_package_is_typed():
    """Type checkers read our annotations."""
    assert (Path(paramgroups.__path__[0]) / "py.typed").is_file()

"""The shape of the code: import ranks, mirrored tests, public names, hygiene."""

import ast
import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

import paramgroups

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "paramgroups"
TESTS = ROOT / "tests"

# At module level a module imports only lower ranks or its own subpackage.
RANKS = {
    "errors": -1,  # below all: everything may explain its mistakes
    "collector": 0,
    "extras": 0,
    "params": 0,
    "tables": 0,
    "hyperparameters": 1,
    "kernels": 1,
    "schedules": 1,
    "selectors": 1,
    "plan": 2,
    "views": 2,
    "clock": 3,
    "copies": 3,
    "journal": 3,
    "lanes": 3.5,  # a lane takes the journal's entries into account
    "claims": 3.7,  # a claim makes lanes
    "driver": 3.9,  # and a driver has all of these
    "inheritance": 3.7,  # and a past is read off lanes
    "expressions": 3,
    "optim": 3,
    "plans": 3,
    "build": 4,
    "scheduler": 4,
    "arrangement": 4,  # what a regrouping comes to, in the hands of drivers
    "freezing": 5,
    "linter": 5,
    "pictures": 5,
    "regroup": 5,
    "reports": 5,
    "state": 5,
    "integrations": 6,
    "train": 6,  # runs a job, which is made of plain objects
    "recipe": 6.5,  # text to a job: it knows what train has to offer, and train nothing of text
    "cli": 7,
}

# Facade methods: (module, what it may import upward, inside a function only).
FACADES = {
    ("plan.rules", "build"),  # Plan.build
    ("plan.rules", "regroup"),  # Plan.apply
}

UNMIRRORED = {
    "test_architecture",
    "test_dialects",
    "test_docs",
    "test_events",
    "test_examples",
    "test_laws",
    "test_package",
    "test_resuming",
    "test_several",
    "test_trainers",
}
MOST_LINES = 500
MOST_NAMES = 40
MACHINE_PATH = re.compile(r"(?<![\w.\-])/(home|root|tmp|work)/")


def dotted(path: Path) -> str:
    """`plan.rules` for src/paramgroups/plan/rules.py; a package bears its folder's name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py")) if dotted(path)}
PACKAGES = [name for name, path in MODULES.items() if path.stem == "__init__"]


class Imports(ast.NodeVisitor):
    """The top-level parts of paramgroups that a module imports: `found` at module level, `lazy` inside functions.

    A part is '' where the package itself is imported, or a lazy public name from it.
    """

    def __init__(self, module: str) -> None:
        self.here = ["paramgroups", *module.split(".")]
        if module not in PACKAGES:
            self.here.pop()
        self.found: set[str] = set()
        self.lazy: set[str] = set()
        self.into = self.found

    def visit_If(self, node: ast.If) -> None:
        only_types = ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        for child in node.orelse if only_types else ast.iter_child_nodes(node):
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outside, self.into = self.into, self.lazy
        self.generic_visit(node)
        self.into = outside

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - ast's naming

    def visit_Import(self, node: ast.Import) -> None:
        self.note(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.here[: len(self.here) - node.level + 1] if node.level else []
        origin = [*above, *filter(None, [node.module])]
        self.note(".".join([*origin, alias.name]) for alias in node.names)

    def note(self, targets: Iterable[str]) -> None:
        """Keep the parts of the targets that are ours."""
        for root, *parts in (target.split(".") for target in targets):
            if root == "paramgroups":
                self.into.add(parts[0] if parts and parts[0] in RANKS else "")


def forbidden_imports(source: str, module: str) -> list[str]:
    """The parts of the package that a module imports and may not."""
    imports = Imports(module)
    imports.visit(ast.parse(source))
    own = module.partition(".")[0]
    allowed = {own, *(part for part, rank in RANKS.items() if rank < RANKS[own])}
    facades = {part for facade, part in FACADES if facade == module}
    return sorted((imports.found - allowed) | (imports.lazy - allowed - facades))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_lower_ranks_or_its_own_subpackage(module):
    """Ranks hold for every import that runs; only facade methods import upward, inside the function."""
    assert module.partition(".")[0] in RANKS, f"{module} has no rank: give it one in RANKS"
    assert forbidden_imports(MODULES[module].read_text("utf-8"), module) == []


@pytest.mark.parametrize(
    ("module", "source", "allowed"),
    [
        ("views", "from paramgroups.params import Param", True),
        ("views", "from paramgroups import errors", True),
        ("views", "import paramgroups.plan", False),
        ("views", "from .plan import Plan", False),
        ("views", "from paramgroups import Plan", False),
        ("views", "class A:\n    import paramgroups.build", False),
        ("views", "def f():\n    from paramgroups.build import groups", False),
        ("views", "if TYPE_CHECKING:\n    from paramgroups.build import groups", True),
        ("views", "if not TYPE_CHECKING:\n    from paramgroups.build import groups", False),
        ("views", "if TYPE_CHECKING:\n    pass\nelse:\n    from paramgroups.build import groups", False),
        ("plan.rules", "from .cascade import resolve", True),
        ("plan.rules", "from ..views import view", False),
        ("plan.rules", "def f():\n    from paramgroups.build import build", True),
        ("plan.rules", "from paramgroups.build import build", False),
    ],
)
def test_the_rank_rule_sees_every_kind_of_import(module, source, allowed):
    """The rule above is not vacuous: absolute, relative, nested and type-only imports are told apart."""
    assert (forbidden_imports(source, module) == []) is allowed


def test_every_folder_of_the_package_is_a_package():
    """A folder without __init__.py would be left out of tools that walk packages."""
    assert [path for path in PACKAGE.rglob("*.py") if not (path.parent / "__init__.py").exists()] == []


def test_every_module_has_a_test_and_every_test_a_module():
    """src/paramgroups/a/b.py is tested by tests/a/test_b.py, and nothing else is in tests/ but the named few."""
    wanted = {
        path.relative_to(PACKAGE).with_name(f"test_{path.name}")
        for name, path in MODULES.items()
        if name not in PACKAGES
    }
    found = {path.relative_to(TESTS) for path in TESTS.rglob("test_*.py") if path.stem not in UNMIRRORED}
    assert sorted(map(str, wanted - found)) == [], "modules without a test"
    assert sorted(map(str, found - wanted)) == [], "tests without a module"


def ruff_order(name: str) -> tuple[int, str]:
    """The order that ruff gives `__all__`: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


@pytest.mark.parametrize("name", ["", *PACKAGES])
def test_all_is_complete_sorted_and_importable(name):
    """Each package's `__all__` is every public name it binds, in ruff's order, and each is there."""
    package = importlib.import_module(f"paramgroups.{name}".rstrip("."))
    assert package.__all__ == sorted(set(package.__all__), key=ruff_order)
    assert [public for public in package.__all__ if not hasattr(package, public)] == []
    ours = {public for public, value in vars(package).items() if is_ours(value) and not public.startswith("_")}
    assert ours <= set(package.__all__)


def is_ours(value: object) -> bool:
    """Whether a value is of this package, and not one of its modules."""
    return not isinstance(value, ModuleType) and getattr(value, "__module__", "").startswith("paramgroups")


def test_the_lazy_table_is_what_type_checkers_see():
    """The runtime table, the imports under TYPE_CHECKING and `__all__` name the same things."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: str(node.module).removeprefix("paramgroups").lstrip(".")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {**vars(paramgroups)["_HOME"], **dict.fromkeys(vars(paramgroups)["_SUBMODULES"], "")}
    assert {*vars(paramgroups)["_HOME"], "__version__"} == set(paramgroups.__all__)


def test_the_top_level_is_small():
    """A user can read the list of public names in one look."""
    assert len([name for name in paramgroups.__all__ if not name.startswith("_")]) <= MOST_NAMES


def test_no_submodule_shadows_a_public_name():
    """With every submodule imported, each public name is still what it was: no module has taken its place."""
    for found in pkgutil.walk_packages(paramgroups.__path__, "paramgroups."):
        importlib.import_module(found.name)
    values = {name: getattr(paramgroups, name) for name in paramgroups.__all__}
    assert [name for name, value in values.items() if isinstance(value, ModuleType)] == []
    assert [name for name, value in values.items() if not (callable(value) or isinstance(value, str))] == []


def test_an_unknown_name_is_an_attribute_error_and_dir_lists_the_public_ones():
    """The lazy package answers as an ordinary module does."""
    with pytest.raises(AttributeError, match=r"module 'paramgroups' has no attribute 'Plam'"):
        _ = paramgroups.Plam  # type: ignore[attr-defined]  # that is the point
    assert {*paramgroups.__all__, "errors", "schedules"} <= set(dir(paramgroups))


def test_no_module_hides_a_standard_one_or_is_a_drawer():
    """What stands on the import path bears no standard module's name; nothing is called utils, helpers or misc."""
    roots = [PACKAGE.parent, TESTS, ROOT / "bench", ROOT / "tools"]
    on_path = {path.stem for root in roots if root.exists() for path in root.iterdir()}
    assert "paramgroups" in on_path
    assert on_path & sys.stdlib_module_names == set()
    stems = {path.stem for root in roots for path in root.rglob("*.py")}
    assert stems & {"helper", "helpers", "misc", "util", "utils"} == set()


def test_no_source_is_too_long():
    """A module is split before 500 lines."""
    sources = [path for folder in ("src", "tests", "bench", "tools") for path in (ROOT / folder).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in sources}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="needs a git checkout")
def test_no_tracked_text_names_a_path_of_some_machine():
    """Nothing in the repository depends on where, or on whose machine, it was written."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0")
    paths = [ROOT / name for name in names if name and (ROOT / name).is_file()]
    assert Path(__file__) in paths
    text = {path: path.read_bytes().decode("utf-8", errors="replace") for path in paths}
    assert [str(path.relative_to(ROOT)) for path in paths if MACHINE_PATH.search(text[path])] == []

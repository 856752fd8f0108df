"""The root of the tree and the search for near misses."""

import pickle

import pytest

import paramgroups.errors
from paramgroups.errors import ParamGroupsError, described, did_you_mean, listing, nearest

ERRORS = [v for v in vars(paramgroups.errors).values() if isinstance(v, type) and issubclass(v, Exception)]
FAMILIES = {"ParamGroupsError", "PlanError", "ScheduleError", "ProcessesError", "SchedulerError"}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_the_root_and_a_builtin_above_it(error):
    """`except ParamGroupsError` catches all of them, and so does the builtin a user would think of."""
    assert issubclass(error, ParamGroupsError)
    builtins = [base for base in error.__mro__ if base.__module__ == "builtins" and base not in {Exception, object}]
    assert builtins[:-1] or error is ParamGroupsError


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_drawn_in_the_tree_under_its_parent(error):
    """The picture in the docstring is the class tree, builtins included."""
    lines = (paramgroups.errors.__doc__ or "").splitlines()
    drawn = [line for line in lines if line.lstrip("│├└─ ").partition(" ")[0] == error.__name__]
    assert len(drawn) == 1, f"{error.__name__} is drawn {len(drawn)} times"
    own = [base.__name__ for base in error.__bases__ if base.__module__ == "builtins" and base is not Exception]
    assert all(f"({name})" in drawn[0] for name in own)
    if error is not ParamGroupsError:
        indent = drawn[0].index(error.__name__)
        above = [line for line in lines[: lines.index(drawn[0])] if 0 < len(line) - len(line.lstrip("│├└─ ")) < indent]
        assert error.__bases__[0].__name__ in above[-1]


def test_the_tree_draws_nothing_else():
    """Every name in the picture is an error of the package."""
    lines = [line for line in (paramgroups.errors.__doc__ or "").splitlines() if line.startswith("    ")]
    assert {line.lstrip("│├└─ ").partition(" ")[0] for line in lines} == {error.__name__ for error in ERRORS}


def test_families_only_are_raised_by_no_one():
    """What has no fields is a name to catch by; every leaf has facts."""
    assert {error.__name__ for error in ERRORS if "__dataclass_fields__" not in vars(error)} <= FAMILIES | {
        "ClockStalledError"
    }


def test_an_error_pickles_and_says_where_it_is_from():
    """Worker processes hand errors over; a traceback names the public module."""
    error = paramgroups.errors.GroupNameError("haed", ["head"], ["no_decay"])
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.name, again.groups) == (str(error), "haed", ["head"])
    assert type(error).__module__ == "paramgroups.errors"


@pytest.mark.parametrize(
    ("word", "candidates", "found"),
    [
        ("weigth_decay", ["lr", "weight_decay", "momentum"], ["weight_decay"]),
        ("LR", ["lr", "eps"], ["lr"]),
        ("zzz", ["lr"], []),
        ("lr", [], []),
        ("layer1", ["layer2", "layer3", "layer4", "layer5"], ["layer5", "layer4", "layer3"]),
    ],
)
def test_nearest_finds_near_misses_best_first(word, candidates, found):
    """Case does not matter, at most three are offered, and what is far off is not."""
    assert nearest(word, candidates) == found


def test_nearest_is_quick_among_very_many_names():
    """A message over 50,000 parameter names still looks at a few thousand only."""
    names = [f"layer{i}.weight" for i in range(50_000)]
    assert nearest("layer1.weigth", names)[0] == "layer1.weight"


def test_a_hint_offers_lists_or_admits_there_is_nothing():
    """The three shapes of a did-you-mean; a name in two lists is listed once."""
    assert did_you_mean("haed", ["head", "tail"]) == "Did you mean 'head'?"
    assert did_you_mean("x", ["head", "tail", "head"]) == "There are: 'head', 'tail'."
    assert did_you_mean("x", []) == "There are none."
    assert listing(map(str, range(20)), most=2) == "'0', '1' and 18 more"


def test_an_object_is_described_by_its_type():
    """A repr may be many lines long; a word is shown as it is."""
    assert [described(value) for value in ("adam", None, 3, OSError, [1])] == [
        "'adam'",
        "None",
        "3",
        "the class OSError",
        "a list",
    ]
    assert described(OSError()) == "an OSError"

"""The text of each error about checkpoint files: what, where, what to do."""

import pickle

import pytest

from paramgroups import errors

KINDS = [
    errors.CheckpointError,
    errors.DamagedFileError,
    errors.FileAccessError,
    errors.ForeignFileError,
    errors.IncompatibleFileError,
    errors.TruncatedFileError,
    errors.UnsavableError,
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_says_what_where_and_what_to_do(kind):
    """The whole text, word for word; also after pickling, which OSError does in its own way."""
    error = kind("state.pt", "is damaged", "Read a copy.")
    again = pickle.loads(pickle.dumps(error))
    assert str(error) == str(again) == "state.pt is damaged.\nRead a copy."
    assert (again.path, again.problem, again.remedy) == ("state.pt", "is damaged", "Read a copy.")


def test_every_error_of_the_module_is_in_the_table():
    """No text goes untested."""
    here = {kind for kind in vars(errors.saving).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert here - {*KINDS} == {errors.ParamGroupsError}

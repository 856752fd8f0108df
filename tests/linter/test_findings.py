"""What a finding says."""

from collections.abc import Iterator

import pytest

from paramgroups.linter import Check, Finding
from paramgroups.linter.findings import Said, finds


def test_a_finding_is_one_line_with_everything():
    """Code, severity, where, the sentence and the advice, which end as sentences do."""
    finding = Finding("PG101", "warning", "it starts at 0", "lr/head", "Start above 0")
    assert str(finding) == "PG101 warning lr/head: it starts at 0. Start above 0."


def test_a_finding_is_a_value():
    """Frozen, and equal where it says the same."""
    finding = Finding("PG101", "warning", "it starts at 0", "lr", "Start above 0")
    assert finding == Finding("PG101", "warning", "it starts at 0", "lr", "Start above 0")
    assert len({finding, finding}) == 1
    with pytest.raises(AttributeError):
        finding.code = "PG102"  # type: ignore[misc]  # that is the point


def test_a_check_is_made_of_a_function_and_its_reason_of_the_docstring():
    """In one line, whatever lines it has."""

    @finds("PG999", "note", "a number above 3", int)
    def large(number: int) -> Iterator[Said]:
        """It is large.

        Not told of
        others.
        """
        if number > 3:
            yield Said(f"it is {number}", "Take less")

    assert isinstance(large, Check)
    assert (large.code, large.severity, large.title, large.about) == ("PG999", "note", "a number above 3", int)
    assert large.reason == "It is large. Not told of others."
    assert list(large.look(4)) == [Said("it is 4", "Take less")]
    assert list(large.look(3)) == []

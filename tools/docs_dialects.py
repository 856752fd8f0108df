"""Write the table in docs/dialects.md: how far each dialect is from its peer's own values.

python -m tools.docs_dialects
"""

import math
import re
from pathlib import Path

from tests import goldens

PAGE = Path(__file__).parents[1] / "docs" / "dialects.md"
TABLE = re.compile(r"(<!-- python -m tools\.docs_dialects -->\n).*?(<!-- end -->)", re.DOTALL)
HEADERS = ("library", "held against", "call", "argument sets", "values", "largest difference")


def version(peer):
    """What the values are from: the first that the table names."""
    name, found = next(iter(goldens.table(peer)["versions"].items()))
    return f"{name} {found}"


def bound(difference):
    """A power of ten that it is not above, for its digits are those of one machine."""
    return f"10^{math.ceil(math.log10(difference))}" if difference else "none"


def row(peer, call):
    """A call of a peer, and all its cases."""
    cases = goldens.cases(peer, call)
    largest = max(case.difference() for case in cases)
    values = sum(len(case.values) for case in cases)
    return (peer, version(peer), f"`{call}`", str(len(cases)), f"{values:,}", bound(largest))


def rows():
    calls = [(peer, call) for peer in goldens.peers() for call in sorted({case.call for case in goldens.cases(peer)})]
    return [row(peer, call) for peer, call in calls]


def table():
    lines = [HEADERS, ["---"] * len(HEADERS), *rows()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def page():
    """The page with the table as it is now."""
    text, found = TABLE.subn(lambda match: f"{match[1]}\n{table()}\n\n{match[2]}", PAGE.read_text("utf-8"))
    assert found == 1, "the page has no place for the table"
    return text


def main():
    PAGE.write_text(page(), "utf-8")
    print(f"wrote docs/{PAGE.name}")


if __name__ == "__main__":
    main()

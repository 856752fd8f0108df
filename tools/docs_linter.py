"""Write the tables of codes in docs/linter.md: what each check finds, and why that matters, as the checks say it.

python -m tools.docs_linter
"""

from pathlib import Path

from paramgroups.linter import CHECKS

PAGE = Path(__file__).parents[1] / "docs" / "linter.md"
START, END = "<!-- python -m tools.docs_linter -->\n", "<!-- end -->"
TITLES = {"PG1": "Schedules", "PG2": "Groups and rules", "PG3": "Clocks", "PG4": "What tutorials teach"}


def table(hundred):
    own = [check for check in CHECKS if check.code.startswith(hundred)]
    rows = [(check.code, check.severity, check.title, check.reason) for check in own]
    cells = [("code", "severity", "what is found", "why, and what is not told"), ("---",) * 4, *rows]
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells]
    return "\n".join([f"### {TITLES[hundred]}", "", *lines])


def page():
    """The page with the tables as they are now."""
    before, start, after = PAGE.read_text("utf-8").partition(START)
    _, end, rest = after.partition(END)
    assert end, "the page has no place for the tables"
    tables = "\n\n".join(table(hundred) for hundred in dict.fromkeys(check.code[:3] for check in CHECKS))
    return f"{before}{start}\n{tables}\n\n{end}{rest}"


def main():
    PAGE.write_text(page(), "utf-8")
    print(f"wrote docs/{PAGE.name}")


if __name__ == "__main__":
    main()

"""Write docs/images/thaw.png: the groups of the built-in recipe digits-thaw over time.

python -m tools.docs_freezing
"""

from pathlib import Path

from paramgroups.pictures import plot
from paramgroups.recipe import outline

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Draw it."""
    path = ROOT / "docs" / "images" / "thaw.png"
    plot(outline("digits-thaw"), path=path)
    print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

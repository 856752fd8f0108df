"""Write the table of shapes in docs/schedules.md: what each is, from its docstring, and how it behaves, by an example.

python -m tools.docs_shapes
"""

import inspect
import re
from dataclasses import MISSING, fields, replace
from pathlib import Path

import numpy as np

from paramgroups import schedules as s

PAGE = Path(__file__).parents[1] / "docs" / "schedules.md"
TABLE = re.compile(r"(<!-- python -m tools\.docs_shapes -->\n).*?(<!-- end -->)", re.DOTALL)
FOR_EVER = 1000  # steps of what never ends


def halving(step):
    return 0.5 ** (step / 10)


EXAMPLES = (
    s.Constant(0.5),
    s.Linear(100),
    s.Warmup(99),
    s.Cosine(100),
    s.Polynomial(100, power=2),
    s.Exponential(100, end=0.01),
    s.Logarithmic(100),
    s.Tanh(100),
    s.Cooldown(100),
    s.InverseSqrt(100),
    s.WarmupStableDecay(100, warmup=9, cooldown=20),
    s.OneCycle(100),
    s.Cyclic(10, start=0.1),
    s.CosineRestarts(20, growth=2),
    s.MultiStep((30, 60)),
    s.Piecewise({0: 0.0, 10: 1.0, 100: 0.1}),
    s.Table([1.0, 0.7, 0.1], every=10),
    s.Noise(0.1),
    s.Derived(s.Linear(100), power=2),
    s.Function(halving),
    s.Plateau(0.5, patience=0, observed=[(10, 1.0), (20, 1.0)]),
)
HEADERS = ("shape", "value at step t", "for example", "its range", "monotone", "affine in the base", "after its end")


def call(kind):
    """`Cosine(steps, *, start=1.0, end=0.0)`; without the fields that say where a Plateau stands."""
    ours = [field for field in fields(kind) if field.name not in {"reductions", "best", "bad", "resting"}]
    given = [field.name if field.default is MISSING else f"{field.name}={field.default!r}" for field in ours]
    by_keyword = [field.kw_only for field in ours]
    if any(by_keyword):
        given.insert(by_keyword.index(True), "*")
    return f"`{kind.__name__}({', '.join(given)})`"


def formula(kind):
    """The indented lines of the docstring before its first section, each as code."""
    text = inspect.getdoc(kind).partition("\nArgs:")[0]
    lines = [" ".join(line.split()) for line in text.splitlines() if line.startswith("    ")]
    return "<br>".join(f"`{line}`" for line in lines)


def levels(schedule):
    return {name: level for name, kind, level in schedule._typed() if kind == "Level"}


def seen(schedule):
    return schedule.values((schedule.length or FOR_EVER) + 1, base=1.0)


def monotone(schedule):
    changes = np.diff(seen(schedule))
    return "yes" if (changes >= -1e-14).all() or (changes <= 1e-14).all() else "no"


def affine(schedule):
    """Whether it stays affine where one of several levels is absolute."""
    several = list(levels(schedule))
    mixed = replace(schedule, **{several[-1]: s.Absolute(0.5)}) if len(several) > 1 else schedule
    return "yes" if mixed.affine else "unless levels mix"


def afterwards(schedule):
    if schedule.length is None:
        limits = [f"`{field.name}`" for field in fields(schedule) if field.name in {"steps", "cycles"}]
        return f"has none, unless given {limits[0]}" if limits else "has none"
    last = schedule(schedule.length, base=1.0)
    named = next((name for name, level in levels(schedule).items() if level == last), None)
    return f"holds `{named}`" if named else f"holds {last:.3g}"


def row(schedule):
    kind, values = type(schedule), seen(schedule)
    span = f"{values.min():.3g} … {values.max():.3g}" if values.min() < values.max() else f"{values[0]:.3g}"
    behaviour = (span, monotone(schedule), affine(schedule), afterwards(schedule))
    return (call(kind), formula(kind), f"`{schedule!r}`", *behaviour)


def table():
    rows = [HEADERS, ["---"] * len(HEADERS), *map(row, EXAMPLES)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in rows)


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

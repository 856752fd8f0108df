"""Write docs/gallery.md and its pictures: every shape of the table in docs/schedules.md, and how shapes combine.

python -m tools.docs_gallery
"""

import inspect
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from paramgroups import schedules as s
from tools.docs_shapes import EXAMPLES, call, formula

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "gallery.md"
PICTURES = DOCS / "images" / "gallery"
STEPS = 120  # in every picture, so that they can be compared
LINE, GREY = "#3d8bd9", "#808890"  # both are read on white and on black
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "paramgroups",
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
}

INTRODUCTION = """\
# Gallery

<!-- python -m tools.docs_gallery writes this page -->

Every shape over the first {steps} steps, at base 1: what it is, its formula, and the line of code that is drawn. A
dotted line is where it ends; what comes after is held. How each behaves is in a [table](schedules.md#shapes). Draw your
own with `pg.plot(schedule)`.

```python
from paramgroups.schedules import (
{names}
)
```
"""

COMBINED = {
    "One after the other": s.Warmup(20).then(s.Constant(steps=50)).then(s.Cooldown(30)),
    "Multiplied": s.Cosine(100) * s.Noise(0.1, seed=7),
    "Repeated": s.Cosine(25).repeat(4),
    "Clipped": (s.Warmup(10) * s.InverseSqrt(10)).clip(low=0.4),
    "Shifted": s.Linear(80, start=0.0, end=1.0).shift(-20),
    "Stretched": s.Cosine(60).stretch(at=30, old=60, new=100),
}


def slug(title):
    return title.lower().replace(" ", "-")


def sentence(kind):
    """The first of the docstring."""
    return " ".join(inspect.getdoc(kind).partition("\n\n")[0].split())


def code(schedule):
    """The line that makes the schedule, after the function it needs."""
    function = f"{inspect.getsource(schedule.function)}\n\n" if isinstance(schedule, s.Function) else ""
    return f"```python\n{function}schedule = {schedule!r}\n```"


def section(title, *paragraphs):
    picture = f"![{title}](images/gallery/{slug(title)}.svg)"
    return "\n\n".join([f"### {title}", *paragraphs[:1], picture, *paragraphs[1:]])


def shape(schedule):
    kind = type(schedule)
    return section(kind.__name__, sentence(kind), f"{call(kind)}<br>{formula(kind)}", code(schedule))


def combination(title, schedule):
    return section(title, code(schedule))


def text():
    """The page."""
    names = "\n".join(f"    {name}," for name in sorted({type(schedule).__name__ for schedule in EXAMPLES}))
    return (
        "\n\n".join(
            [
                INTRODUCTION.format(steps=STEPS, names=names).rstrip(),
                "## Shapes",
                *map(shape, EXAMPLES),
                "## Combined",
                *(combination(title, schedule) for title, schedule in COMBINED.items()),
            ]
        )
        + "\n"
    )


def drawn(schedule):
    """A small figure without a background: the curve, and where it ends."""
    figure = Figure(figsize=(4.4, 1.7), layout="constrained")
    axes = figure.subplots()
    axes.axhline(1, color=GREY, alpha=0.3, linewidth=0.6)
    if schedule.length is not None:
        axes.axvline(schedule.length, color=GREY, linestyle=":", linewidth=1)
    steps = np.arange(STEPS + 1)
    axes.plot(steps, schedule.values(steps, 1.0), color=LINE, linewidth=2, solid_capstyle="round")
    axes.set(xlim=(0, STEPS), ylim=(-0.02, 1.15), xticks=range(0, STEPS + 1, 20), yticks=(0, 0.5, 1))
    axes.tick_params(colors=GREY, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    return figure


def pictures():
    """File -> the schedule that it shows."""
    shapes = {type(schedule).__name__: schedule for schedule in EXAMPLES}
    return {PICTURES / f"{slug(title)}.svg": schedule for title, schedule in {**shapes, **COMBINED}.items()}


def main():
    PICTURES.mkdir(parents=True, exist_ok=True)
    for path, schedule in pictures().items():
        with mpl.rc_context(STYLE):
            drawn(schedule).savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
        path.write_text("".join(f"{line.rstrip()}\n" for line in path.read_text("utf-8").splitlines()), "utf-8")
    PAGE.write_text(text(), "utf-8")
    print(f"wrote docs/{PAGE.name} and {len(pictures())} pictures")


if __name__ == "__main__":
    main()

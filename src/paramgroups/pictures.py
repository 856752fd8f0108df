"""Schedules as pictures: a panel a hyperparameter, a line a group, in a file or in the terminal.

Knows values over steps and how they are drawn; knows nothing of how they come about.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from paramgroups.errors import did_you_mean
from paramgroups.extras import needed_for
from paramgroups.scheduler import Scheduler
from paramgroups.schedules import Schedule
from paramgroups.tables import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values: TypeAlias = Mapping[str, NDArray[np.float64]]
"""`hyperparameter/group` -> one value a step, as `Scheduler.preview` gives them."""

Drawable: TypeAlias = Schedule | Scheduler | Values

_SUFFIXES = (".pdf", ".png", ".svg")
_PER_INCH = 150  # pixels
_FEW = 10  # lines that a legend can tell apart by colour
_ROWS = 13  # of a legend, as many as a panel is high
_HEIGHT, _NARROWEST = 10, 20  # of a panel in the terminal, in characters
_SHADES = ("blue", "red", "green", "magenta", "cyan", "yellow")


def plot(what: Drawable, steps: int | None = None, path: str | Path | None = None) -> Figure:
    """Draw schedules over time: a panel a hyperparameter, a named line a group.

    Groups that have the same values all the time share a line, which bears all of their names.

    Args:
        what: a schedule (drawn as factors of the base, unless all of it is `Absolute`), a scheduler (as it stands), or
            values by `hyperparameter/group`.
        steps: how many updates; to the end of the schedule, or of the scheduler's horizon, where absent.
        path: where to write it, a `.png`, `.svg` or `.pdf` file.

    Returns:
        The figure, which needs no display.

    Raises:
        ValueError: it cannot be told how long the picture is, or what the file is to be.
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> from paramgroups.schedules import Cosine, Warmup
        >>> figure = plot(Warmup(10).then(Cosine(90)))
        >>> [panel.get_ylabel() for panel in figure.axes]
        ['factor of the base']
    """
    panels = _panels(values(what, steps))
    if path is not None and Path(path).suffix not in _SUFFIXES:
        near = did_you_mean(Path(path).suffix, _SUFFIXES)
        raise ValueError(f"{str(path)!r} cannot be a picture: its ending is none of {', '.join(_SUFFIXES)}.\n{near}")
    with needed_for("Drawing a picture"):
        from matplotlib import colormaps
        from matplotlib.figure import Figure
    columns = {title: -(-len(lines) // _ROWS) for title, lines in panels.items()}
    figure = Figure(
        figsize=(7.0 + 1.3 * max(columns.values(), default=1), 0.6 + 2.4 * len(panels)), layout="constrained"
    )
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for panel, (title, lines) in zip(axes, panels.items(), strict=True):
        style: dict[str, Any]
        many = len(lines) > _FEW
        shades = iter(colormaps["viridis"](np.linspace(0, 0.95, len(lines))))
        for label, heights in lines.items():
            style = {"color": next(shades)} if many else {}
            panel.plot(np.arange(len(heights)), heights, label=label, **style)
        panel.set_ylabel(title)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        if any(lines):
            style = {"fontsize": 7, "ncols": columns[title]} if many else {"fontsize": 9}
            panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, **style)
    axes[-1].set_xlabel("step")
    figure.align_ylabels()
    if path is not None:
        figure.savefig(path, dpi=_PER_INCH)
    return figure


def sketch(what: Drawable, steps: int | None = None, *, width: int = 80) -> str:
    """The same picture, drawn with characters for a terminal of `width` columns; in colour where stdout has colours.

    Raises:
        ValueError: it cannot be told how long the picture is.
        MissingExtraError: plotille is not installed.
    """
    return "\n\n".join(_sketched(title, lines, width) for title, lines in _panels(values(what, steps)).items())


def values(what: Drawable, steps: int | None = None) -> Values:
    """What is to be drawn: `hyperparameter/group` -> one value a step. A schedule alone has no group.

    Raises:
        ValueError: `steps` is needed, and absent.
    """
    if isinstance(what, Scheduler):
        if steps is None and what.horizon is None:
            raise ValueError("The scheduler has no horizon to draw.\nSay how many steps: plot(scheduler, 1000).")
        return what.preview(range(steps if steps is not None else what.horizon.steps))  # type: ignore[union-attr]
    if isinstance(what, Schedule):
        count = steps if steps is not None else what.length
        if count is None:
            raise ValueError(f"{what!r} has no end.\nSay how many steps to draw: plot(schedule, 1000).")
        title = "value" if what.absolute else "factor of the base"
        return {f"{title}/": what.values(count + 1, 1.0)}  # and the first of the steps at which it holds
    return what


def _panels(found: Values) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Hyperparameter -> names of the groups that share a line -> the line."""
    panels: dict[str, dict[bytes, list[str]]] = {}
    heights: dict[bytes, NDArray[np.float64]] = {}
    for key, line in found.items():
        hyperparameter, _, group = key.partition("/")
        heights[line.tobytes()] = line
        panels.setdefault(hyperparameter, {}).setdefault(line.tobytes(), []).append(group)
    return {
        hyperparameter: {", ".join(groups): heights[line] for line, groups in lines.items()}
        for hyperparameter, lines in panels.items()
    }


def _sketched(title: str, lines: Mapping[str, NDArray[np.float64]], width: int) -> str:
    """One panel: the title, the lines between the least and the greatest value, and which letter is which group."""
    with needed_for("Drawing in the terminal"):
        from plotille import Canvas, color
    low, high = _limits(lines)
    last = max(1, *(len(line) - 1 for line in lines.values()))
    margin = max(len(number(low)), len(number(high)))
    columns = max(_NARROWEST, width - margin - 2)
    edges = last * _beyond(2 * columns), low + (high - low) * _beyond(4 * _HEIGHT)
    canvas = Canvas(columns, _HEIGHT, 0, low, *edges)
    legend = []
    for index, (groups, line) in enumerate(lines.items()):
        letter, shade = chr(ord("a") + index % 26), _SHADES[index % len(_SHADES)]
        seen = np.unique(np.linspace(0, len(line) - 1, 4 * columns).astype(np.int64))
        for start, end in pairwise(seen.tolist()):
            canvas.line(start, float(line[start]), end, float(line[end]), color=shade)
        if groups:
            step = (len(line) - 1) * (index + 1) // (len(lines) + 1)
            canvas.text(step, float(line[step]), letter, color=shade)
            legend.append(color(f"{letter} {groups}", fg=shade))
    left = [number(high), *[""] * (_HEIGHT - 2), number(low)]
    rows = [f"{text:>{margin}} ┤{row}" for text, row in zip(left, canvas.plot("\n").split("\n"), strict=True)]
    ruler = " " * (margin + 2) + "0" + f"step {last}".rjust(columns - 1)
    return "\n".join(row.replace("\u2800", " ").rstrip() for row in [title, *rows, ruler, *legend])


def _limits(lines: Mapping[str, NDArray[np.float64]]) -> tuple[float, float]:
    """From the least value, or 0, to the greatest; never the same twice."""
    low = min(0.0, *(float(line.min()) for line in lines.values()))
    high = max(float(line.max()) for line in lines.values())
    return low, high if high > low else low + 1.0


def _beyond(dots: int) -> float:
    """How far beyond its greatest value an axis must go so that the value is on the last of its dots.

    The canvas rounds to the nearest dot, and leaves the one at the upper edge out.
    """
    return dots / (dots - 0.6)

"""Schedules as pictures: a panel a hyperparameter, a line a group, in a file or in the terminal.

Knows values over steps and how they are drawn; knows nothing of how they come about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from paramgroups.errors import did_you_mean
from paramgroups.extras import needed_for
from paramgroups.scheduler import Scheduler
from paramgroups.schedules import Horizon, Schedule
from paramgroups.tables import number
from paramgroups.timetable import Timetable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values: TypeAlias = Mapping[str, NDArray[np.float64]]
"""`hyperparameter/group` -> one value a step, as `Scheduler.preview` gives them."""


class Plannable(Protocol):
    """What can make a scheduler, and perhaps a timetable, as the outline of a recipe can."""

    def scheduler(self) -> Scheduler:
        """A scheduler as it stands before training."""

    def timetable(self) -> Timetable | None:
        """A timetable as it stands before training, if anything is frozen and thawed."""


Drawable: TypeAlias = Schedule | Scheduler | Timetable | Plannable | Values

_SUFFIXES = (".pdf", ".png", ".svg")
_PER_INCH = 150  # pixels
_FEW = 10  # lines that a legend can tell apart by colour
_MANY = 40  # lines that are drawn one by one; of more, a band
_NAMES = 4  # of groups that share a line, told one by one
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a band
_MOMENTS = 1000  # at which a band is measured
_EPOCHS = 12  # marks at most
_ROWS = 13  # of a legend, as many as a panel is high
_HEIGHT, _NARROWEST = 10, 20  # of a panel in the terminal, in characters
_SHADES = ("blue", "red", "green", "magenta", "cyan", "yellow")


def plot(what: Drawable, steps: int | None = None, path: str | Path | None = None, *, log: bool = False) -> Figure:
    """Draw schedules over time: a panel a hyperparameter, a named line a group.

    Groups that have the same values all the time share a line, which bears their names. A ring is where a first rise
    ends, a warm-up, say; dotted lines are the ends of epochs, where a scheduler's horizon has some. More than 40
    different lines are drawn as a band: from the least to the greatest value, the middle half of the groups darker, and
    three lines by name: the groups of the greatest, the middle and the least mean. Of a timetable, a panel above has a
    row for each group: when it trains, and when all of it, or a part, is frozen.

    Args:
        what: a schedule (drawn as factors of the base, unless all of it is `Absolute`), a scheduler or a timetable (as
            it stands), the `outline` of a recipe (its data is read), or values by `hyperparameter/group`.
        steps: how many updates; to the end of the schedule, or of the scheduler's horizon, where absent.
        path: where to write it, a `.png`, `.svg` or `.pdf` file.
        log: whether values are on a logarithmic scale; a panel without a value above 0 is not.

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
    what = _planned(what)
    found = values(what, steps)
    panels = _panels(found)
    if path is not None and Path(path).suffix not in _SUFFIXES:
        near = did_you_mean(Path(path).suffix, _SUFFIXES)
        raise ValueError(f"{str(path)!r} cannot be a picture: its ending is none of {', '.join(_SUFFIXES)}.\n{near}")
    with needed_for("Drawing a picture"):
        from matplotlib import colormaps
        from matplotlib.figure import Figure
    rows = what.frozen(range(max(map(len, found.values())))) if isinstance(what, Timetable) else {}
    heights = [*([0.4 + 0.25 * len(rows)] if rows else []), *([2.4] * len(panels))]
    widest = max((_columns(lines) for lines in panels.values()), default=1)
    figure = Figure(figsize=(7.0 + 1.3 * widest, 0.6 + sum(heights)), layout="constrained")
    axes = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    if rows:
        _draw_rows(axes[0], rows)
    for panel, (title, lines) in zip(axes[-len(panels) :], panels.items(), strict=True):
        _draw(panel, lines, colormaps["viridis"])
        panel.set_ylabel(title)
        if log and any((line > 0).any() for line in lines.values()):
            panel.set_yscale("log", nonpositive="mask")
    horizon = _horizon(what)
    if horizon is not None:
        _mark_epochs(axes, horizon, max(map(len, found.values())))
    axes[-1].set_xlabel("step")
    figure.align_ylabels()
    if path is not None:
        figure.savefig(path, dpi=_PER_INCH)
    return figure


def _draw(panel: Axes, lines: Mapping[str, NDArray[np.float64]], shades_of: Callable[[Any], Any]) -> None:
    """One panel's band, lines, rings and legend."""
    if len(lines) > _MANY:
        _draw_band(panel, lines)
    shown = _named(lines)
    many = len(shown) > _FEW
    shades = iter(shades_of(np.linspace(0, 0.95, len(shown))))
    for label, heights in shown.items():
        style: dict[str, Any] = {"color": next(shades)} if many else {}
        (drawn,) = panel.plot(np.arange(len(heights)), heights, label=label, **style)
        top = _risen(heights)
        if top is not None:
            ring: dict[str, Any] = {"facecolor": "white", "edgecolor": drawn.get_color(), "zorder": 3, "gid": "warm-up"}
            panel.scatter([top], [heights[top]], s=22, **ring)
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    if any(shown):
        small = {"fontsize": 7, "ncols": _columns(lines)} if many else {"fontsize": 9}
        panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, **small)


def _draw_rows(panel: Axes, rows: Mapping[str, NDArray[np.float64]]) -> None:
    """A row for each group: filled where all of it trains, hatched where none does, pale where a part does."""
    looks: dict[str, dict[str, Any]] = {
        "trains": {"facecolor": "tab:blue"},
        "in part": {"facecolor": "tab:blue", "alpha": 0.35},
        "frozen": {"facecolor": "0.92", "hatch": "///", "edgecolor": "0.6", "linewidth": 0},
    }
    for row, shares in enumerate(rows.values()):
        states = np.where(shares == 0, "trains", np.where(shares == 1, "frozen", "in part"))
        starts = [0, *(np.flatnonzero(states[1:] != states[:-1]) + 1).tolist()]
        for start, end in zip(starts, [*starts[1:], len(states)], strict=True):
            state = str(states[start])
            panel.broken_barh([(start, end - start)], (row - 0.4, 0.8), gid=f"{row}: {state}", **looks[state])
    panel.set_yticks(range(len(rows)), list(rows))
    panel.invert_yaxis()
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(left=False)


def _draw_band(panel: Axes, lines: Mapping[str, NDArray[np.float64]]) -> None:
    """From the least to the greatest value at every step, the middle half darker."""
    last = min(len(line) for line in lines.values()) - 1
    moments = np.unique(np.linspace(0, last, _MOMENTS).astype(np.int64))
    least, low, _, high, greatest = np.quantile([line[moments] for line in lines.values()], _QUANTILES, axis=0)
    for bottom, top, alpha in ((least, greatest, 0.15), (low, high, 0.25)):
        panel.fill_between(moments, bottom, top, color="tab:blue", alpha=alpha, linewidth=0)


def _mark_epochs(axes: Any, horizon: Horizon, steps: int) -> None:
    """A dotted line at each end of an epoch in `steps`, or of every so many, numbered above the first panel."""
    epochs = int(horizon.epochs or 0)
    every = max(1, -(-epochs // _EPOCHS))
    every_end = {epoch: horizon.steps_in(f"{epoch} epochs") for epoch in range(every, epochs + 1, every)}
    ends = {epoch: end for epoch, end in every_end.items() if end <= steps}
    if ends:
        for panel in axes:
            reach = panel.get_xaxis_transform()
            panel.vlines([*ends.values()], 0, 1, transform=reach, colors="grey", linestyles=":", lw=0.8, gid="epochs")
        above = axes[0].secondary_xaxis("top")
        above.set_xticks([*ends.values()], [str(epoch) for epoch in ends], fontsize=7, color="grey")
        above.tick_params(length=0)
        above.spines["top"].set_visible(False)
        above.set_xlabel("epoch", fontsize=7, color="grey")


def sketch(what: Drawable, steps: int | None = None, *, width: int = 80) -> str:
    """The same picture, drawn with characters for a terminal of `width` columns; in colour where stdout has colours.

    Raises:
        ValueError: it cannot be told how long the picture is.
        MissingExtraError: plotille is not installed.
    """
    return "\n\n".join(_sketched(title, _named(lines), width) for title, lines in _panels(values(what, steps)).items())


def values(what: Drawable, steps: int | None = None) -> Values:
    """What is to be drawn: `hyperparameter/group` -> one value a step. A schedule alone has no group.

    Raises:
        ValueError: `steps` is needed, and absent.
    """
    what = _planned(what)
    if isinstance(what, Scheduler | Timetable):
        horizon = _horizon(what)
        if steps is None and horizon is None:
            raise ValueError("The scheduler has no horizon to draw.\nSay how many steps: plot(scheduler, 1000).")
        return what.preview(range(steps if steps is not None else horizon.steps))  # type: ignore[union-attr]
    if isinstance(what, Schedule):
        count = steps if steps is not None else what.length
        if count is None:
            raise ValueError(f"{what!r} has no end.\nSay how many steps to draw: plot(schedule, 1000).")
        title = "value" if what.absolute else "factor of the base"
        return {f"{title}/": what.values(count + 1, 1.0)}  # and the first of the steps at which it holds
    return what


def _planned(what: Drawable) -> Schedule | Scheduler | Timetable | Values:
    """`what`, or the timetable or the scheduler that it makes."""
    if isinstance(what, Schedule | Scheduler | Timetable | Mapping):
        return what
    return what.timetable() or what.scheduler()


def _horizon(what: object) -> Horizon | None:
    """Of what knows how long the run is."""
    return what.horizon if isinstance(what, Scheduler | Timetable) else None


def _named(lines: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
    """The lines to tell by name: all of a few; of many, the greatest, the middle and the least by their means."""
    if len(lines) <= _MANY:
        return lines
    ranked = sorted(lines, key=lambda name: float(lines[name].mean()))
    found = {"greatest": ranked[-1], "middle": ranked[len(ranked) // 2], "least": ranked[0]}
    return {f"{which} of {len(lines):,}: {name}": lines[name] for which, name in found.items()}


def _columns(lines: Mapping[str, NDArray[np.float64]]) -> int:
    """Of the legend."""
    return -(-len(_named(lines)) // _ROWS)


def _risen(line: NDArray[np.float64]) -> int | None:
    """The step at which a curve that rises at first is at its greatest; None for one that does not, or to its end."""
    top = int(line.argmax())
    return top if 0 < top < len(line) - 1 and (np.diff(line[: top + 1]) >= 0).all() else None


def _together(groups: list[str]) -> str:
    """The names of groups that share a line, of many the first."""
    more = len(groups) - _NAMES
    return ", ".join(groups) if more <= 0 else f"{', '.join(groups[:_NAMES])} and {more:,} more"


def _panels(found: Values) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Hyperparameter -> names of the groups that share a line -> the line."""
    panels: dict[str, dict[bytes, list[str]]] = {}
    heights: dict[bytes, NDArray[np.float64]] = {}
    for key, line in found.items():
        hyperparameter, _, group = key.partition("/")
        heights[line.tobytes()] = line
        panels.setdefault(hyperparameter, {}).setdefault(line.tobytes(), []).append(group)
    return {
        hyperparameter: {_together(groups): heights[line] for line, groups in lines.items()}
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

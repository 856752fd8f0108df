"""Pictures of schedules: which panels and lines, for how long, in which file or terminal."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups.errors import MissingExtraError
from paramgroups.pictures import plot, sketch, values
from paramgroups.recipe import outline

CURVE = pg.Warmup(2).then(pg.Cosine(8, end=0.1))


@pytest.fixture
def scheduler():
    """Two groups that share a weight decay, and have each an lr of its own."""
    net = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    plan = pg.Plan(pg.Rule("head.*", lr=pg.Times(10)), lr=0.01, weight_decay=0.1)
    optimizer = plan.build(net, torch.optim.AdamW)
    return pg.Scheduler(optimizer, lr=CURVE, weight_decay=pg.Linear("100%"), horizon=pg.Horizon(steps=12))


def test_a_scheduler_is_drawn_a_panel_a_hyperparameter_and_a_line_a_group(scheduler):
    """The lines are its preview, to the bit, over its whole horizon."""
    figure = plot(scheduler)
    assert [panel.get_ylabel() for panel in figure.axes] == ["lr", "weight_decay"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["default", "head"]
    for line in figure.axes[0].lines:
        assert np.array_equal(line.get_ydata(), scheduler.preview(12)[f"lr/{line.get_label()}"])


def test_groups_with_equal_values_share_a_line_that_names_them_all(scheduler):
    """No line is hidden behind another."""
    (line,) = plot(scheduler).axes[1].lines
    assert line.get_label() == "default, head"


def test_a_schedule_is_drawn_to_the_first_step_of_its_end():
    """As factors, since nobody said of which base."""
    (panel,) = plot(CURVE).axes
    assert panel.get_ylabel() == "factor of the base"
    assert panel.get_legend() is None
    assert np.array_equal(panel.lines[0].get_ydata(), CURVE.values(11, 1.0))


def test_an_absolute_schedule_is_drawn_in_its_own_unit():
    """Its values need no base."""
    (panel,) = plot(pg.Linear(4, start=pg.Absolute(0.3), end=pg.Absolute(0.1))).axes
    assert panel.get_ylabel() == "value"
    assert np.asarray(panel.lines[0].get_ydata())[0] == 0.3


def test_steps_may_be_given(scheduler):
    """For the scheduler and the schedule alike."""
    assert len(values(scheduler, 5)["lr/head"]) == 5
    assert np.asarray(plot(pg.schedules.InverseSqrt(10), 20).axes[0].lines[0].get_ydata()).shape == (21,)


def test_more_groups_than_colours_are_told_apart_by_shade():
    """Each of many layers has a colour of its own."""
    figure = plot({f"lr/layer{index:02}": np.full(3, 0.1 * index) for index in range(24)})
    assert len({str(line.get_color()) for line in figure.axes[0].lines}) == 24
    figure.draw_without_rendering()
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert figure.bbox.contains(*legend.get_window_extent().p0)  # no name is cut off
    assert figure.bbox.contains(*legend.get_window_extent().p1)


def test_a_thousand_groups_are_a_band_with_its_extremes_named():
    """The band goes from the least to the greatest value; three lines are left, and the terminal has the same."""
    curves = {f"lr/layer{index:03}": CURVE.values(11, 0.001 * (index + 1)) for index in range(1000)}
    (panel,) = plot(curves).axes
    lines = {str(line.get_label()): np.asarray(line.get_ydata()) for line in panel.lines}
    names = ["greatest of 1,000: layer999", "middle of 1,000: layer500", "least of 1,000: layer000"]
    assert list(lines) == names
    assert np.array_equal(lines[names[0]], curves["lr/layer999"])
    whole, half = (np.asarray(area.get_paths()[0].vertices) for area in panel.collections[:2])
    everything = np.stack([*curves.values()])
    assert (whole[:, 1].min(), whole[:, 1].max()) == pytest.approx((everything.min(), everything.max()))
    assert half[:, 1].max() == pytest.approx(np.quantile(everything, 0.75, axis=0).max())
    assert [f"{letter} {name}" for letter, name in zip("abc", names, strict=True)] == sketch(curves).splitlines()[-3:]


def test_of_many_groups_on_one_line_the_first_are_named():
    """A legend stays a legend."""
    (line,) = plot({f"lr/layer{index}": np.ones(3) for index in range(1000)}).axes[0].lines
    assert line.get_label() == "layer0, layer1, layer2, layer3 and 996 more"


def marked(panel, kind):
    """Where the marks of a kind are."""
    found = [mark for mark in panel.collections if mark.get_gid() == kind]
    if kind == "warm-up":
        return [tuple(mark.get_offsets()[0]) for mark in found]
    return [segment[0][0] for mark in found for segment in mark.get_segments()]


def test_the_end_of_a_warm_up_has_a_ring(scheduler):
    """On every line that rises at first; none on one that rises to its end, or never."""
    lr, weight_decay = plot(scheduler).axes
    assert marked(lr, "warm-up") == [(2, 0.01), (2, 0.1)]
    assert marked(weight_decay, "warm-up") == []
    assert marked(plot(pg.Linear(5, start=0.0, end=1.0)).axes[0], "warm-up") == []
    assert marked(plot(pg.Cosine(5)).axes[0], "warm-up") == []


@pytest.mark.parametrize(
    ("epochs", "ends", "names"),
    [
        (3, [4, 8, 12], ["1", "2", "3"]),
        (24, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [str(n) for n in range(2, 25, 2)]),
    ],
)
def test_epochs_are_marked_where_the_horizon_has_some(scheduler, epochs, ends, names):
    """In every panel; of many, every so many."""
    assert marked(plot(scheduler).axes[0], "epochs") == []
    scheduler.horizon = pg.Horizon(steps=12, epochs=epochs)
    figure = plot(scheduler)
    assert [marked(panel, "epochs") for panel in figure.axes] == [ends, ends]
    (above,) = figure.axes[0].child_axes
    assert [label.get_text() for label in above.get_xticklabels()] == names
    assert marked(plot(scheduler, 6).axes[0], "epochs") == [
        end for end in ends if end <= 6
    ]  # none beyond what is drawn


def test_values_may_be_on_a_logarithmic_scale():
    """A panel without a value above 0 has none to show there, and stays linear."""
    figure = plot({"lr/a": np.geomspace(1, 1e-6, 9), "weight_decay/a": np.zeros(9)}, log=True)
    assert [panel.get_yscale() for panel in figure.axes] == ["log", "linear"]
    assert plot(CURVE).axes[0].get_yscale() == "linear"


def test_the_outline_of_a_recipe_is_drawn_as_its_run_begins():
    """With the data's own number of steps and epochs."""
    found = outline("digits-finetune")
    figure = plot(found)
    driven = found.scheduler()
    assert [panel.get_ylabel() for panel in figure.axes] == ["lr", "weight_decay"]
    assert driven.horizon is not None
    assert len(np.asarray(figure.axes[0].lines[0].get_ydata())) == driven.horizon.steps
    assert values(found).keys() == values(driven).keys()
    assert marked(figure.axes[0], "epochs")


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")])
def test_the_ending_of_the_file_says_what_is_written(scheduler, tmp_path, name, start):
    """And the figure is returned as well."""
    plot(scheduler, path=tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_an_unknown_ending_is_explained(scheduler):
    """Nothing is written."""
    with pytest.raises(ValueError, match=r"'a\.pgn' cannot be a picture: .*\nDid you mean '\.png'\?"):
        plot(scheduler, path="a.pgn")


def test_what_has_no_end_needs_steps(scheduler):
    """The message has the call to write."""
    with pytest.raises(ValueError, match=r"InverseSqrt\(10\) has no end\.\n.*plot\(schedule, 1000\)"):
        plot(pg.schedules.InverseSqrt(10))
    scheduler.horizon = None
    with pytest.raises(ValueError, match=r"no horizon to draw\.\n.*plot\(scheduler, 1000\)"):
        plot(scheduler)


def test_matplotlib_is_asked_for_only_to_draw(monkeypatch):
    """Its absence is explained, and pyplot, which opens windows, is never loaded."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'paramgroups\[plot\]'"):
        plot(CURVE)


def test_a_sketch_shows_title_bounds_lines_and_names(scheduler):
    """Letters tell the lines apart, with and without colours."""
    lines = sketch(scheduler, width=60).splitlines()
    assert lines[0] == "lr"
    assert lines[1].startswith("0.1 ┤")
    assert lines[10].startswith("  0 ┤")
    assert lines[11].endswith("step 11")
    assert lines[12:14] == ["a default", "b head"]
    assert max(map(len, lines)) <= 60
    assert "a default, head" in lines


def test_a_sketch_loses_nothing_at_its_edges():
    """A plateau at the greatest value is in the top row, and the last value in the last column of the bottom one."""
    rows = [
        line.partition("┤")[2] for line in sketch(pg.Constant(steps=500).then(pg.Linear(500)), width=40).splitlines()
    ]
    assert rows[1].startswith("⠉" * 18)
    assert rows[10][-1] not in " ⠉"
    assert len(rows[10]) == 37


def test_a_constant_can_be_sketched():
    """A line without height is no division by zero, nor is one of a single step."""
    assert sketch(pg.Constant(0.0, steps=0)).startswith("factor of the base\n1 ┤")


def test_colours_are_used_only_where_the_terminal_has_them(scheduler, monkeypatch):
    """Plain text has no escapes."""
    assert "\x1b[" not in sketch(scheduler)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in sketch(scheduler)


def test_a_timetable_is_drawn_with_a_row_for_each_group():
    """When it trains, and when a part or all of it is frozen; below, its lr with the warm-up that is to come."""
    net = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    optimizer = pg.Plan(pg.Rule("body.*", name="body"), lr=0.01).build(net, torch.optim.AdamW)
    scheduler = pg.Scheduler(optimizer, lr=pg.Constant(), horizon=pg.Horizon(steps=12, epochs=3))
    events = [("body.weight", "thaw", 4), ("body.bias", "thaw", 8)]
    timetable = pg.Timetable(net, optimizer, scheduler, [*events, ("head.*", "freeze", 10)])
    rows, lrs = plot(timetable).axes
    assert [label.get_text() for label in rows.get_yticklabels()] == ["body", "default"]
    bars = {str(each.get_gid()): each for each in rows.collections}
    spans = {gid: bar.get_paths()[0].get_extents() for gid, bar in bars.items() if ": " in gid}
    assert {gid: (box.x0, box.x1) for gid, box in spans.items()} == {
        "0: frozen": (0, 4),
        "0: in part": (4, 8),
        "0: trains": (8, 12),
        "1: trains": (0, 10),
        "1: frozen": (10, 12),
    }
    assert lrs.get_ylabel() == "lr"
    assert values(timetable)["lr/body"].tolist() == timetable.preview(12)["lr/body"].tolist()
    assert len(plot(timetable, 5).axes[1].lines[0].get_ydata()) == 5  # type: ignore[arg-type]  # an array

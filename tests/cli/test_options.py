"""How commands print."""

import io
import json

from rich.console import Console

from paramgroups.cli import options
from paramgroups.cli.options import say, say_json
from paramgroups.tables import Table

TABLE = Table(("group", "lr"), (("[bold]head", "0.1"),), title="[red]")


def test_where_there_is_no_terminal_tables_are_plain_text(capsys):
    """Whole, whatever the width, with brackets as they are."""
    say(TABLE)
    assert capsys.readouterr().out == f"{TABLE}\n"


def test_a_terminal_gets_a_drawn_table(monkeypatch):
    """Brackets as they are, too."""
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, markup=False, highlight=False, width=80)
    monkeypatch.setattr(options, "console", lambda: terminal)
    say(TABLE)
    assert "[bold]head" in out.getvalue()
    assert "[red]" in out.getvalue()
    assert "─" in out.getvalue()


def test_programs_get_json(capsys):
    """Nothing else is on the line."""
    say_json({"a": (1, None)})
    assert json.loads(capsys.readouterr().out) == {"a": [1, None]}

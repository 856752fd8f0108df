"""README.md and docs/ say what is true: their code runs, their output is what they print, their links lead somewhere.

In a document, from top to bottom, in one empty folder that has a copy of examples/:

- a `python` block is run, in one namespace a document; a `text` block right after it is exactly what it prints;
- a `yaml` block whose first line is `# recipe`, or `# recipe NAME.yaml`, is written to that file and shown by the CLI;
- in a `console` block each `$ paramgroups …` line is run and must exit 0; other commands are not run.

`<!-- no-run: reason -->` before a block exempts it, and the test run lists it with its reason.
"""

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
NO_RUN = re.compile(r"<!--\s*no-run:?\s*(.*?)\s*-->", re.DOTALL)
COMMAND = Path(sysconfig.get_path("scripts")) / "paramgroups"


@dataclass(frozen=True)
class Block:
    """A fenced block of a document, and what stands right before and after it."""

    document: Path
    language: str
    text: str
    line: int  # of the first line inside the fence, from 1
    no_run: str | None  # the reason given, empty where none is
    printed: str | None  # the text block right after it

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def tokens_of(document: Path) -> list[Token]:
    """The document's markdown; one that is not there has none."""
    return MarkdownIt("commonmark").parse(document.read_text("utf-8")) if document.exists() else []


def blocks_of(document: Path) -> list[Block]:
    """The document's fenced blocks, in order."""
    tokens = tokens_of(document)
    blocks = []
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if token.type != "fence":
            continue
        comment = NO_RUN.search(before.content) if before is not None and before.type == "html_block" else None
        printed = after.content if after is not None and after.type == "fence" and after.info == "text" else None
        line = token.map[0] + 2 if token.map else 0
        reason = comment.group(1) if comment else None
        blocks.append(Block(document, token.info.strip(), token.content, line, reason, printed))
    return blocks


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def run_python(block: Block, namespace: dict[str, Any]) -> None:
    """Run a block, with its document's line numbers in tracebacks, and compare what it prints."""
    code = compile("\n" * (block.line - 1) + block.text, str(block.document), "exec")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, namespace)
    if block.printed is not None:
        assert trimmed(output.getvalue()) == trimmed(block.printed), f"{block} prints something else"


def trimmed(text: str) -> list[str]:
    """The lines without trailing whitespace."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def run_command(block: Block, *arguments: str) -> None:
    """Run the installed command; it must exit 0."""
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{block}: paramgroups {shlex.join(arguments)}\n{done.stdout}{done.stderr}"


def run_console(block: Block) -> None:
    """Run the block's lines that call our command."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.startswith("$ paramgroups"):
            run_command(block, *shlex.split(line, comments=True)[2:])


def run_recipe(block: Block) -> None:
    """Write a recipe to its file and have the command read it."""
    first = re.match(r"# recipe\b *(\S*)", block.text)
    if first:
        path = Path(first.group(1) or "recipe.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")
        run_command(block, "show", str(path))


def test_there_is_something_to_run():
    """README.md is there, and shows both the library and the command."""
    assert DOCUMENTS[0].exists()
    shown = {block.language for block in BLOCKS if block.document == DOCUMENTS[0] and block.no_run is None}
    assert {"python", "console"} <= shown


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_what_a_document_shows_is_true(document, tmp_path, monkeypatch):
    """From top to bottom, every block of a document does what the document says."""
    monkeypatch.chdir(tmp_path)
    if (ROOT / "examples").exists():
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(document):
        if block.no_run is not None:
            continue
        if block.language == "python":
            run_python(block, namespace)
        elif block.language == "yaml":
            run_recipe(block)
        elif block.language == "console":
            run_console(block)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.no_run is not None], ids=str)
def test_a_block_is_exempt_only_with_a_reason(block):
    """A block that is not run says why, and the run lists it."""
    assert block.no_run, f"{block} has no reason: <!-- no-run: reason -->"
    pytest.skip(f"{block}: {block.no_run}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_local_links_lead_to_files(document):
    """Every link and picture that is not on the web is a file of the repository."""
    inline = [child for token in tokens_of(document) for child in token.children or ()]
    targets = [str(child.attrs.get("href") or child.attrs.get("src") or "") for child in inline]
    html = "".join(token.content for token in [*tokens_of(document), *inline] if token.type.startswith("html_"))
    targets += re.findall(r'(?:src|srcset|href)="([^"]+)"', html)
    local = {target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:", target)}
    assert [target for target in local if target and not (document.parent / target).exists()] == []

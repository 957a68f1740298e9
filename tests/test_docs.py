"""Runs every Python block of docs/*.md, page by page and in order, in one namespace per page."""

import doctest
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*([\w+-]*)\s*$")
PYTHON = {"python", "py", "pycon"}
NOT_RUN = {"text", "sh", "console", "latex", "json", "toml", "mermaid", "output"}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass
class Block:
    """A fenced block: its language, the line its code begins at (from 1), its text."""

    language: str
    line: int
    text: str


def blocks(page):
    """All fenced blocks of a page."""
    found, opening, lines = [], None, []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = FENCE.match(line)
        if opening is None:
            if fence:
                opening, lines = (fence[2], fence[3], number, len(fence[1])), []
        elif fence and fence[2] == opening[0] and not fence[3]:
            found.append(Block(opening[1], opening[2] + 1, "\n".join(lines) + "\n"))
            opening = None
        else:
            lines.append(line[opening[3] :] if not line[: opening[3]].strip() else line)
    assert opening is None, f"{page.name}:{opening[2]}: this block is never closed"
    return found


def run_examples(block, page, namespace):
    """Run the `>>>` examples of a block; returns the report of what failed."""
    test = doctest.DocTestParser().get_doctest(
        block.text, namespace, page.name, str(page), block.line - 1
    )
    report = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append, clear_globs=False)
    namespace.update(test.globs)
    return "".join(report)


def run_page(page):
    """Run all Python blocks of a page."""
    namespace = {"__name__": f"docs_{page.stem}"}
    for block in blocks(page):
        if block.language not in PYTHON:
            continue
        if ">>>" in block.text:
            report = run_examples(block, page, namespace)
            assert not report, report
        else:
            source = "\n" * (block.line - 1) + block.text
            exec(compile(source, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page):
    for block in blocks(page):
        where = f"{page.name}:{block.line - 1}"
        assert block.language in PYTHON | NOT_RUN, (
            f"{where}: name the language of the block: python is run, text and sh are not"
        )


def test_the_guide_is_there_and_has_examples():
    guide = DOCS / "guide.md"
    assert sum(">>>" in block.text for block in blocks(guide)) >= 15


def test_a_wrong_example_fails(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text\n\n```python\n>>> x = 2\n```\n\n```python\n>>> x + x\n5\n```\n")
    with pytest.raises(AssertionError, match=r"(?s)line 8.*Expected:\s+5.*Got:\s+4"):
        run_page(page)


def test_a_plain_block_runs_and_fails_with_its_line(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n")
    with pytest.raises(AssertionError) as failed:
        run_page(page)
    assert failed.traceback[-1].lineno + 1 == 6

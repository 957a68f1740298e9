"""CONTRIBUTING.md, followed to the letter in a copy of the project: its statement, its command, its session."""

import doctest
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
PARTIAL = "1.0 / np.cosh(x)"


def blocks(language):
    """The fenced blocks of the first chapter in one language."""
    chapter = PAGE.split("\n## ")[1]
    assert chapter.startswith("An operation in five minutes\n"), "the page opens with it"
    return [textwrap.dedent(text) for _, found, text in BLOCK.findall(chapter) if found == language]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the page's statement at the end of the file it names."""
    copy = tmp_path_factory.mktemp("project")
    skip = shutil.ignore_patterns("__pycache__", ".*")
    for folder in ("wengert", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", copy)
    place = re.search(r"here `(wengert/ops/\w+\.py)`", PAGE)
    statement = "".join(blocks("python"))
    file = copy / place[1]
    text = file.read_text(encoding="utf-8")
    if statement not in text:  # unless whoever runs this is following the page
        file.write_text(f"{text}\n\n{statement}", encoding="utf-8")
    return copy


def python(project, *arguments):
    return subprocess.run([sys.executable, *arguments], cwd=project, capture_output=True, text=True, check=False)


def run_the_laws(project):
    (command,) = blocks("sh")
    program, *arguments = command.split()
    assert program == "python"
    return python(project, *arguments)


def test_the_laws_run_on_the_new_operation(project):
    done = run_the_laws(project)
    assert done.returncode == 0, done.stdout
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed >= 10, done.stdout


def test_the_session_shows_what_the_page_shows(project, tmp_path):
    (session,) = blocks("pycon")
    page = tmp_path / "session.txt"
    page.write_text(session, encoding="utf-8")
    assert doctest.DocTestParser().get_examples(session)
    done = python(project, "-m", "doctest", str(page))
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


def test_the_file_stays_clean(project):
    done = python(project, "-m", "ruff", "check", "wengert/ops/gates.py")
    assert done.returncode == 0, done.stdout


def test_the_laws_refuse_a_wrong_partial(project, tmp_path):
    wrong = tmp_path / "wrong"
    shutil.copytree(project, wrong, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    place = wrong / "wengert" / "ops" / "gates.py"
    text = place.read_text(encoding="utf-8")
    assert text.count(PARTIAL) == 1
    place.write_text(text.replace(PARTIAL, "1.0 / np.cosh(1.01 * x)"), encoding="utf-8")
    done = run_the_laws(wrong)
    assert done.returncode == 1, done.stdout
    assert "law tangent_is_the_numeric_derivative" in done.stdout


def test_every_path_on_the_page_exists():
    rooms = "wengert|tests|docs|benchmarks|tools|backends|rewrite|numpy_api"
    named = re.findall(rf"`((?:{rooms})/[\w/]*\w+\.\w+)`", PAGE)
    named += re.findall(r"\]\(([\w./]+)\)", PAGE)
    assert len(named) > 5
    missing = [name for name in named if not (ROOT / name).exists() and not (ROOT / "wengert" / name).exists()]
    assert not missing
    assert len(PAGE.splitlines()) <= 120

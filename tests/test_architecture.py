"""The shape of the package: who imports whom, how long files are, what is said about them.

The rooms and their order are those of docs/architecture.md. A room that does not exist yet is
simply not looked at; a folder that is no known room is an error.
"""

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wengert"
LONGEST = 400

# The chain, from the bottom up. `numeric` imports nothing of ours, so it may stand anywhere above.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "core": (),
    "numeric": (),
    "ops": ("core",),
    "numpy_api": ("core", "ops"),
    "diff": ("core", "ops"),
    "batch": ("core", "ops"),
    "rewrite": ("core", "ops"),
    "symbolic": ("core", "ops", "diff", "rewrite"),
    "plan": ("core", "ops", "diff", "rewrite"),
}
MAY_IMPORT["backends"] = ("core", "ops", "plan", "diff", "rewrite", "batch")
MAY_IMPORT["tensor"] = (*MAY_IMPORT["backends"], "numpy_api", "symbolic", "backends")
MAY_IMPORT["api"] = (*MAY_IMPORT["tensor"], "tensor", "numeric")
# `wengert.numpy`, the names of NumPy for those who import them from here.
MAY_IMPORT["numpy"] = ("core", "ops", "numpy_api")
# "wengert" is the package's own __init__, which gathers the public names.
MAY_IMPORT["wengert"] = (*MAY_IMPORT["api"], "api", "numpy")
MAY_IMPORT["cli"] = (*MAY_IMPORT["wengert"], "wengert")
MAY_IMPORT["__main__"] = ("cli",)
MAY_IMPORT["testing"] = MAY_IMPORT["cli"]
# Users of the public API, above everything.
for _room in ("nn", "optim", "compat"):
    MAY_IMPORT[_room] = MAY_IMPORT["cli"]
MAY_IMPORT["compat"] = (*MAY_IMPORT["compat"], "nn", "optim")

# Where only NumPy and the standard library may be imported, even inside functions.
NUMPY_ONLY = ("core", "numeric")


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The room of a file: its folder in the package, or its own name at the top."""
    parts = path.relative_to(PACKAGE).parts
    name = parts[0].removesuffix(".py")
    return "wengert" if name == "__init__" else name


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """All modules that a file imports, at any depth, with the line: dotted absolute names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                above = module.split(".")
                above = above[: len(above) - node.level + (1 if is_package else 0)]
                start = ".".join([*above, start]).strip(".")
            # `from wengert import diff` imports a room as much as `import wengert.diff` does.
            for alias in node.names:
                yield node.lineno, f"{start}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func)
            first = node.args[0]
            if called.split(".")[-1] in {"import_module", "__import__"} and isinstance(
                first, ast.Constant
            ):
                yield node.lineno, str(first.value)


def complaints_about_rooms(source: str, path: Path) -> list[str]:
    """One sentence for each import that breaks the order of the rooms."""
    relative = path.relative_to(PACKAGE)
    room = room_of(path)
    if room not in MAY_IMPORT:
        return [f"{relative} lives in {room}, which is no room: see docs/architecture.md"]
    is_package = path.name == "__init__.py"
    dotted = ["wengert", *relative.with_suffix("").parts]
    module = ".".join(dotted[:-1] if is_package else dotted)
    allowed = MAY_IMPORT[room]
    found = []
    for line, name in imported(ast.parse(source), module, is_package):
        first, _, rest = name.partition(".")
        if first != "wengert":
            continue
        target = rest.partition(".")[0]
        if target not in MAY_IMPORT:  # a public name taken from wengert/__init__.py
            target = "wengert"
        if target != room and target not in allowed:
            permitted = ", ".join(allowed) if allowed else "nothing of wengert"
            sentence = f"{relative} imports {target}: {room} may import {permitted}"
            found.append(f"{sentence} (line {line})")
    return found


def test_every_import_follows_the_order_of_the_rooms():
    found = [
        sentence
        for path in sources()
        for sentence in complaints_about_rooms(path.read_text(encoding="utf-8"), path)
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("place", "source", "sentence"),
    [
        ("diff/linearize.py", "from wengert.plan import cost",
         "diff/linearize.py imports plan: diff may import core, ops (line 1)"),
        ("diff/linearize.py", "def f():\n    import wengert.plan.cost",
         "diff/linearize.py imports plan: diff may import core, ops (line 2)"),
        ("diff/linearize.py", "from wengert import plan",
         "diff/linearize.py imports plan: diff may import core, ops (line 1)"),
        ("diff/linearize.py", "from ..plan import cost",
         "diff/linearize.py imports plan: diff may import core, ops (line 1)"),
        ("diff/__init__.py", "from ..plan.cost import cost",
         "diff/__init__.py imports plan: diff may import core, ops (line 1)"),
        ("core/tree.py", "from wengert import grad",
         "core/tree.py imports wengert: core may import nothing of wengert (line 1)"),
        ("core/tree.py", "import importlib\nimportlib.import_module('wengert.ops')",
         "core/tree.py imports ops: core may import nothing of wengert (line 2)"),
        ("ops/shape.py", "if TYPE_CHECKING:\n    from wengert.diff import modes",
         "ops/shape.py imports diff: ops may import core (line 2)"),
        ("utils/things.py", "",
         "utils/things.py lives in utils, which is no room: see docs/architecture.md"),
    ],
)  # fmt: skip
def test_the_import_check_sees_every_way_to_import(place, source, sentence):
    assert complaints_about_rooms(source, PACKAGE / place) == [sentence]


def test_the_import_check_accepts_what_is_right():
    right = "from .tree import flatten\nfrom . import op\nimport numpy\nfrom wengert.core import op"
    assert complaints_about_rooms(right, PACKAGE / "core" / "node.py") == []
    assert complaints_about_rooms("from ..core import op", PACKAGE / "ops" / "fft.py") == []
    assert complaints_about_rooms("import wengert", PACKAGE / "optim" / "adam.py") == []


def test_the_order_of_the_rooms_has_no_cycle():
    below: dict[str, set[str]] = {}

    def reach(room: str, path: tuple[str, ...]) -> set[str]:
        assert room not in path, f"{' -> '.join([*path, room])} is a cycle"
        if room not in below:
            steps = MAY_IMPORT[room]
            below[room] = set(steps).union(*(reach(step, (*path, room)) for step in steps))
        return below[room]

    for room in MAY_IMPORT:
        reach(room, ())
    # A shortcut past a room must not smuggle in what the room itself could not name.
    assert "plan" not in below["diff"] and "numpy_api" not in below["diff"]
    everything = set().union(*below.values())
    assert not everything & {"testing", "compat"}, "nobody imports these"
    users = {room for room, names in below.items() if names & {"nn", "optim"}}
    assert users == {"compat"}, "nobody but the names of other packages imports these"


def test_optional_dependencies_are_imported_only_where_they_are_used():
    standard = sys.stdlib_module_names
    found = []
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        strict = room_of(path) in NUMPY_ONLY
        inside = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for node in ast.walk(function)
        }
        for node in ast.walk(tree):
            if id(node) in inside and not strict:
                continue
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                first = name.partition(".")[0]
                if first not in standard and first not in {"numpy", "wengert"}:
                    where = path.relative_to(PACKAGE)
                    found.append(f"{where}:{node.lineno} imports {first} when it is loaded itself")
    assert not found, "\n" + "\n".join(found)


def test_files_stay_short():
    long = [
        f"{path.relative_to(ROOT)}: {count} lines, at most {LONGEST}: split it by family"
        for folder in ("wengert", "tests", "examples", "benchmarks", "tools")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    assert not long, "\n" + "\n".join(long)


def test_no_file_is_a_drawer():
    drawers = {"utils", "util", "basic", "misc", "helpers", "common"}
    found = [
        f"{path.relative_to(ROOT)}: name it after what it holds"
        for path in PACKAGE.rglob("*")
        if path.name.removesuffix(".py") in drawers
    ]
    assert not found, "\n" + "\n".join(found)


def test_every_file_says_what_lives_in_it():
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if not (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").strip()
    ]
    assert not silent, f"without a module docstring: {', '.join(silent)}"


def test_every_folder_of_code_is_a_package():
    folders = {path.parent for path in sources()}
    bare = [str(f.relative_to(ROOT)) for f in sorted(folders) if not (f / "__init__.py").exists()]
    assert not bare, f"without __init__.py: {', '.join(bare)}"


def test_every_public_name_exists_and_is_documented_with_an_example():
    assert (PACKAGE / "__init__.py").exists(), "wengert/__init__.py is missing"
    wengert = importlib.import_module("wengert")
    found = []
    for name in wengert.__all__:
        if not hasattr(wengert, name):
            found.append(f"{name} is in __all__ but does not exist")
            continue
        value = getattr(wengert, name)
        if not (inspect.ismodule(value) or callable(value)):
            continue  # a constant, as __version__
        text = inspect.getdoc(value) or ""
        if inspect.isclass(value) and text in {
            inspect.getdoc(base) for base in value.__mro__[1:]
        }:
            text = ""  # inherited, so it tells nothing of this class
        if not text:
            found.append(f"{name} has no docstring")
        elif ">>>" not in text and not inspect.ismodule(value):
            found.append(f"{name} has a docstring without an example")
    assert len(wengert.__all__) == len(set(wengert.__all__)), "a name is listed twice"
    assert not found, "\n" + "\n".join(found)


def fresh_python(program: str) -> str:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"a fresh Python failed to import wengert:\n{done.stderr}"
    return done.stdout.strip()


LATER = (
    "wengert.api.checking wengert.api.compiling.calls wengert.backends.llvm wengert.backends.numpy wengert.cli "
    "wengert.nn wengert.numeric wengert.optim wengert.plan wengert.rewrite.loops.fold wengert.rewrite.passes "
    "wengert.symbolic wengert.testing hashlib pathlib random tempfile urllib"
).split()
"""What few programs need. The time of importing, at most 100 ms, is a figure of ``benchmarks/import_time``."""


def test_importing_wengert_loads_only_what_most_programs_need():
    program = (
        "import sys, numpy; before = set(sys.modules); import wengert; assert wengert.__all__; "
        "print(*(set(sys.modules) - before))"
    )
    loaded = fresh_python(program).split()
    early = sorted(name for name in loaded if any(f"{name}.".startswith(f"{part}.") for part in LATER))
    assert not early, f"import wengert loads {early}"
    assert len(loaded) <= 210, f"import wengert loads {len(loaded)} modules"


def test_what_is_loaded_later_is_there():
    program = (
        "import wengert; assert 'numeric' in dir(wengert) and 'check_grads' in dir(wengert); "
        "print(wengert.numeric.gradient(lambda x: x * x, 3.0).value, wengert.check_grads.__name__)"
    )
    value, name = fresh_python(program).split()
    assert float(value) == pytest.approx(6.0)
    assert name == "check_grads"
    with pytest.raises(AttributeError, match="no attribute 'grads'"):
        _ = importlib.import_module("wengert").grads


def test_importing_wengert_loads_nothing_but_numpy():
    program = (
        "import sys, numpy; before = set(sys.modules); import wengert; assert wengert.__all__; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    loaded = set(fresh_python(program).split()) - set(sys.stdlib_module_names)
    assert loaded <= {"wengert", "numpy"}, f"import wengert also loads {sorted(loaded)}"

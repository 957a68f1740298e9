"""Object code on disk: what is damaged is not used, what cannot be written is not missed, and it does not grow."""

import os
import stat
import subprocess
import sys
import time

import pytest

from tests.backends.llvm.kernels import ROOT, fresh_python
from wengert.backends.llvm.cache import Cache, cache, folder, limit
from wengert.core.errors import WengertValueError

MOST = 10**9


def test_what_was_put_comes_back_to_a_new_cache(tmp_path):
    place = tmp_path / "deep" / "er"
    assert Cache(place, MOST).put(b"code" * 100, "text", "cpu")
    other = Cache(place, MOST)
    assert other.get("text", "cpu") == b"code" * 100 and other.hits == 1
    assert other.get("text", "other cpu") is None and other.get("textc", "pu") is None and other.misses == 2
    assert [p.suffix for p in place.iterdir()] == [".wo"], "temporary files are gone"
    if os.name == "posix":
        assert stat.S_IMODE(place.stat().st_mode) & 0o022 == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"", lambda b: b[:20], lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:-3] + b"???",
        lambda b: b"wengert object 9\n" + b[17:], lambda b: b"\x7fELF" * 50, lambda b: b[:30] + b"\0" + b[31:],
    ],
)  # fmt: skip
def test_a_damaged_file_is_ignored_and_replaced(tmp_path, damage):
    kept = Cache(tmp_path, MOST)
    kept.put(b"machine code", "key")
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert kept.get("key") is None
    assert kept.put(b"machine code", "key") and kept.get("key") == b"machine code"


def test_a_file_under_the_name_of_another_is_ignored(tmp_path):
    kept = Cache(tmp_path, MOST)
    kept.put(b"one", "key")
    (one,) = tmp_path.iterdir()
    kept.put(b"two", "other")
    (two,) = {*tmp_path.iterdir()} - {one}
    two.write_bytes(one.read_bytes())
    assert kept.get("key") == b"one" and kept.get("other") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_the_way_is_not_waited_for(tmp_path):
    kept = Cache(tmp_path, MOST)
    kept.put(b"code", "key")
    (path,) = tmp_path.iterdir()
    path.unlink()
    os.mkfifo(path)
    assert kept.get("key") is None
    assert kept.put(b"code", "key") and kept.get("key") == b"code"


def test_a_folder_in_the_way_is_no_error(tmp_path):
    kept = Cache(tmp_path, MOST)
    kept.put(b"code", "key")
    (path,) = tmp_path.iterdir()
    path.unlink()
    path.mkdir()
    assert kept.get("key") is None and not kept.put(b"code", "key")
    assert not [p for p in tmp_path.iterdir() if p != path], "the temporary file is gone"


def test_a_place_that_cannot_be_made_is_no_error(tmp_path):
    (tmp_path / "file").write_text("a file")
    kept = Cache(tmp_path / "file" / "cache", MOST)
    assert str(kept) == str(tmp_path / "file" / "cache")
    assert not kept.put(b"code", "key") and kept.get("key") is None
    assert str(kept).startswith(f"none kept: {kept.place} cannot be written to (")
    (tmp_path / "file").unlink()
    assert kept.put(b"code", "key") and str(kept) == str(kept.place)
    assert str(Cache(None, MOST)) == "none kept"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_a_folder_that_anybody_may_write_to_is_not_trusted(tmp_path):
    kept = Cache(tmp_path, MOST)
    kept.put(b"code", "key")
    tmp_path.chmod(0o777)
    assert kept.get("key") is None and not kept.put(b"code", "other")
    assert str(kept) == f"none kept: {tmp_path} may be written to by others"
    tmp_path.chmod(0o755)
    assert kept.get("key") == b"code"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_a_folder_without_write_permission_is_read(tmp_path):
    # Root may write anywhere, so the permission is refused by a folder that is a link to nowhere instead.
    if os.geteuid():
        Cache(tmp_path, MOST).put(b"code", "key")
        tmp_path.chmod(0o500)
        kept = Cache(tmp_path, MOST)
        assert kept.get("key") == b"code" and not kept.put(b"code", "other")
        tmp_path.chmod(0o700)
    else:
        (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at" / "all")
        kept = Cache(tmp_path / "link", MOST)
        assert not kept.put(b"code", "key") and kept.get("key") is None


def test_the_oldest_go_when_there_is_too_much(tmp_path):
    kept = Cache(tmp_path, 3500)
    now = time.time()
    for k in range(6):
        kept.put(bytes([k]) * 950, f"key {k}")
        (path,) = [p for p in tmp_path.iterdir() if p.stat().st_mtime > now - 900]
        os.utime(path, (now - 1000 + k,) * 2)
    (tmp_path / "somebody's.txt").write_text("x" * 9000)
    kept.sweep()
    assert [kept.get(f"key {k}") is not None for k in range(6)] == [False, False, False, True, True, True]
    assert (tmp_path / "somebody's.txt").exists()


def test_what_dead_processes_left_behind_is_swept(tmp_path):
    kept = Cache(tmp_path, MOST)
    kept.put(b"code", "key")
    left = tmp_path / ".0123.wo.77.ab"
    left.write_bytes(b"half")
    os.utime(left, (time.time() - 1e6,) * 2)
    kept.sweep()
    assert not left.exists() and kept.get("key") == b"code"


def test_processes_write_one_key_at_once(tmp_path):
    program = f"""
from wengert.backends.llvm.cache import Cache
from pathlib import Path
kept = Cache(Path({str(tmp_path)!r}), 10**9)
code = b"machine" * 40000
for _ in range(40):
    kept.put(code, "key")
    assert kept.get("key") == code
"""
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    running = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(3)]
    assert [p.wait(60) for p in running] == [0, 0, 0]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_environment_says_where_and_whether(monkeypatch, tmp_path):
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    assert folder() == tmp_path and cache().place == tmp_path and cache() is cache()
    monkeypatch.setenv("WENGERT_CACHE", "0")
    assert folder() is None and not cache().put(b"code", "key") and cache().get("key") is None
    monkeypatch.delenv("WENGERT_CACHE")
    monkeypatch.delenv("WENGERT_CACHE_DIR")
    if sys.platform.startswith("linux"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert folder() == tmp_path / "xdg" / "wengert"
    monkeypatch.setenv("WENGERT_CACHE_MEGABYTES", "1.5")
    assert limit() == 1_500_000
    monkeypatch.setenv("WENGERT_CACHE_MEGABYTES", "much")
    with pytest.raises(WengertValueError, match="WENGERT_CACHE_MEGABYTES='much'"):
        limit()


def test_a_second_process_does_not_compile(tmp_path):
    pytest.importorskip("llvmlite")
    program = """
from wengert.backends.llvm.cache import cache
from wengert.backends.llvm.engine import Engine
from wengert.backends.llvm.entry.roads import c_entry
compiled = []
real = Engine.compile
Engine.compile = lambda self, text, **k: compiled.append(1) or real(self, text, **k)
assert c_entry() is not None
print(len(compiled), cache().hits)
"""
    assert fresh_python(program, tmp_path).split() == ["1", "0"]
    assert fresh_python(program, tmp_path).split() == ["0", "1"]
    assert fresh_python(program, tmp_path, WENGERT_CPU_FEATURES="baseline").split() == ["1", "0"]
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    assert fresh_python(program, tmp_path).split() == ["1", "0"]
    assert fresh_python(program, tmp_path).split() == ["0", "1"]

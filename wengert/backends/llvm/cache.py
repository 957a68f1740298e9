"""Object code on disk, so that a second process need not compile.

A file's name is the hash of all that the code depends on, and it carries the hash of its content and name. Imports the
standard library and core's errors only. Invariants: what does not check out is never used; a file appears whole or
not at all; no trouble with the disk is an error."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from wengert.core.errors import WengertValueError, error_at

try:  # ``hashlib`` is this and OpenSSL, which takes longer to load than a plan takes to find
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

_MAGIC = b"wengert object 3\n"
_SUFFIX = ".wo"
_SWEEP_EVERY = 64
_DAY = 86400.0


def folder() -> Path | None:
    """Where object code is kept: WENGERT_CACHE_DIR, else the user's cache folder of the platform; None when
    WENGERT_CACHE=0 or when there is no such place."""
    if os.environ.get("WENGERT_CACHE", "1").strip().lower() in ("0", "off", "no", "false"):
        return None
    said = os.environ.get("WENGERT_CACHE_DIR")
    if said:
        return Path(said).expanduser()
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "wengert"


def limit() -> int:
    """The most bytes that are kept: WENGERT_CACHE_MEGABYTES, 512 unless said.

    Raises WengertValueError when that is not a number."""
    said = os.environ.get("WENGERT_CACHE_MEGABYTES", "512")
    try:
        return int(float(said) * 1e6)
    except (ValueError, OverflowError):
        raise error_at(
            WengertValueError, f"WENGERT_CACHE_MEGABYTES={said!r} is not a number", fix="say how many megabytes, as 512"
        ) from None


class Cache:
    """Object code by key, in one folder (None: nothing is kept). ``hits`` and ``misses`` count this process's;
    ``trouble`` says why nothing could be put there last."""

    def __init__(self, place: Path | None, most: int) -> None:
        self.place, self.most = place, most
        self.hits = self.misses = self._stored = 0
        self.trouble = ""

    def get(self, *parts: str) -> bytes | None:
        """What was kept under this key, if it is whole and as it was written."""
        if self.place is None or not _ours(self.place):
            self.misses += 1
            return None
        path = self._path(parts)
        found = None
        with contextlib.suppress(OSError):
            if stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
                found = _unpacked(path.read_bytes(), path.name)
            if found is not None:
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > _DAY:
                        os.utime(path)  # what is used is not old
        self.hits += found is not None
        self.misses += found is None
        return found

    def put(self, code: bytes, *parts: str) -> bool:
        """Keep object code under a key; whether that was possible."""
        if self.place is None:
            return False
        path = self._path(parts)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _ours(self.place):
                self.trouble = f"{self.place} may be written to by others"
                return False
            try:
                temporary.write_bytes(_MAGIC + _seal(code, path.name) + code)
                temporary.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
        except OSError as problem:
            self.trouble = f"{self.place} cannot be written to ({problem.strerror})"
            return False
        self.trouble = ""
        if self._stored % _SWEEP_EVERY == 0:
            self.sweep()
        self._stored += 1
        return True

    def __str__(self) -> str:
        kept = self.place is not None and not self.trouble
        return str(self.place) if kept else "none kept" + (f": {self.trouble}" if self.trouble else "")

    def sweep(self) -> None:
        """Delete the oldest files until the limit is kept, and what processes that died left behind."""
        if self.place is None:
            return
        found, total = [], 0
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.place):
                with contextlib.suppress(OSError):
                    facts = entry.stat(follow_symlinks=False)
                    if _SUFFIX not in entry.name or not stat.S_ISREG(facts.st_mode):
                        continue
                    if entry.name.startswith(".") and time.time() - facts.st_mtime > _DAY:
                        Path(entry.path).unlink()
                        continue
                    found.append((facts.st_mtime, facts.st_size, entry.path))
                    total += facts.st_size
        for _, size, path in sorted(found):
            if total <= self.most:
                break
            with contextlib.suppress(OSError):
                Path(path).unlink()
            total -= size

    def _path(self, parts: tuple[str, ...]) -> Path:
        assert self.place is not None
        return self.place / (hash_of(parts) + _SUFFIX)


def hash_of(parts: Iterable[str]) -> str:
    """The hash of texts, as a text of 40 letters."""
    digest = blake2b(digest_size=20)
    for part in parts:
        text = part.encode()
        digest.update(b"%d:" % len(text) + text)
    return digest.hexdigest()


def _seal(code: bytes, name: str) -> bytes:
    """The hash of a content and of the name it is kept under: a copy under another name is damaged too."""
    return blake2b(name.encode() + b"\n" + code, digest_size=32).digest()


def _unpacked(content: bytes, name: str) -> bytes | None:
    head = len(_MAGIC) + 32
    code = content[head:]
    if not content.startswith(_MAGIC) or _seal(code, name) != content[len(_MAGIC) : head]:
        return None
    return code


def _ours(place: Path) -> bool:
    """Whether nobody else may have put code there: we or the system own the folder, and others may not write."""
    if not hasattr(os, "geteuid"):
        return True
    try:
        facts = place.stat()
    except OSError:
        return False
    return facts.st_uid in (os.geteuid(), 0) and not facts.st_mode & stat.S_IWOTH


_caches: dict[tuple[Path | None, int], Cache] = {}


def cache() -> Cache:
    """The cache that the environment asks for now."""
    key = folder(), limit()
    found = _caches.get(key)
    if found is None:
        found = _caches[key] = Cache(*key)
    return found


__all__ = ["Cache", "blake2b", "cache", "folder", "hash_of", "limit"]

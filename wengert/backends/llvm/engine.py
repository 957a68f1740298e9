"""LLVM: text to object code, object code to addresses. The only file that imports llvmlite.

One engine per process, made when first asked for; all that LLVM does happens under one lock, which ``fork`` and the
end of the process wait for. Invariant: an address is valid as long as its ``Library`` is alive, and code with an
undefined symbol is never handed out."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from wengert.backends.llvm.host import Host, host_of
from wengert.core.errors import WengertError, error_at

OLDEST = (0, 46)
"""The first llvmlite that serves."""

COLD = 20_000
"""Lines of text above which code is generated without optimisation: the register allocator is worse than linear."""

LONG, LOOPY = 1500, 8
"""The lines and loops of a function from which on it is left as it is written, but for its variables: LLVM's passes
over it took a third of all time, and made none faster. Shorter ones gain up to a fifth by them."""

_OPTIONS = (
    f"functions by O1 without vectorisers and unrolling, from {LONG} lines with {LOOPY} loops by SROA, "
    f"code generation 2, 1 above {LONG} lines, 0 above {COLD}"
)


class NativeCodeError(WengertError, RuntimeError):
    """Native code could not be made: llvmlite is missing or too old, or LLVM refused a text."""


class Library:
    """Machine code in memory; ``library[name]`` is an address, valid while the library is referenced."""

    __slots__ = ("__weakref__", "_addresses", "_engine", "_number")

    def __init__(self, engine: Engine, number: int, addresses: Mapping[str, int]) -> None:
        self._engine, self._number, self._addresses = engine, number, dict(addresses)

    def __getitem__(self, name: str) -> int:
        return self._addresses[name]

    def __del__(self) -> None:
        # Not given back here: LLVM's lock may be held by a thread that compiles for seconds. What LLVM knows of it
        # belongs to the engine alone: reached from here, the collector could finalize it while the engine closes it.
        engine = getattr(self, "_engine", None)
        if engine is not None:
            engine.dead.append(self._number)


class Engine:
    """The compiler and linker of this process."""

    def __init__(self, llvm: Any) -> None:
        self.llvm = llvm
        self.lock = threading.RLock()
        # llvmlite's own lock, which other users of it hold too.
        self._inner = getattr(getattr(llvm.ffi.lib, "_lock", None), "_lock", None)
        self.closed = False
        self.dead: list[int] = []
        """The numbers of libraries that nobody holds any more."""
        self._linked: dict[int, Any] = {}
        self.version = ".".join(map(str, llvm.llvm_version_info))
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self._target = llvm.Target.from_default_triple()
        try:
            features = dict(llvm.get_host_cpu_features())
        except RuntimeError:  # LLVM cannot tell them on every system
            features = {}
        self.host: Host = host_of(self._target.triple, llvm.get_host_cpu_name(), features)
        # JITLink puts a library into one piece of memory, so that short relative addresses always reach. It does not
        # serve COFF well; there, addresses have 64 bits.
        self._near = sys.platform != "win32"
        self._machines: dict[int, Any] = {}
        self._passes: dict[int, tuple[Any, Any, Any, Any]] = {}
        self._numbers = itertools.count()
        machine = self._machines[2] = self._new_machine(2)
        self._data_layout = str(machine.target_data)
        self._jit = llvm.create_lljit_compiler(self._new_machine(2), use_jit_link=self._near, suppress_errors=True)

    def _new_machine(self, optimise: int) -> Any:
        reach = {"reloc": "pic", "codemodel": "small"} if self._near else {"codemodel": "jitdefault"}
        return self._target.create_target_machine(cpu=self.host.cpu, features=self.host.features, opt=optimise, **reach)

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        with self.lock:
            if self.closed:
                raise NativeCodeError("the interpreter is ending: nothing is compiled any more")
            yield

    def key(self) -> str:
        """What machine code depends on besides its text."""
        h = self.host
        return "\n".join((_OPTIONS, self.version, h.triple, h.cpu, h.features, str(self._near)))

    def compile(self, text: str, *, optimise: int | None = None) -> bytes:
        """The object code of a module's text; ``optimise`` is the effort of code generation (2; 1 for long, 0 for very
        large code; default: by size).

        Raises NativeCodeError, with LLVM's complaint and the line, for a text that is not valid."""
        return bytes(self._made(text, optimise, lambda machine, module: machine.emit_object(module)))

    def assembler(self, text: str, *, optimise: int | None = None) -> str:
        """The assembler text of what ``compile`` makes."""
        return str(self._made(text, optimise, lambda machine, module: machine.emit_assembly(module)))

    def optimised(self, text: str) -> str:
        """The text of a module after the passes."""
        return str(self._made(text, None, lambda machine, module: str(module)))

    def _made(self, text: str, optimise: int | None, make: Callable[[Any, Any], Any]) -> Any:
        llvm = self.llvm
        if optimise is None:
            lines = text.count("\n")
            optimise = 0 if lines > COLD else 1 if lines > LONG else 2
        # What LLVM made is given back before the lock is: a process that forks in between must find nobody inside.
        with self._at_work(), contextlib.ExitStack() as used:
            machine = self._machines.get(optimise)
            if machine is None:
                machine = self._machines[optimise] = self._new_machine(optimise)
            try:
                module = used.enter_context(llvm.parse_assembly(text))
                module.triple = self.host.triple
                module.data_layout = self._data_layout
                module.verify()
            except RuntimeError as error:
                raise NativeCodeError(f"LLVM refuses this text: {str(error).strip()}") from error
            whole, full, few, builder = self._passes_for(optimise, machine)
            whole.run(module, builder)
            # Each function by itself is simplified. What LLVM's module pipeline does after that took as long again,
            # in large loops many times as long (it compares every pair of their accesses), and made none faster.
            large = long_functions(text)
            for function in module.functions:
                if not function.is_declaration:
                    (few if function.name in large else full).run(function, builder)
            return make(machine, module)

    def _passes_for(self, optimise: int, machine: Any) -> tuple[Any, Any, Any, Any]:
        """The passes over a module, over its functions, over long ones, and who runs them.

        Made once: of every set of passes that was made, LLVM keeps some memory for good."""
        found = self._passes.get(optimise)
        if found is None:
            llvm = self.llvm
            # Kernels come with vectors and blocks of their own: measured on all kinds of them, LLVM's vectorisers and
            # unrolling double the time to compile and change the speed by -8 to +25 %, mostly for the worse.
            options = llvm.create_pipeline_tuning_options(speed_level=1)
            options.slp_vectorization = False
            options.loop_vectorization = False
            options.loop_unrolling = False
            builder = llvm.create_pass_builder(machine, options)
            whole = llvm.create_new_module_pass_manager()
            whole.add_always_inliner_pass()
            whole.add_global_dead_code_eliminate_pass()
            few = llvm.create_new_function_pass_manager()
            few.add_sroa_pass()
            found = self._passes[optimise] = whole, builder.getFunctionPassManager(), few, builder
        return found

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of the names that this process does not define."""
        with self._at_work():
            return [n for n in names if not self.llvm.address_of_symbol(n)]

    def link(
        self,
        code: bytes,
        exports: Iterable[str],
        *,
        external: Iterable[str] = (),
        symbols: Mapping[str, int] | None = None,
    ) -> Library:
        """Load object code; the library has the addresses of ``exports``.

        ``symbols`` gives addresses to names; every other name is looked up in this process, and those in
        ``external`` are looked up first, to be named in the error. Raises NativeCodeError when a symbol is missing
        or the object code is damaged."""
        exports, symbols = tuple(exports), dict(symbols or {})
        with self._at_work():
            while self.dead:
                self._linked.pop(self.dead.pop()).close()
            lost = self.missing(n for n in external if n not in symbols)
            if lost:
                raise NativeCodeError(f"native code needs {', '.join(lost)}, which this process does not have")
            builder = self.llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
            for name, address in symbols.items():
                builder.import_symbol(name, address)
            for name in exports:
                builder.export_symbol(name)
            try:
                number = next(self._numbers)
                tracker = builder.link(self._jit, f"wengert.{number}")
            except RuntimeError as error:
                said = str(error).strip()
                reason = f"{said} (a symbol is not defined)" if "materialize" in said else said
                raise NativeCodeError(f"object code could not be linked: {reason}") from error
            addresses = {name: int(tracker[name]) for name in exports}
            if not all(addresses.values()):
                tracker.close()
                raise NativeCodeError(f"object code lacks {', '.join(n for n, a in addresses.items() if not a)}")
            self._linked[number] = tracker
            return Library(self, number, addresses)

    def hold(self) -> None:
        """Wait until no thread is in LLVM, and keep all out: before a fork."""
        self.lock.acquire()
        if self._inner is not None:
            self._inner.acquire()

    def let_go(self) -> None:
        """Let threads into LLVM again."""
        if self._inner is not None:
            self._inner.release()
        self.lock.release()

    def close(self) -> None:
        """Wait for what is being compiled, and compile no more. LLVM's objects stay: code may still be running."""
        with self.lock:
            self.closed = True
            passes = (thing for made in self._passes.values() for thing in made)
            for thing in (*self._linked.values(), *passes, *self._machines.values(), self._jit):
                thing.detach()
            self._linked.clear()
            self.dead.clear()


def long_functions(text: str) -> set[str]:
    """The names of the functions of a module's text that are long and have many loops."""
    found = set()
    for part in text.split("\ndefine "):
        if part.count(" = phi ") >= LOOPY and part.count("\n", 0, part.find("\n}")) >= LONG:
            found.add(part[part.index("@") + 1 : part.index("(", part.index("@"))])
    return found


_state: dict[str, Any] = {}

making = threading.RLock()
"""Held by whoever makes a native plan, from its first import to the last link: ``fork`` waits for it, because a child
that inherits half an import or a lock inside LLVM waits for a thread that it does not have."""


def engine() -> Engine:
    """The engine of this process.

    Raises NativeCodeError when there is no llvmlite that serves; WengertValueError for a wrong
    WENGERT_CPU_FEATURES."""
    found = _state.get("engine")
    if found is None:
        reason = why_not()
        if reason is not None:
            raise error_at(NativeCodeError, reason, fix="or compile with backend='numpy'")
        with making:
            found = _state.get("engine")
            if found is None:
                try:
                    found = Engine(_state["llvm"])
                except (AttributeError, TypeError, RuntimeError, OSError) as error:  # another version than any known
                    if isinstance(error, WengertError):
                        raise
                    _state["reason"] = f"the llvmlite installed does not serve ({type(error).__name__}: {error})"
                    raise error_at(NativeCodeError, _state["reason"], fix="or compile with backend='numpy'") from error
                atexit.register(found.close)
                _state["engine"] = found
    return found


def _before_fork() -> None:
    making.acquire()
    if "engine" in _state:
        _state["engine"].hold()


def _after_fork() -> None:
    if "engine" in _state:
        _state["engine"].let_go()
    making.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def available() -> bool:
    """Whether native code can be made here."""
    return why_not() is None


def why_not() -> str | None:
    """Why there is no native code, in one sentence; None where there is."""
    if "reason" not in _state:
        with making:
            if "reason" not in _state:
                _state["reason"] = _look()
    return _state["reason"]  # type: ignore[no-any-return]


def _look() -> str | None:
    wanted = f"llvmlite {'.'.join(map(str, OLDEST))} or newer"
    get = "pip install 'wengert[native]'"
    try:
        import llvmlite
        import llvmlite.binding as llvm
    except ImportError:
        return f"native code needs {wanted}, which is not installed: {get}"
    except Exception as error:  # noqa: BLE001 whatever is wrong with it, it is not the user's program
        return f"native code needs {wanted}; the one installed does not load ({type(error).__name__}: {error}): {get}"
    version = str(getattr(llvmlite, "__version__", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST or not hasattr(llvm, "create_lljit_compiler") or not hasattr(llvm, "create_pass_builder"):
        return f"native code needs {wanted}, found {version}: {get}"
    _state["llvm"] = llvm
    return None


__all__ = ["COLD", "OLDEST", "Engine", "Library", "NativeCodeError", "available", "engine", "making", "why_not"]

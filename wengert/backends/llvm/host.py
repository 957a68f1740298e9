"""The processor that native code is made for: its name, its features, and what of them may be used.

Imports core's errors only, and knows nothing of llvmlite: ``engine`` asks LLVM and hands over what it said.
Invariant: features are only ever taken away from what the processor has, by names that LLVM knows, because a name it
does not know makes LLVM end the process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from wengert.core.errors import WengertValueError, error_at

VARIABLE = "WENGERT_CPU_FEATURES"
"""The environment variable that takes features away: ``baseline``, or a list as in ``-avx512f,-fma``."""

# What needs what, on x86: without the second none of the first (Intel's manual, the CPUID prerequisites).
_NEEDS = {
    "avx512f": ("avx2", "fma", "f16c"),
    "avx512dq": ("avx512f",),
    "avx512vl": ("avx512f",),
    "avx512bw": ("avx512f",),
    "avx2": ("avx",),
    "fma": ("avx",),
    "f16c": ("avx",),
    "avx": ("sse4.2",),
    "sse4.2": ("sse4.1",),
    "sse4.1": ("ssse3",),
    "ssse3": ("sse3",),
    "sse3": ("sse2",),
}

# Without these LLVM has no way to pass a double, and ends the process.
_ALWAYS = frozenset({"64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2", "x87", "neon", "fp-armv8"})


class Host(NamedTuple):
    """What machine code is made for: ``features`` as LLVM reads them, the bits of a vector register, and whether
    multiply-and-add is one instruction."""

    triple: str
    cpu: str
    features: str
    width_bits: int
    fma: bool


def host_of(triple: str, cpu: str, features: Mapping[str, bool], setting: str | None = None) -> Host:
    """The host with the features that ``setting`` (default: the environment's WENGERT_CPU_FEATURES) leaves.

    >>> host = host_of("x86_64-linux", "znver4", {"sse2": True, "avx": True, "avx2": True, "fma": True}, "-fma")
    >>> host.width_bits, host.fma, host.features
    (256, False, '+avx,+avx2,+fma,+sse2,-fma')

    Raises WengertValueError for a setting that is not understood."""
    setting = os.environ.get(VARIABLE, "") if setting is None else setting
    architecture = triple.partition("-")[0]
    x86 = architecture in ("x86_64", "amd64", "i386", "i486", "i586", "i686")
    if setting.strip().lower() == "baseline":
        cpu, known = ("x86-64" if architecture in ("x86_64", "amd64") else "i686" if x86 else "generic"), {}
        return Host(triple, cpu, "", 128, _is_arm64(architecture))
    known = dict(features)
    off = _taken_away(setting, known)
    has = {name for name, present in known.items() if present and name not in off}
    while gone := {n for n in has if any(need in known and need not in has for need in _NEEDS.get(n, ()))}:
        has -= gone
    if x86:
        wide = {"avx512f", "avx512dq", "avx512vl", "avx512bw"} <= has
        width, fma = 512 if wide else 256 if "avx" in has else 128, "fma" in has
    else:
        width, fma = 128, _is_arm64(architecture)
    text = [("+" if present else "-") + name for name, present in sorted(known.items())]
    return Host(triple, cpu, ",".join([*text, *(f"-{name}" for name in sorted(off))]), width, fma)


def _is_arm64(architecture: str) -> bool:
    return architecture in ("aarch64", "arm64")


def _taken_away(setting: str, known: Mapping[str, bool]) -> set[str]:
    off = set()
    for word in setting.replace(",", " ").split():
        name = word.removeprefix("-").lower()
        if word.startswith("+") or name not in known or name in _ALWAYS:
            why = "is no feature of this processor" if name not in known else "cannot be taken away"
            if word.startswith("+"):
                why = "would add a feature; they can only be taken away"
            raise error_at(
                WengertValueError,
                f"{VARIABLE}={setting!r}: {word!r} {why}",
                fix=f"write 'baseline', or features to do without, as '-avx512f,-fma'; known here: "
                f"{', '.join(sorted(n for n, present in known.items() if present and n not in _ALWAYS))}",
            )
        off.add(name)
    return off


__all__ = ["VARIABLE", "Host", "host_of"]

"""Every error and warning of wengert, and the texts they carry.

A message says what happened, where (operation, file and line of the user's code), what was got and what to do; the same
facts are attributes. Imports ``node`` only. Invariant: every class is a WengertError and also the builtin a caller
would expect.
"""

from __future__ import annotations

import sys

from wengert.core.node import Where, blamed_frame, line_of


class WengertError(Exception):
    """Base of all errors raised by wengert; ``file``, ``line`` and ``fix`` are attributes.

    >>> import wengert
    >>> try:
    ...     wengert.grad(lambda x: float(x) ** 2)(3.0)
    ... except wengert.WengertError as error:
    ...     print(type(error).__name__, error.line, bool(error.fix))
    CutError 2 True
    """

    file: str = ""
    line: int = 0
    fix: str = ""


class WengertTypeError(WengertError, TypeError):
    """A value of a kind that has no derivative, or of the wrong kind for the call."""


class WengertValueError(WengertError, ValueError):
    """A value, shape or option that does not fit."""


class TieError(WengertValueError):
    """A derivative that equal eigenvalues or singular values leave open, or that the mode asked for cannot find.

    >>> import numpy as np
    >>> import wengert
    >>> try:
    ...     wengert.hvp(lambda a: np.linalg.eigvalsh(a)[0], (np.eye(2),), (np.eye(2),))
    ... except wengert.TieError as error:
    ...     print(str(error)[:60])
    a result depends on which vectors were taken for equal eigen
    """


class WengertIndexError(WengertError, IndexError):
    """An argument number that the function does not have."""


class CutError(WengertTypeError):
    """The derivative would be cut here without a word: a traced value was asked for its plain number or memory.

    >>> import wengert
    >>> try:
    ...     wengert.grad(lambda x: float(x) ** 2)(3.0)
    ... except wengert.CutError as error:
    ...     print(str(error).splitlines()[0])
    float() of a traced value would cut the derivative
    """


class NoRuleError(WengertTypeError, NotImplementedError):
    """A function that wengert has no derivative for.

    >>> import numpy as np
    >>> import wengert
    >>> try:
    ...     wengert.grad(lambda x: np.packbits(x)[0])(np.ones(8))
    ... except wengert.NoRuleError as error:
    ...     print(str(error).splitlines()[0])
    numpy.packbits has no derivative rule
    """


class ChangedError(WengertValueError):
    """An array that the derivative needs was overwritten after it was used.

    >>> import numpy as np
    >>> import wengert
    >>> outside = np.ones(50000)
    >>> def f(x):
    ...     y = np.sum(x * outside)
    ...     outside[:] = 0.0
    ...     return y
    >>> try:
    ...     wengert.grad(f)(np.ones(50000))
    ... except wengert.ChangedError as error:
    ...     print(str(error)[:40])
    an array of shape (50000,) was overwritt
    """


class VerificationError(WengertValueError):
    """``verify=True`` found that a traced result and an untraced one differ.

    >>> import wengert
    >>> calls = []
    >>> def f(x):
    ...     calls.append(x)
    ...     return x * len(calls)
    >>> try:
    ...     wengert.grad(f, verify=True)(3.0)
    ... except wengert.VerificationError:
    ...     print("differs")
    differs
    """


class CheckError(WengertError, AssertionError):
    """``check_grads`` found a derivative that differs from its independent reference.

    >>> import wengert
    >>> wrong = wengert.custom_jvp(lambda x: x * x)
    >>> rule = wrong.defjvp(lambda primals, tangents: (primals[0] ** 2, tangents[0]))
    >>> try:
    ...     wengert.check_grads(wrong, (3.0,))
    ... except wengert.CheckError:
    ...     print("wrong")
    wrong
    """


class KinkError(WengertValueError):
    """``nonsmooth="raise"`` met a point where an operation has no unique derivative.

    >>> import wengert
    >>> try:
    ...     wengert.grad(abs, nonsmooth="raise")(0.0)
    ... except wengert.KinkError:
    ...     print("on a kink")
    on a kink
    """


class WengertWarning(UserWarning):
    """Base of all warnings raised by wengert.

    >>> issubclass(NoDependenceWarning, WengertWarning)
    True
    """


class NoDependenceWarning(WengertWarning):
    """The output does not depend on the input, so the derivative is zero; says where the path ended.

    >>> import warnings
    >>> import wengert
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     float(wengert.grad(lambda x: 2.0)(1.0)), caught[0].category.__name__
    (0.0, 'NoDependenceWarning')
    """


class KinkWarning(WengertWarning):
    """``nonsmooth="warn"`` met a kink.

    >>> import warnings
    >>> import wengert
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     float(wengert.grad(abs, nonsmooth="warn")(0.0)), caught[0].category.__name__
    (0.0, 'KinkWarning')
    """


class LeakWarning(WengertWarning):
    """A traced value was used after its trace had ended; it stands for its plain value.

    >>> import warnings
    >>> import wengert
    >>> kept = []
    >>> slope = wengert.grad(lambda x: kept.append(x) or x * x)(3.0)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     float(kept[0] * 2.0), caught[0].category.__name__
    (6.0, 'LeakWarning')
    """


class CompileWarning(WengertWarning):
    """A compiled function, or some calls of it, run uncompiled; the text says why.

    >>> import warnings
    >>> import numpy as np
    >>> import wengert
    >>> noisy = wengert.compile(lambda x: x + np.random.normal(), backend="numpy")
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     noisy(1.0) == noisy(1.0), caught[0].category.__name__
    (False, 'CompileWarning')
    """


def error_at(
    kind: type[WengertError], what: str, *, fix: str = "", where: Where | None = None, depth: int = 2
) -> WengertError:
    """Build such an error without raising it."""
    if where is None:
        frame = blamed_frame(sys._getframe(depth - 1))
        file, line = (frame.f_code.co_filename, frame.f_lineno) if frame else ("<unknown>", 0)
    else:
        file, line, _ = line_of(where)
    text = f"{what}\n  at {file}:{line}"
    if fix:
        text += f"\n  fix: {fix}"
    error = kind(text)
    error.file, error.line, error.fix = file, line, fix
    return error

"""From functions to terms: recorded at three sets of sizes, or run on expressions.

Imports symbolic, inside the functions. Invariant: what a run on expressions gives was compared with the function at two
points, and holds none of the user's own rules and no loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.core.errors import WengertError, WengertValueError

if TYPE_CHECKING:
    from wengert.symbolic.substitute import Again
    from wengert.symbolic.terms import Term, Var

__all__ = ["recorded"]


def recorded(fun: Callable[..., Any], free: dict[str, Var], check: bool) -> tuple[Term, dict[str, Any], Again]:
    """The term of a function and the arrays that it reads from outside; with ``check`` its value has been compared
    with the function's. What looks at values, or takes other steps at other sizes, is run on expressions.
    """
    from wengert.api.closed_forms import differentiate_named_functions

    differentiate_named_functions()
    try:
        return _traced(fun, free, check)
    except WengertError as refusal:
        found = _built(fun, free)
        if found is None:
            raise refusal from None
        return found


def _built(fun: Callable[..., Any], free: dict[str, Var]) -> tuple[Term, dict[str, Any], Again] | None:
    """The same from a run of the function on expressions, compared at two points; None where it does not take them."""
    from wengert.api.tracing import trace
    from wengert.core.op import CONTROL, OPS
    from wengert.core.structure import ITEM
    from wengert.symbolic.expression import Expression
    from wengert.symbolic.graphs_terms import term_where
    from wengert.symbolic.recorded import sizes_for
    from wengert.symbolic.terms import variables
    from wengert.symbolic.verify import check_value, points, sample

    try:
        rng = np.random.default_rng(100)
        steps = trace(fun)(**{n: sample(v, sizes_for(free)[0], rng, 1) for n, v in free.items()})
        if any(n.op is not ITEM and (n.op.kind == CONTROL or OPS.get(n.op.name) is not n.op) for n in steps):
            return None  # rules of the user's own and loops
        found = fun(**{n: Expression(v) for n, v in free.items()})
        if not isinstance(found, Expression) or not set(variables(found.term)) <= set(free):
            return None
        for round_ in (0, 1):
            values, sizes = points(found.term, free, round_)
            with np.errstate(all="ignore"):
                check_value(found.term, values, sizes, fun(**{n: values[n] for n in free}))
    except Exception:  # noqa: BLE001  whatever a function does with what is no array
        return None
    return found.term, {}, lambda old, new: term_where(found.source, old, new)


def _traced(fun: Callable[..., Any], free: dict[str, Var], check: bool) -> tuple[Term, dict[str, Any], Again]:
    """The term of a function, recorded at three sets of sizes."""
    import inspect

    from wengert.api.tracing import trace
    from wengert.symbolic.recorded import Recordings, sizes_for
    from wengert.symbolic.verify import check_value, sample

    names = list(inspect.signature(fun).parameters)
    missing = [
        n
        for n, p in inspect.signature(fun).parameters.items()
        if n not in free and p.default is inspect.Parameter.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    unknown = [n for n in free if n not in names]
    if missing or unknown:
        raise WengertValueError(
            f"shapes must name the arguments of the function ({', '.join(names)}): "
            f"{'missing ' + ', '.join(missing) if missing else 'unknown ' + ', '.join(unknown)}"
        )
    given = [n for n in names if n in free]
    for order in (0, -1, 1):
        sizes, graphs = sizes_for(free, order), []
        try:
            for k, row in enumerate(sizes):
                rng = np.random.default_rng(100 + k)
                values = {n: sample(free[n], row, rng, 1) for n in given}
                with np.errstate(all="ignore"):
                    graphs.append(trace(fun)(**values))
        except np.linalg.LinAlgError as problem:
            trouble = problem
            continue
        except WengertError:
            raise
        except (ValueError, IndexError) as problem:
            at = ", ".join(f"{n} = {d}" for n, d in row.items())
            raise WengertValueError(
                f"no closed form: the function does not run at the sizes {at or 'declared'} ({problem})"
                "\n  fix: declare shapes that go together, sizes that must be fixed by numbers"
            ) from problem
        break
    else:
        raise WengertValueError(
            f"no closed form: the function cannot be run at a random point ({trouble})"
            "\n  fix: declare what its arguments are, as wg.var(name, shape, positive_definite=True) in shapes"
        ) from trouble
    recordings = Recordings(graphs, [free[n] for n in given], sizes)
    term = recordings.term()
    if check:
        check_value(term, {**values, **recordings.captured}, sizes[-1], fun(**values))
    return term, recordings.captured, recordings.term_where

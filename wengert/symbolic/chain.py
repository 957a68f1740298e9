"""The chain rule written out.

Intermediate steps, the derivative of each step with its shape, and the product of the shapes. Imports derive,
recover, text. Invariant: the named factors, multiplied in the order shown, are the derivative in numerator layout.
"""

from __future__ import annotations

from wengert.symbolic.build import permute
from wengert.symbolic.derive import jacobian
from wengert.symbolic.indexed import letters_for
from wengert.symbolic.notation import Form
from wengert.symbolic.recover import form_of
from wengert.symbolic.simplify import simplified
from wengert.symbolic.terms import Constant, Fn, Prod, Sum, Term, Var, depends, ordered, variables
from wengert.symbolic.text import TextWriter


def steps(given: Term, x: Var) -> list[Term]:
    """The nodes between a variable and the result that stand on every path between them, innermost first."""
    nodes = [t for t in ordered(given) if depends(t, x) and t is not x]
    return [node for node in nodes if node is given or _through(given, node, x)]


def _through(root: Term, node: Term, x: Var) -> bool:
    """Whether every path from the root to x passes through the node."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        term = stack.pop()
        if term is node or term.ident in seen:
            continue
        seen.add(term.ident)
        if term is x:
            return False
        stack.extend(term.children)
    return True


def chain_text(given: Term, x: Var) -> str:
    """The chain rule of one derivative as text."""
    if given.rank + x.rank > 2:
        return component_text(given, x)
    between = [t for t in steps(given, x) if t.rank <= 1 and not isinstance(t, (Constant,))]
    if not between or between[-1] is not given:
        between.append(given)
    if (
        isinstance(given, Prod)
        and len(between) > 1
        and isinstance(between[-2], Fn)
        and between[-2].name == "pow"
        and not given.rank
    ):
        between.pop(-2)  # ‖b‖² is one step
    taken = {*variables(given), "D"}
    letters = [c for c in "abcdefghpqrstuv" if c not in taken]
    letters.insert(len(between) - 1, next(c for c in "zyvZ" if c not in taken))
    names: dict[Term, str] = {}
    values: dict[Form, str] = {}
    lines = []
    previous: Term = x
    factors = []
    for k, node in enumerate(between):
        name = letters[k]
        text = TextWriter(values).write(form_of(node))
        lines.append(f"{name} = {text}")
        local = _local(node, previous, names.get(previous, x.name), name)
        factors.append(local)
        names[node] = name
        values[form_of(node)] = name
        previous = node
    last = names[between[-1]]
    product = " ".join(f"∂{names[n]}/∂{names.get(p, x.name)}" for n, p in _links(between, x))
    shapes = "".join(f"({s})" for s, _ in reversed(factors))
    whole = f"({_size(given)},{_size(x)})"
    return "\n".join(
        [
            ", ".join(lines),
            f"∂{last}/∂{x.name} = {product}",
            f"{whole} = {shapes}",
            *(text for _, text in reversed(factors)),
            *_components(between, x, names),
        ]
    )


def _links(between: list[Term], x: Var) -> list[tuple[Term, Term]]:
    return list(reversed(list(zip(between, [x, *between[:-1]], strict=True))))


def _size(term: Term) -> str:
    return str(term.shape[0]) if term.rank else "1"


def _local(node: Term, previous: Term, below: str, name: str) -> tuple[str, str]:
    """The shape and text of ∂node/∂previous, with the previous step as a variable."""
    from wengert.symbolic.build import var

    if isinstance(previous, Var):
        inner, stand = node, previous
    else:
        stand = var(below, previous.shape)
        inner = substituted(node, previous, stand)
    derived = simplified(jacobian(inner, stand))
    form = form_of(derived)
    if node.rank == 0 and previous.rank == 1:
        form = Form("row", (form,), rank=1)
    return f"{_size(node)},{_size(previous)}", f"∂{name}/∂{below} = {TextWriter().write(form)}"


def _components(between: list[Term], x: Var, names: dict[Term, str]) -> list[str]:
    """∂z/∂x_i = Σ_j ∂z/∂a_j ∂a_j/∂x_i"""
    links = _links(between, x)
    if len(links) < 2 or not x.rank:
        return []
    index = iter("jklpqrs")
    below = "i"
    parts: list[str] = []
    summed = []
    for node, previous in reversed(links):
        above = next(index) if node.rank and node is not between[-1] else ("" if not node.rank else "o")
        here = names.get(previous, x.name)
        parts.insert(0, f"∂{_at(names[node], above)}/∂{_at(here, below)}")
        if above and node is not between[-1]:
            summed.append(above)
        below = above
    last = names[between[-1]]
    first = "o" if between[-1].rank else ""
    sign = f"Σ_{''.join(reversed(summed))} " if summed else ""
    return [f"∂{_at(last, first)}/∂{_at(x.name, 'i')} = {sign}{' '.join(parts)}"]


def _at(name: str, letter: str) -> str:
    return f"{name}_{letter}" if letter else name


def substituted(root: Term, old: Term, new: Term) -> Term:
    """A term with a part replaced."""
    from wengert.symbolic import functions
    from wengert.symbolic.build import add, contract
    from wengert.symbolic.matrices import matrix, reduce
    from wengert.symbolic.terms import Matrix, Reduce

    done: dict[int, Term] = {old.ident: new}
    for node in ordered(root):
        if node.ident in done:
            continue
        made: Term = node
        if isinstance(node, Sum):
            made = add([(c, done[t.ident]) for c, t in node.terms], node.shape)
        elif isinstance(node, Prod):
            made = contract(
                [(done[t.ident], i) for t, i in node.factors], range(node.rank), dict(enumerate(node.sizes))
            )
        elif isinstance(node, Fn):
            made = functions.apply(node.name, *(done[a.ident] for a in node.args), params=node.params)
        elif isinstance(node, Matrix):
            made = matrix(node.name, done[node.arg.ident])
        elif isinstance(node, Reduce):
            made = reduce(node.name, done[node.arg.ident], node.axes)
        done[node.ident] = made
    return done[root.ident]


def component_text(given: Term, x: Var) -> str:
    """One component of a derivative: ∂D_kl/∂W_ij = δ_ki x_jl."""
    derived = simplified(jacobian(given, x))
    letters = letters_for(derived.rank, given.rank)
    upper, lower = letters[: given.rank], letters[given.rank :]
    form = form_of(permute(derived, tuple(range(derived.rank))))
    writer = ComponentWriter(set(variables(given)))
    left = f"∂{_at('D', upper)}/∂{_at(x.name, lower)}"
    return f"{left} = {writer.indexed(form, letters)}"


class ComponentWriter(TextWriter):
    """Entries of a matrix X are written x_ij where no vector is called x."""

    def __init__(self, taken: set[str]) -> None:
        super().__init__()
        self.taken = taken

    def index(self, base: str, letters: str) -> str:
        """An entry of a base."""
        small = base.lower()
        if len(base) == 1 and base.isupper() and small not in self.taken:
            base = small
        return super().index(base, letters)

"""Contractions in index form: sums over shared axes of products of two operands.

Imports NumPy, ops.einsum, ``lower/builder``. Invariant: a letter is one axis in all operands that have it, and two
letters of one product are two axes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from wengert.backends.llvm.indexed import Affine, Axis, Value
from wengert.backends.llvm.lower.builder import BOOL, Builder, Dim, Laid, Refused, along
from wengert.core.node import Node
from wengert.ops.contract import dot_axes, free_axes, inner_axes
from wengert.ops.einsum import parse

Rule = Callable[[Builder, Node, Sequence[Laid]], Laid]
RULES: dict[str, Rule] = {}
Labels = tuple[Hashable, ...]


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def enter(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = rule
        return rule

    return enter


def contract(b: Builder, node: Node, operands: Sequence[Laid], labels: Sequence[Labels], output: Labels) -> Laid:
    """The sum over all labels outside the output of the product of the operands, two at a time."""
    dtype = node.type.dtype
    if dtype == BOOL:
        raise Refused("a product of Boolean arrays")
    sizes: dict[Hashable, int] = {}
    for operand, names in zip(operands, labels, strict=True):
        for name, n in zip(names, operand.shape, strict=True):
            sizes[name] = max(n, sizes.get(name, 1))
    terms = [
        _without_repeats(b, b.laid(b.cast(o.value, dtype), o.dims), names)
        for o, names in zip(operands, labels, strict=True)
    ]
    while True:
        for k, (term, names) in enumerate(terms):
            others = {n for j, (_, ns) in enumerate(terms) if j != k for n in ns}
            terms[k] = _summed(b, term, names, set(names) - others - set(output))
        if len(terms) == 1:
            break
        i, j = _cheapest(terms, sizes, output)
        (right, right_names), (left, left_names) = terms.pop(j), terms.pop(i)
        needed = {n for _, ns in terms for n in ns} | set(output)
        terms.insert(i, _product(b, left, left_names, right, right_names, needed))
    term, names = terms[0]
    where = dict(zip(names, term.dims, strict=True))
    return b.laid(term.value, tuple(where.get(name, 0) for name in output))


Term = tuple[Laid, Labels]


def _without_repeats(b: Builder, operand: Laid, labels: Labels) -> Term:
    """An operand along the diagonals of its repeated labels."""
    if len(set(labels)) == len(labels):
        return operand, labels
    index: dict[Axis, Affine | Value] = {}
    dims: list[Dim] = []
    unique = tuple(dict.fromkeys(labels))
    for name in unique:
        mine = [d for n, d in zip(labels, operand.dims, strict=True) if n == name]
        axes = [d for d in mine if isinstance(d, Axis)]
        if len(axes) != len(mine):
            if axes:
                raise Refused("a diagonal of unequal extents")
            dims.append(0)
            continue
        fresh = Axis(axes[0].extent) if len(axes) > 1 else axes[0]
        dims.append(fresh)
        if len(axes) > 1:
            index.update((a, along(fresh)) for a in axes)
    return b.laid(b.substitute(operand.value, index), dims), unique


def _summed(b: Builder, operand: Laid, labels: Labels, gone: set[Hashable]) -> Term:
    if not gone:
        return operand, labels
    over = [d for n, d in zip(labels, operand.dims, strict=True) if n in gone and isinstance(d, Axis)]
    kept = [(n, d) for n, d in zip(labels, operand.dims, strict=True) if n not in gone]
    return b.laid(b.total(operand.value, over), [d for _, d in kept]), tuple(n for n, _ in kept)


def _cheapest(terms: Sequence[Term], sizes: dict[Hashable, int], output: Labels) -> tuple[int, int]:
    """The pair whose product has the fewest elements, then the fewest multiplications."""
    if len(terms) == 2:
        return 0, 1

    def cost(pair: tuple[int, int]) -> tuple[int, int]:
        together = set(terms[pair[0]][1]) | set(terms[pair[1]][1])
        rest = {n for k, (_, ns) in enumerate(terms) if k not in pair for n in ns} | set(output)
        size = work = 1
        for name in together:
            work *= sizes[name]
            size *= sizes[name] if name in rest else 1
        return size, work

    return min(((i, j) for i in range(len(terms)) for j in range(i + 1, len(terms))), key=cost)


def _product(
    b: Builder, left: Laid, left_names: Labels, right: Laid, right_names: Labels, needed: set[Hashable]
) -> Term:
    (left, right), env = b.align((left, right), (left_names, right_names))
    names = tuple(dict.fromkeys((*left_names, *right_names)))
    value = b.map("multiply", left.dtype, left.value, right.value)
    over = [axis for name in names if name not in needed and isinstance(axis := env.get(name, 0), Axis)]
    kept = tuple(n for n in names if n in needed)
    return b.laid(b.total(value, over), tuple(env.get(n, 0) for n in kept)), kept


# ---------------------------------------------------------------- the operations


@_rule("einsum")
def _einsum(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    spec = parse(node.params[0], [len(o.dims) for o in operands])
    return contract(b, node, operands, spec.operands, spec.output)


def _lead(operand: Laid, core: int) -> tuple[int, ...]:
    return tuple(range(core - len(operand.dims), 0))


@_rule("matmul", "matvec", "vecmat", "vecdot")
def _matmul(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    left, right = operands
    row = len(left.dims) > 1 if node.op.name == "matmul" else node.op.name == "matvec"
    column = len(right.dims) > 1 if node.op.name == "matmul" else node.op.name == "vecmat"
    core = ("i", "k") if row else ("k",), ("k", "j") if column else ("k",)
    leads = _lead(left, len(core[0])), _lead(right, len(core[1]))
    lead = max(leads, key=len)
    output = (*lead, *("i" if row else ""), *("j" if column else ""))
    return contract(b, node, operands, ((*leads[0], *core[0]), (*leads[1], *core[1])), output)


def _tensordot_labels(a: int, c: int, axes: Any) -> tuple[list[Labels], Labels]:
    taken = [tuple(k % n for k in ks) for ks, n in zip(axes, (a, c), strict=True)]
    left: list[Hashable] = [("a", k) for k in range(a)]
    right: list[Hashable] = [("b", k) for k in range(c)]
    for i, j in zip(*taken, strict=True):
        right[j] = left[i]
    output = (*(left[k] for k in free_axes(a, taken[0])), *(right[k] for k in free_axes(c, taken[1])))
    return [tuple(left), tuple(right)], output


@_rule("tensordot", "dot", "inner")
def _tensordot(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    ranks = tuple(len(o.dims) for o in operands)
    if node.op.name == "tensordot":
        axes = node.params[0]
    elif 0 in ranks:
        axes = ((), ())
    else:
        axes = (dot_axes if node.op.name == "dot" else inner_axes)(*ranks)
    labels, output = _tensordot_labels(ranks[0], ranks[1], axes)
    return contract(b, node, operands, labels, output)


@_rule("outer", "vdot")
def _flattened(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    flat = [_flat(b, o) for o in operands]
    if node.op.name == "outer":
        return contract(b, node, flat, (("i",), ("j",)), ("i", "j"))
    return contract(b, node, flat, (("i",), ("i",)), ())


def _flat(b: Builder, operand: Laid) -> Laid:
    from wengert.backends.llvm.lower.shape import reshaped

    count = 1
    for n in operand.shape:
        count *= n
    return reshaped(b, operand, (count,))


@_rule("convolve")
def _convolve(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    # y[k] = sum_j a[k - j] b[j], with a zero outside its range.
    left, right = operands
    if len(left.dims) != 1 or len(right.dims) != 1:
        raise Refused("a convolution that is not of vectors")
    dtype = node.type.dtype
    if dtype == BOOL:
        raise Refused("a product of Boolean arrays")
    right = b.fresh(right)
    product = b.map("multiply", dtype, b.cast(left.value, dtype), b.cast(right.value, dtype))
    (i,), (j,) = left.dims, right.dims
    if not isinstance(i, Axis) or not isinstance(j, Axis):
        return b.laid(product, (i or j,))
    k = Axis(i.extent + j.extent - 1)
    place = Affine(((k, 1), (j, -1)))
    # The product is guarded, not the factor: outside there is no product, whatever the other factor is.
    guarded = b.substitute(product, {i: place}, ((place, 0, i.extent),), 0)
    return b.laid(b.total(guarded, (j,)), (k,))


@_rule("cross")
def _cross(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    from wengert.backends.llvm.lower.elementwise import aligned, computed
    from wengert.backends.llvm.lower.shape import joined

    dtype = node.type.dtype
    if any(o.shape[-1:] != (3,) for o in operands) or dtype == BOOL:
        raise Refused("a cross product that is not of 3-vectors")
    parts = [[_component(b, o, k) for k in range(3)] for o in operands]
    rows = []
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        products = []
        for p, q in ((i, j), (j, i)):
            values, dims = aligned(b, (parts[0][p], parts[1][q]))
            products.append(b.laid(computed(b, "multiply", dtype, values), dims))
        values, dims = aligned(b, products)
        rows.append(b.laid(computed(b, "subtract", dtype, values), (*dims, 0)))
    return joined(b, rows, len(rows[0].dims) - 1, dtype)


def _component(b: Builder, operand: Laid, k: int) -> Laid:
    axis = operand.dims[-1]
    assert isinstance(axis, Axis)
    return b.laid(b.substitute(operand.value, {axis: Affine((), k)}), operand.dims[:-1])


__all__ = ["RULES", "contract"]

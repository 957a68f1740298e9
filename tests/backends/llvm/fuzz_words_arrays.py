"""More vocabulary of random programs: whole numbers and bits, complex numbers, index tables, einsum, running ufuncs.

Imports the drawing of operands and NumPy. Invariant: a word is an ordinary function of arrays, the same traced and
untraced."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.backends.llvm.fuzz_programs import (
    WORDS,
    an_array,
    axis_of,
    broadcasts,
    flag,
    float_array,
    full,
    is_float,
    of_one,
    of_two,
    pick,
)

# ---------------------------------------------------------------- whole numbers, bits


def is_whole(x: Any) -> bool:
    """Integers, Booleans among them."""
    return np.asarray(x).dtype.kind in "iub"


def is_signed(x: Any) -> bool:
    """Integers that can be negative."""
    return np.asarray(x).dtype.kind == "i"


def _small(rng: np.random.Generator, *_: Any) -> int:
    return int(rng.integers(0, 5))


for _name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    WORDS[_name] = (getattr(np, _name), of_two(is_whole, lambda x, y: is_whole(y) and broadcasts(x, y)))
WORDS["invert"] = (np.invert, of_one(is_whole))
WORDS["shift_up"] = (lambda x, n: x << n, of_one(is_signed, _small))
WORDS["shift_down"] = (lambda x, n: x >> n, of_one(is_signed, _small))
WORDS["whole_quotient"] = (
    lambda a, b: a // np.where(b == 0, 3, b), of_two(is_signed, lambda x, y: is_signed(y) and broadcasts(x, y))
)  # fmt: skip
WORDS["whole_rest"] = (
    lambda a, b: a % np.where(b == 0, -3, b), of_two(is_signed, lambda x, y: is_signed(y) and broadcasts(x, y))
)  # fmt: skip
WORDS["whole_square"] = (lambda x: x * x - 2 * x, of_one(is_signed))
WORDS["whole_power"] = (lambda x, n: x**n, of_one(is_signed, _small))
WORDS["parity"] = (lambda x: x % 2 == 0, of_one(is_signed))
WORDS["quotient_of_whole"] = (lambda x: x / 3, of_one(is_signed))
WORDS["weighted_by_truth"] = (
    lambda m, x: m * x, of_two(lambda m: np.asarray(m).dtype.kind == "b", lambda m, x: is_float(x) and broadcasts(m, x))
)  # fmt: skip
WORDS["running_whole_sum"] = (
    lambda x, axis: np.cumsum(x, axis=axis),
    of_one(lambda x: full(x) and is_whole(x), axis_of),
)
WORDS["whole_product"] = (lambda x, axis: np.prod(x, axis=axis), of_one(lambda x: full(x) and is_whole(x), axis_of))
WORDS["whole_extremes"] = (
    lambda x, axis: np.max(x, axis=axis) - np.min(x, axis=axis), of_one(lambda x: full(x) and is_signed(x), axis_of)
)  # fmt: skip
WORDS["sorted_any"] = (lambda x, axis: np.sort(x, axis=axis, kind="stable"), of_one(full, axis_of))
WORDS["whole_dot"] = (
    lambda x, y: x @ y,
    of_two(
        lambda x: full(x) and is_signed(x),
        lambda x, y: full(y) and is_whole(y) and np.shape(x)[-1] == np.shape(y)[max(np.ndim(y) - 2, 0)]
        and np.size(x) * np.size(y) < 100000,
    ),
)  # fmt: skip

# ---------------------------------------------------------------- indices that are values, tables of indices


def _rows_of(rng: np.random.Generator, x: Any) -> Any:
    return rng.integers(-np.shape(x)[0], np.shape(x)[0], int(rng.integers(1, 6)))


def _columns_of(rng: np.random.Generator, x: Any) -> Any:
    return rng.integers(0, np.shape(x)[1], int(rng.integers(1, 6)))


def _table(x: Any) -> bool:
    return full(x) and np.ndim(x) >= 2


def _order_of(rng: np.random.Generator, x: Any) -> Any:
    return rng.permutation(np.shape(x)[0])


def _numbers(i: Any) -> bool:
    return full(i) and is_signed(i) and np.ndim(i) <= 2 and np.size(i) <= 200


def put_rows(x: Any, index: Any) -> Any:
    """Rows written in another order, some twice."""
    out = np.ones_like(x) * 0.5
    out[index] = x[: len(index)] * 2.0
    return out


def added_pairs(x: Any, i: Any, j: Any) -> Any:
    """Elements added at pairs of places."""
    out = x * 1.0
    np.add.at(out, (i[: len(j)], j[: len(i)]), 0.5)
    return out


WORDS["looked_up"] = (
    lambda x, i: x[np.abs(i) % x.shape[0]], of_two(full, lambda x, i: _numbers(i) and np.size(i) * np.size(x) < 20000)
)  # fmt: skip
WORDS["looked_up_with_sign"] = (
    lambda x, i: x[i % x.shape[0] - x.shape[0]],
    of_two(full, lambda x, i: _numbers(i) and np.size(i) * np.size(x) < 20000),
)
WORDS["taken_along"] = (
    lambda x, y: np.take_along_axis(x, np.abs(y) % x.shape[-1], axis=-1),
    of_two(full, lambda x, y: np.shape(x) == np.shape(y) and is_signed(y)),
)
WORDS["one_hot"] = (lambda i: np.eye(5)[np.abs(i) % 5], of_one(_numbers))
WORDS["counted"] = (
    lambda i: np.bincount(np.abs(np.ravel(i)) % 6, minlength=6) * 1.0, of_one(_numbers)
)  # fmt: skip
WORDS["cross_table"] = (lambda x, i, j: x[np.ix_(i, j)], of_one(_table, _rows_of, _columns_of))
WORDS["open_table"] = (lambda x, i, j: x[i[:, None], j], of_one(_table, _rows_of, _columns_of))
WORDS["table_behind"] = (lambda x, j: x[:, j], of_one(_table, _columns_of))
WORDS["table_apart"] = (
    lambda x, i, j: x[i[: len(j)], :, j[: len(i)] % x.shape[2]],
    of_one(lambda x: full(x) and np.ndim(x) == 3, _rows_of, _columns_of),
)
WORDS["permuted"] = (lambda x, order: x[order], of_one(full, _order_of))
WORDS["permuted_back"] = (lambda x, order: x[np.argsort(order)][order], of_one(full, _order_of))
WORDS["put_rows"] = (put_rows, of_one(float_array, lambda r, x: r.integers(0, np.shape(x)[0], np.shape(x)[0])))
WORDS["added_pairs"] = (added_pairs, of_one(lambda x: _table(x) and is_float(x), _rows_of, _columns_of))
WORDS["chosen"] = (
    lambda i, x: np.choose(np.abs(i) % 3, [x, x * 2.0, -x]),
    of_two(_numbers, lambda i, x: is_float(x) and np.shape(i) == np.shape(x)),
)
WORDS["off_diagonal"] = (
    lambda x, k: np.diagonal(x, k) * 2.0,
    of_one(_table, lambda r, x: int(r.integers(1 - np.shape(x)[0], np.shape(x)[1]))),
)  # fmt: skip
WORDS["triangle"] = (
    lambda x: x[np.triu_indices(min(x.shape[:2]), 1)], of_one(lambda x: _table(x) and min(np.shape(x)[:2]) > 1)
)  # fmt: skip
WORDS["where_it_is_least"] = (
    lambda x, axis: np.take_along_axis(x, np.expand_dims(np.argmin(x, axis=axis), axis), axis=axis),
    of_one(float_array, axis_of),
)
WORDS["found_places"] = (lambda x: np.digitize(x, np.array([-1.0, -0.25, 0.0, 0.6])), of_one(float_array))

# ---------------------------------------------------------------- complex numbers


def is_complex(x: Any) -> bool:
    """Whether there are two parts."""
    return np.asarray(x).dtype.kind == "c"


WORDS["turned"] = (lambda x: np.exp(1j * x), of_one(is_float))
WORDS["complex_pair"] = (lambda x, y: x + 1j * y, of_two(is_float, lambda x, y: is_float(y) and broadcasts(x, y)))
WORDS["size_of_turned"] = (lambda x: np.abs((1.0 + 2.0j) * x + 1j), of_one(is_float))
WORDS["spectrum"] = (lambda x: np.abs(np.fft.rfft(x, axis=-1)) ** 2, of_one(float_array))
WORDS["filtered"] = (
    lambda x: np.fft.irfft(np.fft.rfft(x, axis=-1) * 0.5, n=x.shape[-1], axis=-1),
    of_one(lambda x: float_array(x) and np.shape(x)[-1] > 1),
)
for _name, _word in {
    "real_part": lambda z: z.real,
    "imaginary_part": lambda z: z.imag,
    "size": np.abs,
    "angle_of_shifted": lambda z: np.angle(z * z + 3.0),
    "conjugate": np.conj,
    "complex_square": lambda z: z * z,
    "complex_quotient": lambda z: z / (3.0 + np.abs(z)),
    "complex_wave": lambda z: np.exp(-0.1 * z * np.conj(z)),
    "complex_sum": lambda z: np.sum(z, axis=-1) if z.ndim else z,
}.items():
    WORDS[_name] = (_word, of_one(is_complex))
WORDS["complex_product"] = (lambda z, w: z * w, of_two(is_complex, broadcasts))

# ---------------------------------------------------------------- einsum, and ufuncs that run along


def _subscripts(rng: np.random.Generator, pool: list[Any]) -> Any:
    """One to three operands, whose axes share letters where they are as long, and an output of some letters."""
    count = int(rng.choice([1, 2, 2, 3]))
    chosen = [
        pick(rng, pool, lambda x: float_array(x) and np.ndim(x) <= 3 and np.size(x) <= 3000) for _ in range(count)
    ]
    if None in chosen:
        return None
    lengths: dict[str, int] = {}
    terms = []
    for k in chosen:
        term = ""
        for n in np.shape(pool[k]):
            known = [c for c, m in lengths.items() if m == n and (c not in term or rng.random() < 0.15)]
            letter = str(rng.choice(known)) if known and rng.random() < 0.8 else "abcdefghij"[len(lengths)]
            lengths[letter] = n
            term += letter
        terms.append(term)
    if np.prod([float(n) for n in lengths.values()]) > 300_000:
        return None
    out = [c for c in lengths if rng.random() < 0.5]
    rng.shuffle(out)
    if np.prod([lengths[c] for c in out]) > 20000:
        return None
    return tuple(chosen), (f"{','.join(terms)}->{''.join(out)}",)


WORDS["einsum"] = (lambda *x: np.einsum(x[-1], *x[:-1]), _subscripts)
WORDS["einsum_of_sums"] = (lambda *x: np.einsum(x[-1], *(np.sin(v) for v in x[:-1])) * 2.0, _subscripts)

for _ufunc in (np.maximum, np.minimum, np.add, np.multiply, np.logaddexp):
    WORDS[f"running_{_ufunc.__name__}"] = (
        lambda x, axis, f=_ufunc: f.accumulate(x, axis=axis), of_one(float_array, axis_of)
    )  # fmt: skip
for _ufunc in (np.subtract, np.multiply, np.maximum, np.less):
    WORDS[f"outer_{_ufunc.__name__}"] = (
        lambda x, y, f=_ufunc: f.outer(x, y),
        of_two(is_float, lambda x, y: is_float(y) and np.size(x) * np.size(y) <= 5000 and np.ndim(x) + np.ndim(y) < 5),
    )
WORDS["added_in_groups"] = (
    lambda x, at: np.add.reduceat(x, at), of_one(float_array, lambda r, x: np.unique(r.integers(0, np.shape(x)[0], 3)))
)  # fmt: skip
WORDS["two_tables"] = (
    lambda x, y: x[np.newaxis, ...] * y[..., np.newaxis],
    of_two(lambda x: is_float(x) and np.ndim(x) == 1, lambda x, y: np.ndim(y) == 1 and np.size(x) * np.size(y) < 20000),
)
WORDS["any_of_pair"] = (
    lambda x, y, reverse: np.concatenate([y, x] if reverse else [x, y], axis=-1),
    of_two(an_array, lambda x, y: np.shape(x)[:-1] == np.shape(y)[:-1] and np.ndim(y) > 0, flag),
)

__all__ = ["is_complex", "is_signed", "is_whole"]

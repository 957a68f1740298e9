"""Formulas in hand notation: ``norm2(X*w - y)^2``, ``x'*A*x``, ``2 Xᵀ(Xw − y)``.

A recursive descent. ``*`` is the matrix product between matrices, ``⊙`` and ``.*`` the element-wise
one; a transposed vector is a row. Imports hand_reader, words, expression. Invariant: what has two readings is
refused with its column, never guessed.
"""

from __future__ import annotations

import math
import operator
import re
from typing import Any

import numpy as np

from wengert.symbolic.build import size_of, value_of
from wengert.symbolic.evaluate import text_shape
from wengert.symbolic.expression import Expression
from wengert.symbolic.hand_reader import HandReader, Value, plain_number
from wengert.symbolic.hand_words import DIGITS, ELEMENTWISE, EXTRA, ORDERS, letters
from wengert.symbolic.vocabulary import DEEPEST, LONGEST, REFUSED, Scope, refuse, refused_at_once
from wengert.symbolic.words import ARRAYS, FUNCTIONS


def parse_hand(text: str, scope: Scope) -> Expression:
    """The expression of a formula in hand notation; raises FormulaError with the column of what cannot be read."""
    if len(text) > LONGEST:
        raise refuse(text[:60], 0, f"a formula of {len(text)} characters; the limit is {LONGEST}")
    if (refusal := refused_at_once(text)) is not None:
        raise refusal
    reader = _Formula(text, scope)
    try:
        found = reader.sum()
    except RecursionError:
        raise refuse(text[:60], 0, "this formula is nested too deeply to be read") from None
    if reader.kind != "end":
        raise reader.error("nothing is expected here" if reader.word not in ")]" else "this bracket was never opened")
    return found.of


class _Formula(HandReader):
    def sum(self) -> Value:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} nested brackets")
        found = self.signed()
        while self.kind == "op" and self.word in "+-−":
            at, sign = self.column, 1 if self.next() == "+" else -1
            right = self.product()
            if found.of.ndim == right.of.ndim == 1 and found.row != right.row:
                raise self.error("a row and a column cannot be added", "transpose one of them", at)
            if {found.of.ndim, right.of.ndim} == {1, 2}:
                shapes = f"{text_shape(found.of.shape)} and {text_shape(right.of.shape)}"
                raise self.error(f"shapes {shapes} cannot be added", column=at)
            make = operator.add if sign == 1 else operator.sub
            found = Value(self.guarded(at, make, found.of, right.of), found.row or right.row)
        self.depth -= 1
        return found

    def signed(self) -> Value:
        if self.kind == "op" and self.word in "-−+":
            sign = 1 if self.next() == "+" else -1
            found = self.product()
            return Value(found.of if sign == 1 else -found.of, found.row)
        return self.product()

    def product(self) -> Value:
        """Products of entries, whose factors may be products themselves: y ⊙ Xw."""
        found = self.factors()
        while self.kind == "op" and self.word in ("⊙", "⊘", "⊗"):
            at, word = self.column, self.next()
            found = self.multiplied(found, self.factors(), word, at)
        return found

    def factors(self) -> Value:
        found = self.factor()
        divided = False
        while True:
            at, word = self.column, self.word
            if self.kind == "op" and word in ("*", "·", "/", ".*", "./"):
                self.next()
                right = self.factor()
                plain = value_of(found.of.term) is not None and value_of(right.of.term) is not None  # 1/2 x is ½x
                divided = word in ("/", "./") and not plain
            elif self.kind in ("number", "name") or (self.kind == "op" and word in ("(", "⟨", "‖", "√")):
                if word == "‖" and self.fences:
                    return found
                if divided:
                    raise self.error("a product after a division has two readings", "write * or brackets")
                word = "*"
                right = self.factor()
            else:
                return found
            found = self.multiplied(found, right, word, at)

    def multiplied(self, a: Value, b: Value, word: str, at: int) -> Value:
        x, y = a.of, b.of
        if word == "⊗":
            return self.kronecker(a, b, at)
        if word in ("⊙", ".*", "⊘", "./"):
            if x.ndim and y.ndim and (x.ndim != y.ndim or a.row != b.row):
                shapes = f"{text_shape(x.shape)} and {text_shape(y.shape)}"
                raise self.error(f"element-wise {word} of shapes {shapes}", column=at)
            make = operator.mul if word in ("⊙", ".*") else operator.truediv
            return Value(self.guarded(at, make, x, y), a.row or b.row)
        if word == "/":
            if y.ndim:
                fix = "write ./ (or ⊘) for entries, inv(...) for the inverse"
                raise self.error("a division by a vector or matrix has two readings", fix, at)
            return Value(self.guarded(at, operator.truediv, x, y), a.row)
        if not x.ndim or not y.ndim:
            return Value(self.guarded(at, operator.mul, x, y), a.row or b.row)
        if x.ndim == 1 and y.ndim == 1:
            if a.row and not b.row:
                return Value(self.guarded(at, operator.matmul, x, y))
            if not a.row and b.row:
                return Value(self.guarded(at, FUNCTIONS["outer"], x, y))
            kind = "rows" if a.row else "columns"
            raise self.error(
                f"* between two {kind} has two readings",
                "write x'*y for the scalar product, x*y' for the outer one, x ⊙ y for entries",
                at,
            )
        if x.ndim == 1 and not a.row:
            what = f"a column times a matrix {text_shape(y.shape)} does not conform"
            raise self.error(what, "transpose the vector: x'*A", at)
        if y.ndim == 1 and b.row:
            what = f"a matrix {text_shape(x.shape)} times a row does not conform"
            raise self.error(what, "drop the transpose of the vector", at)
        return Value(self.guarded(at, operator.matmul, x, y), a.row and y.ndim == 2)

    def kronecker(self, a: Value, b: Value, at: int) -> Value:
        """A ⊗ B; of a row and a column it is their matrix, and a number scales."""
        x, y = a.of, b.of
        if not x.ndim or not y.ndim:
            return Value(self.guarded(at, operator.mul, x, y), a.row or b.row)
        if x.ndim == y.ndim == 1 and a.row != b.row:
            return Value(self.guarded(at, FUNCTIONS["outer"], *((y, x) if a.row else (x, y))))
        if x.ndim != y.ndim:
            raise self.error(f"⊗ of shapes {text_shape(x.shape)} and {text_shape(y.shape)}", column=at)
        return Value(self.guarded(at, FUNCTIONS["kron"], x, y), a.row)

    def factor(self) -> Value:
        if self.kind == "op" and self.word in "-−":
            self.next()
            found = self.factor()
            return Value(-found.of, found.row)
        found = self.atom()
        while True:
            at = self.column
            if self.kind == "op" and self.word in ("^", "**", ".^"):
                word = self.next()
                found = self.raised(found, self.exponent(), word == ".^", at)
            elif self.kind == "op" and self.word == "'":
                self.next()
                found = self.turned(found)
            elif self.kind == "raised":
                found = self.superscripts(found, self.next(), at)
            else:
                return found

    def superscripts(self, found: Value, word: str, at: int) -> Value:
        if "₁" in word:
            raise self.error("a subscript stands at norms only", "write ‖x‖₁, or x1 for a name", at)
        entries = re.fullmatch(r"∘([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4})", word)
        if word.startswith("∘") and entries is None:
            raise self.error("a power of entries is written ∘²", column=at)
        plain = re.fullmatch(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4}", word)
        if entries or (plain and found.of.ndim == 1):  # h² of a vector: its entries
            digits = entries[1] if entries else word
            return self.raised(found, Value(plain_number(int(digits.translate(DIGITS)))), True, at)
        for part in re.findall(r"ᵀ|⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+|⁻", word):
            if part == "ᵀ":
                found = self.turned(found)
            elif part == "⁻":
                found = self.raised(found, Value(plain_number(-1)), False, at)
            else:
                found = self.raised(found, Value(plain_number(int(part.translate(DIGITS)))), False, at)
        return found

    def turned(self, found: Value) -> Value:
        if found.of.ndim == 1:
            return Value(found.of, not found.row)
        return Value(found.of.T) if found.of.ndim == 2 else found

    def exponent(self) -> Value:
        if self.kind == "op" and self.word in "-−":
            self.next()
            inner = self.exponent()
            return Value(-inner.of)
        if self.kind == "name" and self.word == "T" and self.scope.variables.get("T") is None:
            raise self.error("^T is no power", "write ' or ᵀ for the transpose")
        found, at = self.atom(), self.column
        if self.kind != "op" or self.word not in ("^", "**"):
            return found
        self.next()  # a^b^c is a^(b^c)
        return self.raised(found, self.exponent(), False, at)

    def raised(self, base: Value, exponent: Value, entries: bool, at: int) -> Value:
        x = base.of
        p: Any = value_of(exponent.of.term)
        if p is not None and abs(p) > 64 and value_of(x.term) is not None:
            raise self.error("a power of numbers this large", column=at)
        if entries or not x.ndim:
            return Value(self.guarded(at, operator.pow, x, exponent.of), base.row)
        if x.ndim == 1:
            fix = "write .^ for entries, norm2(x)^2 for the square of the length"
            raise self.error("a power of a vector has two readings", fix, at)
        if p is None or p != int(p) or not -16 <= p <= 16:
            raise self.error("a matrix power needs a whole number of at most 16", "write .^ for entries", at)
        return Value(self.guarded(at, FUNCTIONS["matrix_power"], x, int(p)))

    def atom(self) -> Value:
        at, kind, word = self.column, self.kind, self.word
        if kind == "number":
            self.next()
            if self.word == "'" or (self.kind == "raised" and "ᵀ" in self.word):
                return self.ones(word, at)
            return Value(plain_number(int(word) if word.isdigit() and len(word) < 31 else float(word)))
        if kind == "name":
            return self.named()
        if word in ("(", "["):
            self.next()
            fences, self.fences = self.fences, 0
            found = self.sum()
            self.fences = fences
            self.expect(")" if word == "(" else "]", at)
            return found
        if word == "⟨":
            self.next()
            a = self.sum()
            self.expect(",", at)
            b = self.sum()
            self.expect("⟩", at)
            make = operator.matmul if a.of.ndim == 1 else lambda p, q: np.sum(p * q)
            return Value(self.guarded(at, make, a.of, b.of))
        if word in ("‖", "|"):
            self.next()
            self.fences += 1
            found = self.sum()
            self.fences -= 1
            self.expect(word, at)
            if word == "|":
                if found.of.ndim == 2 and found.of.shape[0] == found.of.shape[1]:
                    fix = "write det(A) for the determinant, abs(A) for the entries"
                    raise self.error("|A| of a square matrix has two readings", fix, at)
                return Value(abs(found.of), found.row)
            order: Any = None
            if self.kind == "raised" and self.word.startswith("₁"):
                order, rest = 1, self.word[1:]
                self.tokens[self.place] = ("raised", rest, self.column + 1)
                self.place += not rest
            elif self.kind == "lowered":
                order = self.order()
            return Value(self.guarded(at, FUNCTIONS["norm"], found.of, order))
        if word == "√":
            self.next()
            return Value(FUNCTIONS["sqrt"](self.atom().of))
        if kind == "end":
            raise self.error("the formula ends where a value is expected")
        raise self.error(f"a value is expected here, got {word}")

    def ones(self, word: str, at: int) -> Value:
        """1ᵀ before a vector or matrix: the sum of its rows."""
        if word != "1" or self.word not in ("'", "ᵀ"):
            fix = "write 1ᵀx for a sum, ones(n) for the vector of ones"
            raise self.error(f"{word} transposed is a number, or a vector whose size is not known", fix, at)
        self.next()
        if self.kind == "op" and self.word in ("*", "·"):
            self.next()
        if self.kind not in ("name", "number") and self.word not in ("(", "[", "√"):
            raise self.error("1ᵀ stands before what it sums", "write sum(x), or ones(n)' for the row alone", at)
        right = self.factor()
        if not right.of.ndim or right.row:
            raise self.error("1ᵀ sums a column or a matrix", column=at)
        return Value(self.guarded(at, FUNCTIONS["sum"], right.of, 0), right.of.ndim == 2)

    def whole(self, given: Expression, word: str, at: int) -> Any:
        """An axis or a size."""
        found = size_of(given.term)
        if found is None:
            fix = f"write {word}imum(x, y) for entries of two arrays" if word in ("max", "min") else ""
            raise self.error(f"{word} takes whole numbers here", fix, at)
        return found

    def order(self) -> Any:
        """What is written below a norm: a number, F, ∞, * or a variable."""
        at, word = self.column, self.next().strip("_{}")
        found = ORDERS.get(word) or self.scope.lookup(word)
        if found is None:
            raise self.error(f"the order {word} of a norm is not known", "write ‖x‖_1, ‖x‖_2, ‖x‖_∞ or ‖A‖_F", at)
        return found

    def named(self) -> Value:
        at, word = self.column, self.next()
        declared = word in self.scope.variables or word in self.scope.dims
        if not declared and word in ("log", "ln") and self.word == "det" and "det" not in self.scope.variables:
            self.next()
            inner = self.factor()
            return Value(self.guarded(at, FUNCTIONS["logdet"], inner.of))
        if (
            not declared
            and self.kind == "op"
            and self.word == "("
            and (word in EXTRA or word in FUNCTIONS or word in REFUSED)
        ):
            return self.call(word, at)
        found = self.scope.lookup(word) if declared or not self.scope.open else None
        if found is None and not declared:
            parts = None if self.scope.open else letters(word, {*self.scope.variables, *self.scope.dims})
            if parts is not None:
                (_, _, start) = self.tokens[self.place - 1]
                self.tokens[self.place - 1 : self.place] = [("name", p, start + word.index(p)) for p in parts]
                self.place -= 1
                return self.named()
            if word == "inf":
                return Value(plain_number(math.inf))
            if word == "I":
                raise self.error("the size of I is not known", "write eye(n)", at)
            if self.kind == "op" and self.word == "(" and self.scope.open is False:
                raise self.error(f"unknown function {word}", column=at)
            found = self.scope.lookup(word)
        if found is None:
            names = ", ".join(self.scope.variables) or "none"
            raise self.error(
                f"unknown name {word}; declared are {names}",
                f"declare its shape: {word}='n', or {word}='' for a number",
                at,
            )
        return Value(found)

    def call(self, word: str, at: int) -> Value:
        if word in REFUSED:
            raise self.error(f"{REFUSED[word]} is not what this tool does: it differentiates", column=at)
        opened = self.column
        self.next()
        args: list[Value] = []
        axis = False
        fences, self.fences = self.fences, 0
        if self.word != ")":
            args.append(self.sum())
            while self.word == ",":
                self.next()
                if self.word == "axis" and self.tokens[self.place + 1][1] == "=":
                    axis = True
                    self.next()
                    self.next()
                args.append(self.sum())
        self.fences = fences
        self.expect(")", opened)
        if word in ("max", "min") and len(args) == 2 and not axis:  # of entries, as it is printed
            word += "imum"
        make = EXTRA.get(word) or FUNCTIONS[word]
        terms: list[Any] = [v.of for v in args]
        if word in ("eye", "identity", "ones", "zeros"):
            terms = [self.whole(t, word, at) for t in terms]
            if word in ("ones", "zeros"):
                terms = [tuple(terms)]
        elif word == "norm" and len(terms) == 2:
            fixed = value_of(terms[1].term)
            terms[1] = terms[1] if fixed is None else float(fixed)
        elif (arrays := ARRAYS.get({"lse": "logsumexp"}.get(word, word), 9)) < len(terms):
            terms = [*terms[:arrays], *(self.whole(t, word, at) for t in terms[arrays:])]
        found = self.guarded(at, make, *terms)
        if not isinstance(found, Expression):
            raise self.error(f"{word} cannot stand in a formula", column=at)
        return Value(found, word in ELEMENTWISE and args[0].row)

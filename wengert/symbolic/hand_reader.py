"""Reading hand notation token by token: where the reader stands, and errors that point at a column.

Imports vocabulary, hand_words, expression. Invariant: tokens are taken in order, each once; whatever goes wrong names
the place in the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wengert.core.errors import WengertError
from wengert.symbolic.expression import Expression, operand_of
from wengert.symbolic.hand_words import TOKEN
from wengert.symbolic.vocabulary import FormulaError, Scope, refuse


@dataclass(frozen=True, slots=True)
class Value:
    """An expression, and for a vector whether it stands as a row."""

    of: Expression
    row: bool = False


def plain_number(value: Any) -> Expression:
    """A number of the text."""
    return Expression(operand_of(value))


class HandReader:
    """The text, its tokens, and the place that is read next; ``fences`` counts open signs of norms."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.text = text
        self.scope = scope
        self.tokens = list(self.split())
        self.place = self.depth = self.fences = 0

    def split(self) -> Any:
        """The tokens with their kinds and columns."""
        at = 0
        text = self.text
        while at < len(text):
            found = TOKEN.match(text, at)
            if not found:
                rest = text[at:]
                if not rest.strip():
                    break
                at += len(rest) - len(rest.lstrip())
                raise refuse(text, at, f"the character {text[at]!r} cannot stand in a formula")
            kind = found.lastgroup
            word = found[kind]  # type: ignore[index]
            yield kind, "‖" if word == "||" else word, found.start(kind)  # type: ignore[arg-type]
            at = found.end()
        yield "end", "", len(text)

    @property
    def kind(self) -> str:
        """What the next token is: number, name, raised, lowered, op or end."""
        return self.tokens[self.place][0]

    @property
    def word(self) -> str:
        """The next token."""
        return self.tokens[self.place][1]

    @property
    def column(self) -> int:
        """Where the next token starts."""
        return self.tokens[self.place][2]

    def error(self, what: str, fix: str = "", column: int | None = None) -> FormulaError:
        """The error for a place, the next token's where none is given."""
        return refuse(self.text, self.column if column is None else column, what, fix)

    def next(self) -> str:
        """The next token, which is left behind."""
        word = self.word
        self.place += 1
        return word

    def expect(self, word: str, opened: int) -> None:
        """Leave a closing bracket behind."""
        if self.word != word:
            raise self.error(f"the bracket opened at column {opened + 1} is not closed: expected {word}")
        self.next()

    def guarded(self, column: int, make: Any, *args: Any) -> Any:
        """What a function gives, its errors told with the column."""
        try:
            found = make(*args)
            if isinstance(found, Expression):
                found.term  # noqa: B018  # what has no closed form is refused here, with its column
            return found
        except FormulaError:
            raise
        except WengertError as error:
            raise refuse(self.text, column, str(error).split("\n")[0]) from None
        except TypeError as error:
            raise refuse(self.text, column, f"this call does not fit: {error}") from None

"""An incremental JSON parser: text in, in any slices; tokens out, each in the slice that completes it.

It accepts every document of RFC 8259 (https://www.rfc-editor.org/rfc/rfc8259) and no other, whatever the slices, in
time linear in the text. Between two slices it keeps what it must to go on: which brackets are open, the pieces of the
string that is open, and the few characters of an unfinished number, literal or escape.

Characters that are nothing special inside a string are most of what a model streams, so that a slice of only those has
the shortest way (`feed`). Escapes are decoded by the standard library, in whole units that no slice has cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from json import decoder
from typing import Any, Final, NoReturn, Protocol, cast

__all__ = ['JsonError', 'JsonHandler', 'JsonLimitError', 'JsonParser', 'JsonSyntaxError']

VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, COMMA_OR_END, NOTHING = range(7)
"""What may come next, outside a string."""

SEPARATORS = ('', '', '', '', ':', ',', '')
"""What leads on to the next value or key."""

AT_END = (COMMA_OR_END, KEY_OR_END, VALUE_OR_END)

EXPECTED = (
    'a value',
    'a value or ]',
    'a key',
    'a key or }',
    'a colon',
    'a comma or ',
    'nothing more after the document',
)

LITERALS: dict[str, tuple[str, bool | None]] = {'t': ('true', True), 'f': ('false', False), 'n': ('null', None)}

# A number is over when something follows that cannot belong to it.
_number = re.compile(r'-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?=[^-+.eE0-9])').match
_number_so_far = re.compile(r'-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:(?<=[0-9])[eE][+-]?[0-9]*)?)?\Z').match
_units = re.compile(r'(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*').match
_escape_so_far = re.compile(r'\\(?:u[0-9a-fA-F]{0,3})?\Z').match
# The decoder of strings: not in the stubs.
_scan: Final[Callable[[str, int], tuple[str, int]]] = cast('Any', decoder).scanstring
_surrogate = re.compile('[\ud800-\udfff]').search


class JsonError(ValueError):
    """The text cannot be read on.

    Attributes:
        offset: Characters before the one that is wrong.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f'{message} (character {offset})')
        self.offset = offset

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, self.offset)


def _rebuild(kind: type[JsonError], args: tuple[object, ...], offset: int) -> JsonError:
    error = kind.__new__(kind)
    error.args, error.offset = args, offset
    return error


class JsonSyntaxError(JsonError):
    """The text is not JSON."""


class JsonLimitError(JsonError):
    """The text may be JSON, but is deeper or longer than allowed."""


class JsonHandler(Protocol):
    """What a parser tells, each token in the slice that completes it. Offsets count characters from 0."""

    def open_object(self, offset: int, /) -> None:
        """`{`, at `offset`."""
        ...

    def open_array(self, offset: int, /) -> None:
        """`[`, at `offset`."""
        ...

    def key(self, name: str, /) -> None:
        """A key of the innermost object; its value follows."""
        ...

    def string(self, value: str, /) -> None:
        """A string that is complete. It holds lone surrogates where the document has them as escapes."""
        ...

    def number(self, token: str, /) -> None:
        """A number, as it is written."""
        ...

    def literal(self, value: bool | None, /) -> None:
        """`true`, `false` or `null`."""
        ...

    def close(self, end: int, /) -> None:
        """The innermost object or array is closed; `end` is the offset after its bracket."""
        ...


class JsonParser:
    """Reads one JSON document that comes in slices.

    After an error the parser is broken: every further slice raises the same error.

    Args:
        handler: Is told each token.
        max_depth: Brackets that may be open at once. pydantic's own limit by default.
        max_size: Characters of the whole document.
        max_digits: Characters of a number. Python's own limit for integers by default.
        surrogates: Whether a string may hold one half of a surrogate pair, as the grammar allows and Unicode does not.
        then_prose: Whether something else may follow the document; it is not read.

    Raises:
        JsonSyntaxError, JsonLimitError: From `feed` and `close`.

    Attributes:
        size: Characters fed so far.
        open_text: The pieces of the string value that is open, decoded; `None` when none is. Read it, do not change it.
        done: Whether the document is complete.
        broken: The error that ended the reading, if one did.
        feed: Reads a slice. Raises `JsonSyntaxError` where the document is not JSON, and `JsonLimitError` where it goes
            beyond a limit; what came before in the slice was told.

    Example:
        >>> class Print:
        ...     def __getattr__(self, name):
        ...         return lambda *args: print(name, *args)
        >>> parser = JsonParser(Print())
        >>> parser.feed('{"na')
        open_object 0
        >>> parser.feed('me": "Al')
        key name
        >>> parser.open_text
        ['Al']
        >>> parser.feed('ice"}')
        string Alice
        close 17
        >>> parser.done
        True
    """

    __slots__ = (
        '_handler',
        '_max_depth',
        '_max_digits',
        '_max_size',
        '_nested',
        '_surrogates',
        '_then_prose',
        'broken',
        'done',
        'feed',
        'open_text',
        'size',
    )

    def __init__(
        self,
        handler: JsonHandler,
        *,
        max_depth: int = 201,
        max_size: int = 16_777_216,
        max_digits: int = 4300,
        surrogates: bool = True,
        then_prose: bool = False,
    ) -> None:
        self._handler = handler
        self._surrogates, self._then_prose = surrogates, then_prose
        self._max_depth, self._max_size, self._max_digits = max_depth, max_size, max_digits
        self._nested: list[bool] = []  # for each open bracket whether it is a brace
        self.open_text: list[str] | None = None
        self.size = 0
        self.done = False
        self.broken: JsonError | None = None
        reader = self._read()
        next(reader)
        self.feed: Callable[[str], None] = reader.send

    def close(self) -> None:
        """The document is over: tell a number that stands alone, which only its end completes.

        Raises:
            JsonSyntaxError: The document is not complete.
        """
        if self.broken is not None:
            raise self.broken
        if not self.done and not self._nested and self.open_text is None:
            self.size -= 1  # what ends a number is no character of the document
            try:
                self.feed(' ')
            except JsonSyntaxError:
                self.done = False
        if not self.done:
            self._wrong('the document is not complete', self.size)

    def _read(self) -> Generator[None, str, NoReturn]:  # noqa: C901 - a call for each kind of token would double its cost
        """Read slices.

        State lives in the locals of this generator: a slice is a few characters, and reading attributes would cost as
        much as the work. What is rare is in functions of its own.
        """
        on = self._handler
        on_key, on_string, on_number = on.key, on.string, on.number
        nested, max_size = self._nested, self._max_size
        state, inside, in_key = VALUE, False, False  # what may come next; whether the innermost bracket is a brace
        pieces: list[str] | None = None  # of the string that is open
        held = ''  # the beginning of a number, a literal or an escape
        while True:
            text = yield
            self.size = size = self.size + len(text)
            if size > max_size:
                self._limit(f'the document has more than {self._max_size:,} characters', self._max_size)
            if pieces is not None and '"' not in text and '\\' not in text and text.isprintable() and not held:
                pieces.append(text)
                continue
            if held:
                text, held = held + text, ''
            position, end = 0, len(text)
            while position < end:
                if pieces is not None:
                    stop = text.find('"', position)
                    piece = text[position:stop] if stop >= 0 else text[position:]
                    if '\\' in piece or not piece.isprintable():
                        piece, stop, held = self._decoded(text, position)
                    if stop < 0:
                        pieces.append(piece)
                        break
                    piece = ''.join([*pieces, piece]) if pieces else piece
                    pieces, position = None, stop + 1
                    if in_key:
                        state = COLON
                        on_key(piece)
                    else:
                        state, self.open_text = (COMMA_OR_END if nested else NOTHING), None
                        on_string(piece)
                    continue
                sign, position = text[position], position + 1
                if sign == '"' and state < COLON:
                    pieces, in_key = [], state >= KEY
                    if not in_key:
                        self.open_text = pieces
                elif sign == SEPARATORS[state]:
                    state = KEY if inside and state == COMMA_OR_END else VALUE
                elif sign in ' \n\t\r':
                    continue
                elif state < KEY and (number := _number(text, position - 1)) is not None:
                    token, position, state = number.group(), number.end(), COMMA_OR_END if nested else NOTHING
                    if len(token) > self._max_digits and len(token.lstrip('-')) > self._max_digits:
                        self._too_many_digits(self.size - end + number.start())
                    on_number(token)
                elif state < KEY and sign != ']':
                    position, held, state = self._value(text, position - 1, state, nested)
                    inside = bool(nested) and nested[-1]
                elif nested and sign == ('}' if inside else ']') and state in AT_END:
                    nested.pop()
                    inside, state = (nested[-1], COMMA_OR_END) if nested else (False, NOTHING)
                    on.close(self.size - end + position)
                else:
                    position = self._after(text, position - 1, state, inside)
            self.done = state == NOTHING

    def _value(self, text: str, position: int, state: int, nested: list[bool]) -> tuple[int, str, int]:
        """A bracket, a literal, or the beginning of a number: where it ends, what is left of it, what may follow."""
        sign, after = text[position], COMMA_OR_END if nested else NOTHING
        if sign == '{' or sign == '[':
            offset = self.size - len(text) + position
            if len(nested) >= self._max_depth:
                self._limit(f'more than {self._max_depth} brackets are open', offset)
            nested.append(sign == '{')
            if sign == '{':
                self._handler.open_object(offset)
                return position + 1, '', KEY_OR_END
            self._handler.open_array(offset)
            return position + 1, '', VALUE_OR_END
        if sign in LITERALS:
            word, value = LITERALS[sign]
            if text.startswith(word, position):
                self._handler.literal(value)
                return position + len(word), '', after
            if not word.startswith(text[position:]):
                self._unexpected(text, position, state)
        elif not _number_so_far(text, position):
            self._unexpected(text, position, state)
        elif len(text) - position > self._max_digits + (sign == '-'):
            self._too_many_digits(self.size - len(text) + position)
        return len(text), text[position:], state

    def _decoded(self, text: str, position: int) -> tuple[str, int, str]:
        """Of a string with escapes: what can be decoded, where its quote is (-1: not here), and what is left."""
        stop = _units(text, position).end()  # pyright: ignore[reportOptionalMemberAccess] - matches always
        closed = text.startswith('"', stop)
        if stop < len(text) and not closed and not _escape_so_far(text, stop):
            offset = self.size - len(text) + stop
            if text[stop] == '\\':
                self._wrong(f'{text[stop : stop + 2]!r} is no escape', offset)
            self._wrong(f'a string holds {text[stop]!r}, which has to be escaped', offset)
        if stop == position:
            return ('', stop, '') if closed else ('', -1, text[stop:])
        # A quote ends what is scanned, its own if it is there.
        piece = _scan(text[:stop] + '"', position)[0]
        left = '' if closed else text[stop:]
        if not closed and '\ud800' <= piece[-1] <= '\udbff' and text[stop - 1] < '\ud800':
            # The first half of a surrogate pair: its escape waits for the other half.
            piece, left = piece[:-1], text[stop - 6 :]
        if not self._surrogates and _surrogate(piece):
            self._wrong('a string holds one half of a surrogate pair', self.size - len(text) + position)
        return piece, stop if closed else -1, left

    def _after(self, text: str, position: int, state: int, inside: bool) -> int:
        """What may not come here: the end of what is read where prose may follow, and an error elsewhere."""
        if state != NOTHING or not self._then_prose:
            self._unexpected(text, position, state, inside)
        return len(text)

    # Errors

    def _unexpected(self, text: str, position: int, state: int, inside: bool = False) -> NoReturn:
        expected = EXPECTED[state] + ('' if state != COMMA_OR_END else '}' if inside else ']')
        word = re.match(r'-?\w+|', text[position:])
        found = word.group()[:20] if word and state < KEY else ''
        self._wrong(f'unexpected {found or text[position]!r}: expected {expected}', self.size - len(text) + position)

    def _wrong(self, message: str, offset: int) -> NoReturn:
        self._break(JsonSyntaxError(message, offset))

    def _limit(self, message: str, offset: int) -> NoReturn:
        self._break(JsonLimitError(message, offset))

    def _too_many_digits(self, offset: int) -> NoReturn:
        self._limit(f'a number has more than {self._max_digits:,} characters', offset)

    def _break(self, error: JsonError) -> NoReturn:
        def feed(text: str) -> NoReturn:
            raise error

        self.broken, self.feed, self.done = error, feed, False
        raise error

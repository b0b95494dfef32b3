"""The incremental JSON parser: every document and no other, whatever the slices."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydantic_ai_streaming.core.json_parser import JsonError, JsonLimitError, JsonParser, JsonSyntaxError


class Tree:
    """Puts the tokens together as `json.loads` does, and remembers which offsets were told."""

    def __init__(self) -> None:
        self.root: list[Any] = []
        self.open: list[tuple[Any, str | None]] = [(self.root, None)]
        self.name: str | None = None
        self.spans: list[tuple[int, int]] = []
        self.starts: list[int] = []

    def put(self, value: Any) -> None:
        parent = self.open[-1][0]
        if isinstance(parent, list):
            parent.append(value)  # pyright: ignore[reportUnknownMemberType]
        else:
            parent[self.name] = value

    def begin(self, value: Any, offset: int) -> None:
        self.starts.append(offset)
        self.open.append((value, self.name))

    def open_object(self, offset: int, /) -> None:
        self.begin({}, offset)

    def open_array(self, offset: int, /) -> None:
        self.begin([], offset)

    def key(self, name: str, /) -> None:
        self.name = name

    def string(self, value: str, /) -> None:
        self.put(value)

    def number(self, token: str, /) -> None:
        self.put(json.loads(token))

    def literal(self, value: bool | None, /) -> None:
        self.put(value)

    def close(self, end: int, /) -> None:
        value, self.name = self.open.pop()
        self.spans.append((self.starts.pop(), end))
        self.put(value)


def slices(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def feed(parser: JsonParser, text: str, size: int) -> None:
    for piece in slices(text, size):
        parser.feed(piece)


def parse(text: str, size: int | None = None) -> Any:
    """The document, read in slices; raises what the parser raises."""
    tree = Tree()
    parser = JsonParser(tree)
    for piece in slices(text, size or max(len(text), 1)):
        parser.feed(piece)
    parser.close()
    assert parser.done
    assert parser.size == len(text)
    (value,) = tree.root
    return value


DOCUMENTS = [
    'null',
    ' true ',
    'false\n',
    '0',
    '-0',
    '-0.0e-0',
    '10.25E+3',
    '1e5',
    '""',
    '"a"',
    r'"\"\\\/\b\f\n\r\t"',
    r'"\u0041\u00e9\u20ac\ud83d\ude00"',
    r'"\ud83d"',
    r'"\ude00\ud83d"',
    r'"\ud83d\ud83d\ude00x"',
    r'"\ud83d\n\ude00"',
    r'"\u0000"',
    '"\x7f\u2028\u00a0\U0001f600\ufeff"',
    '[]',
    '{}',
    ' [ ] ',
    '[1,2.5,"x",true,false,null,[],{}]',
    '[ 1 , -2 , { "a" : [ 3 ] } ]',
    '{"":"","a":{"b":{"c":[[[]]]}}}',
    r'{"\u0061":1,"a\"b":2}',
    '{"a":1,"b":2,"a":3}',
    '\t\r\n {"k" : "v"}\t',
    '[0,1,2,3,4,5,6,7,8,9,10,1e1,0.1]',
]


@pytest.mark.parametrize('text', DOCUMENTS)
def test_a_document_is_the_same_at_every_cut(text: str) -> None:
    expected = repr(json.loads(text))
    for size in range(1, len(text) + 1):
        assert repr(parse(text, size)) == expected
    for cut in range(len(text) + 1):
        tree = Tree()
        parser = JsonParser(tree)
        parser.feed(text[:cut])
        parser.feed('')
        parser.feed(text[cut:])
        parser.close()
        assert repr(tree.root[0]) == expected


WRONG = [
    *(
        '',
        ' ',
        '[',
        '{',
        '"',
        '"a',
        '[1',
        '[1,',
        '{"a"',
        '{"a":',
        '{"a":1',
        '{"a":1,',
        '-',
        '1.',
        '1e',
        '1e+',
        'tru',
        'nul',
    ),
    *(
        '01',
        '-01',
        '00',
        '+1',
        '.5',
        '1.e1',
        '1.5.5',
        '1e5e5',
        '--1',
        '1-',
        '0x1',
        '1_000',
        'NaN',
        'Infinity',
        '-Infinity',
    ),
    *(
        'True',
        'nulll',
        'nil',
        'undefined',
        "'a'",
        '"a',
        '"\t"',
        '"\n"',
        '"\x00"',
        '"\x1f"',
        r'"\x41"',
        r'"\u12"',
        r'"\u12g4"',
    ),
    *(
        r'"\U0041"',
        r'"\ "',
        '"\\',
        '[1,]',
        '[,1]',
        '[1 2]',
        '[1;2]',
        '[1}',
        '{]',
        '{1:2}',
        '{"a" 1}',
        '{"a":}',
        '{"a":1,}',
    ),
    *(
        '{,}',
        '{"a":1 "b":2}',
        '{a:1}',
        "{'a':1}",
        '{"a":1]',
        '[]]',
        '{}}',
        '[] []',
        '1 2',
        '"a" "b"',
        'null null',
        '{} x',
        '],',
    ),
    *(
        '\ufeff[]',
        '\u00a0[]',
        '[1]\x00',
        '[\x0b1]',
        '[1,\u20282]',
        '// c\n1',
        '/* c */ 1',
        '[1] // c',
        '#',
        '*',
        '[\x0c]',
    ),
]


@pytest.mark.parametrize('text', WRONG)
def test_what_is_no_document_is_refused_at_every_cut(text: str) -> None:
    for size in range(1, max(2, len(text) + 1)):
        with pytest.raises(JsonSyntaxError):
            parse(text, size)


def letters() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from([*'{}[]:,"\\ue1-.+0 \ntfaln', 'true', '"a"', '\\u', '\\ud83d', '1.5'])).map(''.join)


def verdict(reader: Callable[[str], Any], text: str) -> str:
    try:
        return repr(reader(text))
    except ValueError:
        return 'refused'


def strictly(text: str) -> Any:
    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


@given(letters() | st.text(), st.integers(1, 9))
def test_any_text_is_judged_as_the_standard_library_judges_it(text: str, size: int) -> None:
    assert verdict(lambda text: parse(text, size), text) == verdict(strictly, text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values, st.randoms(), st.booleans(), st.sampled_from([None, 1, '\t']))
def test_any_value_comes_back_whatever_the_cuts(
    value: Any, dice: random.Random, ascii_only: bool, indent: int | str | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    tree, at = Tree(), 0
    parser = JsonParser(tree)
    while at < len(text):
        size = dice.randint(1, 8)
        parser.feed(text[at : at + size])
        at += size
    parser.close()
    assert repr(tree.root[0]) == repr(value)


@given(values, st.randoms())
def test_a_document_that_is_cut_off_is_never_complete(value: Any, dice: random.Random) -> None:
    text = json.dumps([value])
    with pytest.raises(JsonSyntaxError):
        parse(text[: dice.randrange(len(text))], dice.randint(1, 5))


@pytest.mark.parametrize('size', [1, 2, 3, 7, 100])
def test_offsets_are_those_of_the_brackets(size: int) -> None:
    text = ' {"a\\n": [1, {"b" : []}], "c":{}} '
    tree = Tree()
    parser = JsonParser(tree)
    for piece in slices(text, size):
        parser.feed(piece)
    assert [text[start:end] for start, end in tree.spans] == ['[]', '{"b" : []}', '[1, {"b" : []}]', '{}', text.strip()]


@pytest.mark.parametrize(
    ('text', 'offset', 'message'),
    [
        ('[1, x]', 4, "unexpected 'x': expected a value"),
        ('[1 2]', 3, "unexpected '2': expected a comma or ]"),
        ('{"a": 1 "b"}', 8, "unexpected '\"': expected a comma or }"),
        ('{"a" 1}', 5, "unexpected '1': expected a colon"),
        ('{1}', 1, "unexpected '1': expected a key or }"),
        ('{"a":1,}', 7, "unexpected '}': expected a key"),
        ('[]x', 2, "unexpected 'x': expected nothing more after the document"),
        ('"a\\qb"', 2, r"'\\q' is no escape"),
        ('"ab\ncd"', 3, r"a string holds '\n', which has to be escaped"),
        ('[Infinity]', 1, "unexpected 'Infinity': expected a value or ]"),
    ],
)
def test_an_error_says_what_is_wrong_and_where(text: str, offset: int, message: str) -> None:
    for size in (1, 2, 100):
        with pytest.raises(JsonSyntaxError) as caught:
            parse(text, size)
        assert caught.value.offset == offset
        if size == 100:
            assert str(caught.value) == f'{message} (character {offset})'


def test_a_broken_parser_stays_broken() -> None:
    tree = Tree()
    parser = JsonParser(tree)
    with pytest.raises(JsonSyntaxError) as first:
        parser.feed('[1, 2, x')
    for again in (lambda: parser.feed('3]'), parser.close, lambda: parser.feed('')):
        with pytest.raises(JsonSyntaxError) as caught:
            again()
        assert caught.value is first.value
    assert parser.broken is first.value
    assert not parser.done
    assert tree.open[-1][0] == [1, 2]  # what came before the error was told


def test_a_second_document_makes_the_first_incomplete_whatever_the_cut() -> None:
    for size in (1, 2, 5):
        parser = JsonParser(Tree())
        with pytest.raises(JsonSyntaxError):
            feed(parser, '{} {}', size)
        assert not parser.done


@pytest.mark.parametrize('size', [1, 3, 10_000])
def test_depth_has_a_limit(size: int) -> None:
    assert parse('[' * 201 + ']' * 201, size)
    assert parse('{"a":' * 201 + '1' + '}' * 201, size)
    with pytest.raises(JsonLimitError) as caught:
        parse('[' * 10_000, size)
    assert caught.value.offset == 201


def test_size_has_a_limit_and_what_ends_a_number_is_no_part_of_it() -> None:
    for size in (1, 2, 8):
        parser = JsonParser(Tree(), max_size=5)
        with pytest.raises(JsonLimitError):
            feed(parser, '[1,2,3]', size)
    exact = JsonParser(Tree(), max_size=5)
    exact.feed('12345')
    exact.close()
    assert (exact.done, exact.size) == (True, 5)


@pytest.mark.parametrize('size', [1, 7, 100_000])
@pytest.mark.parametrize('text', ['9' * 4301, '[' + '9' * 4301 + ']', '-' + '1' * 4301, '0.' + '1' * 4300])
def test_a_number_has_a_limit_whatever_the_slices(text: str, size: int) -> None:
    with pytest.raises(JsonLimitError):
        parse(text, size)
    assert parse('9' * 4300, size) == int('9' * 4300)
    assert parse('-' + '9' * 4300, size) == int('-' + '9' * 4300)


def test_halves_of_surrogate_pairs_are_refused_on_demand() -> None:
    for text in (r'"\ud83d"', r'"\ude00"', r'"a\ud83dx"', r'{"\ud83d":1}', r'"\ude00\ud83d"', '"\ud83d"'):
        for size in (1, 2, 3, 100):
            parser = JsonParser(Tree(), surrogates=False)
            with pytest.raises(JsonSyntaxError, match='surrogate'):
                feed(parser, text, size)
    parser = JsonParser(Tree(), surrogates=False)
    for piece in slices(r'["\ud83d\ude00", "\uD83D\uDE00"]', 1):
        parser.feed(piece)
    assert parser.done


def test_the_open_text_grows_by_what_can_be_decoded() -> None:
    parser = JsonParser(Tree())
    seen: list[str | None] = []
    for piece in ['{"k', 'ey":', ' "a', '\\', 'n\\u00', 'e9\\ud83d', '\\ude', '00b', '"', '}']:
        parser.feed(piece)
        seen.append(None if parser.open_text is None else ''.join(parser.open_text))
    assert seen == [None, None, 'a', 'a', 'a\n', 'a\né', 'a\né', 'a\né😀b', None, None]


def test_closing_in_a_string_does_not_add_to_it() -> None:
    parser = JsonParser(Tree())
    parser.feed('"abc')
    with pytest.raises(JsonSyntaxError, match='not complete'):
        parser.close()
    assert parser.open_text == ['abc']


def test_an_error_can_be_pickled() -> None:
    with pytest.raises(JsonError) as caught:
        parse('[x')
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (type(copied), str(copied), copied.offset) == (JsonSyntaxError, str(caught.value), 1)

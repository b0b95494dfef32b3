"""Texts that are hard to send, and streams cut at every byte."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic_ai_streaming.course import Exercise, NotYet, events_in

TEXTS = ['one', 'one\ntwo', '\n', 'one\n\n\ntwo', 'one\r\ntwo\rthree', ' one', 'data: [DONE]', '⛵\u2028', '"{}"', '\0']
WIRE = 'id: 1\ndata: {"text": "Wind: "}\n\n: ping\n\nid: 2\ndata: {"text": "⛵ west"}\n\n'
DATA = ['{"text": "Wind: "}', '{"text": "⛵ west"}']


def cuts(wire: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((wire[:cut], wire[cut:]) for cut in range(1, len(wire)))


def read(exercise: Exercise, *pieces: bytes) -> tuple[list[str], str]:
    reader = exercise.get('Reader')()
    datas: list[str] = []
    for piece in pieces:
        try:
            datas += reader.feed(piece)
        except UnicodeDecodeError:
            raise NotYet(
                f'{piece[:20]!r} begins or ends in the middle of a character, which UTF-8 writes with up to four '
                'bytes. codecs.getincrementaldecoder keeps what is incomplete for the next piece.'
            ) from None
    return datas, reader.last_id


def check_every_text_gets_there(exercise: Exercise) -> None:
    for text in TEXTS:
        wire = exercise.get('write')(text, 1)
        if not isinstance(wire, bytes):
            raise NotYet(f'`write` is to give bytes, and gives {wire!r}.')
        datas = [event.data for event in events_in(wire)]
        assert len(datas) == 1, f'write({text!r}, 1) was to be one event, and a browser sees {len(datas)}: {datas}.'
        try:
            came = json.loads(datas[0])['text']
        except (ValueError, KeyError, TypeError):
            raise NotYet(
                f'write({text!r}, 1) was to carry {{"text": ...}} in JSON, and a browser is given {datas[0]!r}.'
            ) from None
        assert came == text, f'write({text!r}, 1) carries {came!r}.'


def check_events_have_ids(exercise: Exercise) -> None:
    wire = b''.join(exercise.get('write')(text, number) for number, text in enumerate(TEXTS))
    ids = [event.id for event in events_in(wire)]
    assert ids == [str(number) for number in range(len(TEXTS))], (
        f'The events 0 to {len(TEXTS) - 1} were written, and a browser takes their ids to be {ids}. Without them, a '
        'client that has lost its connection cannot say what it has seen.'
    )


def check_a_whole_stream_is_read(exercise: Exercise) -> None:
    datas, _ = read(exercise, WIRE.encode())
    assert datas == DATA, f'The stream carries {DATA}, and you read {datas}.'


def check_it_may_be_cut_anywhere(exercise: Exercise) -> None:
    for first, second in cuts(WIRE.encode()):
        datas, _ = read(exercise, first, second)
        assert datas == DATA, (
            f'The same stream in two pieces, the second of which begins with {second[:15]!r}, is read as {datas}. What '
            'has no end yet has to wait for it.'
        )


def check_what_is_not_complete_is_not_given(exercise: Exercise) -> None:
    datas, _ = read(exercise, b'data: one\n\ndata: two\n')
    assert datas == ['one'], f'"two" may have more lines, since no empty line has come; you gave {datas} already.'


def check_all_forms_that_the_standard_allows_are_read(exercise: Exercise) -> None:
    forms = {
        'lines that end in "\\r\\n"': ('data: one\r\n\r\ndata: two\r\n\r\n', ['one', 'two']),
        'two lines of data': ('data: one\ndata: two\n\n', ['one\ntwo']),
        'no space after the colon': ('data:one\n\ndata:  two\n\n', ['one', ' two']),
        'a space at the end, which is data': ('data: one \n\ndata: two\t\r\n\r\n', ['one ', 'two\t']),
        'other fields and comments': ('event: x\nretry: 9\n: data: no\ndatum: no\ndata: one\n\n\n\n', ['one']),
        'characters that only str.splitlines takes for line ends': ('data: one\u2028two\x0b\n\n', ['one\u2028two\x0b']),
        'an empty line of data': ('data\n\ndata: one\ndata:\n\n', ['', 'one\n']),
    }
    for name, (wire, expected) in forms.items():
        datas, _ = read(exercise, wire.encode())
        assert datas == expected, f'With {name}: {wire!r} carries {expected}, and you read {datas}.'
        for pieces in cuts(wire.encode()):
            datas, _ = read(exercise, *pieces)
            assert datas == expected, f'With {name}, cut into {pieces}: it carries {expected}, and you read {datas}.'


def check_the_last_id_is_that_of_a_complete_event(exercise: Exercise) -> None:
    _, last = read(exercise, b'id: 1\ndata: one\n\ndata: two\n\nid: 3\ndata: thr')
    assert last == '1', (
        f'The event of id 3 was not complete when the connection was lost, and the one before it has no id of its own, '
        f"so the last id is '1'. You say {last!r}."
    )

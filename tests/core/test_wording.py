"""Messages count and name things as a reader would."""

from __future__ import annotations

from pydantic_ai_streaming import StreamTimeout
from pydantic_ai_streaming.core.wording import a, counted


def test_one_character_is_no_characters() -> None:
    error = StreamTimeout(phase='idle', limit=1, elapsed=2, text='x')
    assert str(error).endswith('1 character had come.')
    assert counted(0, 'character') == '0 characters'


def test_an_output_that_is_no_text_is_not_said_to_have_come_with_no_characters() -> None:
    assert str(StreamTimeout(phase='idle', limit=1, elapsed=2)).endswith('(Deadlines.idle). No text had come.')


def test_a_vowel_takes_another_article() -> None:
    assert (a(5), a(b''), a(())) == ('an int', 'a bytes', 'a tuple')

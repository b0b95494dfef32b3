"""The figures of a stream."""

from __future__ import annotations

from inline_snapshot import snapshot

from pydantic_ai_streaming.core.stats import Meter, StreamStats


def test_silence_between_two_responses_is_nobodys_gap() -> None:
    meter = Meter(now=10)
    meter.content(now=11, characters=4, text=False)
    meter.content(now=11.5, characters=4, text=True)
    meter.response_ended()
    meter.content(now=60, characters=2, text=True)
    meter.content(now=60.25, characters=2, text=True)
    assert meter.stats(now=61, output_tokens=30) == snapshot(
        StreamStats(
            first_content=1,
            first_text=1.5,
            duration=51,
            writing=0.75,
            longest_gap=0.5,
            pieces=4,
            characters=12,
            text_characters=8,
            requests=2,
            output_tokens=30,
        )
    )


def test_the_line_for_people_says_tokens_when_they_are_known_and_characters_until_then() -> None:
    known = StreamStats(first_content=0.4, duration=4, writing=2, characters=500, output_tokens=100, tool_calls=2)
    assert str(known) == snapshot('first content 0.40 s · 100 tokens · 50/s · 2 tool calls · 4.0 s in all')
    unknown = StreamStats(first_content=0.4, duration=4, writing=2, characters=1, attempts_rejected=1)
    assert str(unknown) == snapshot('first content 0.40 s · 1 character · 0/s · 1 rejected attempt · 4.0 s in all')


def test_a_stream_without_content_has_a_line_too() -> None:
    assert str(Meter(now=0).stats(now=3)) == snapshot('no content · 3.0 s in all')


def test_one_piece_has_no_rate() -> None:
    meter = Meter(now=0)
    meter.content(now=1, characters=100, text=True)
    stats = meter.stats(now=2, output_tokens=10)
    assert (stats.tokens_per_second, stats.characters_per_second) == (None, None)

"""Streams that are forgotten at an instant of their own."""

from __future__ import annotations

from pydantic_ai_streaming.logs import Head, Refusal, Write, apply


def test_a_stream_with_an_end_of_its_own_is_not_kept_alive_by_writes() -> None:
    head = Head(stream_id='a', incarnation='x')
    created = apply(None, Write(stream_id='a', create=head, expires_in=5), now=10)
    assert isinstance(created, Head)
    written = apply(created, Write(stream_id='a', entries=[b'one']), now=14)
    assert isinstance(written, Head)
    assert written.expires_at == 15
    refused = apply(written, Write(stream_id='a', entries=[b'two']), now=15)
    assert isinstance(refused, Refusal)
    assert refused.reason == 'missing'

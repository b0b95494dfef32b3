from __future__ import annotations

from pydantic_ai_streaming.core.chunks import Chunks


def taken(*instants: float) -> list[float]:
    chunks = Chunks(within=0.25)
    told = [chunks.content(now) for now in instants]
    return [took for took in (*told, chunks.response_ended()) if took is not None]


def test_each_chunk_after_the_first_takes_its_time_since_the_last() -> None:
    assert taken(1.0, 2.0, 4.0) == [1.0, 2.0]
    assert taken(1.0) == taken() == []


def test_what_comes_together_is_one_chunk_that_ends_with_its_last_content() -> None:
    assert taken(1.0, 1.125, 2.0, 2.125, 4.0) == [1.0, 1.875]


def test_content_that_never_pauses_is_cut_so_that_no_time_is_lost() -> None:
    instants = [n / 8 for n in range(41)]
    assert sum(taken(*instants)) == 5.0 - 0.125
    assert max(taken(*instants)) == 0.25


def test_the_silence_between_two_responses_belongs_to_no_chunk() -> None:
    chunks = Chunks(within=0.25)
    chunks.content(1.0)
    chunks.content(2.0)
    assert chunks.response_ended() == 1.0
    assert [chunks.content(now) for now in (9.0, 10.0, 11.0)] == [None, None, 1.0]
    assert chunks.response_ended() == 1.0

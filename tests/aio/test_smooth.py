"""`smooth`: the same text at another pace, the source read at its own speed and closed on every way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from pydantic_ai_streaming import Smoothing, smooth
from pydantic_ai_streaming.testing import virtual_time

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


class Source:
    def __init__(self, *steps: tuple[float, str], error: Exception | None = None) -> None:
        self.steps = steps
        self.error = error
        self.read_at: list[float] = []
        self.closed_at: float | None = None

    async def __aiter__(self) -> AsyncGenerator[str]:
        try:
            for gap, piece in self.steps:
                await asyncio.sleep(gap)
                self.read_at.append(now())
                yield piece
            if self.error is not None:
                raise self.error
        finally:
            self.closed_at = now()


async def test_a_burst_becomes_an_even_flow() -> None:
    words = 'one two three four five six seven eight '
    source = Source((0, words), (0.4, words), (0.4, words))
    shown = [(round(now(), 2), piece) async for piece in smooth(source, Smoothing(max_lag=0.4))]
    assert ''.join(piece for _, piece in shown) == words * 3
    instants = [instant for instant, _ in shown]
    assert len(instants) > 15, 'three bursts come out in many pieces'
    assert max(b - a for a, b in pairwise(instants)) < 0.2, 'without a long pause between them'
    assert instants[-1] <= 0.8 + 0.12


async def test_the_source_is_read_at_its_own_speed_however_slow_the_reader_is() -> None:
    source = Source(*[(0.1, f'word{i} ') for i in range(10)])
    async for _ in smooth(source):
        await asyncio.sleep(3)
    assert source.read_at == pytest.approx([0.1 * (i + 1) for i in range(10)])


async def test_the_text_before_an_error_comes_whole_and_then_the_error() -> None:
    source, shown = Source((0.1, 'some text that '), (0.1, 'is bro'), error=ValueError('cut')), list[str]()
    with pytest.raises(ValueError, match='cut'):  # noqa: PT012 - what came before counts too
        async for piece in smooth(source):
            shown.append(piece)
    assert ''.join(shown) == 'some text that is bro'
    assert now() == pytest.approx(0.2)


async def test_leaving_early_closes_the_source_and_ends_the_task() -> None:
    source = Source((0.1, 'a '), (50, 'b '))
    async with aclosing(smooth(source)) as smoothed:
        async for _ in smoothed:
            break
    assert source.closed_at == pytest.approx(0.1, abs=0.05)


async def test_a_break_without_closing_does_so_too_when_the_generator_is_collected() -> None:
    source = Source((0.1, 'a '), (50, 'b '))
    async for _ in smooth(source):
        break
    await asyncio.sleep(0.1)
    assert source.closed_at is not None
    assert source.closed_at < 1


async def test_cancelling_the_reader_closes_the_source() -> None:
    source = Source((0.1, 'a '), (50, 'b '))

    async def read() -> None:
        async for _ in smooth(source):
            pass

    task = asyncio.ensure_future(read())
    await asyncio.sleep(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closed_at == 2


async def test_a_source_of_something_else_than_text_is_refused_with_its_type() -> None:
    async def numbers() -> AsyncGenerator[str]:
        yield 7  # pyright: ignore[reportReturnType] - the mistake that is tested

    with pytest.raises(TypeError, match='the source yielded an int'):
        async for _ in smooth(numbers()):
            pass


async def test_whole_lines_when_asked_for() -> None:
    source = Source((0, 'first li'), (0.01, 'ne\nsecond'), (0.01, ' line\n'))
    shown = [piece async for piece in smooth(source, Smoothing(by='line', drain=0))]
    assert shown == snapshot(['first line\n', 'second line\n'])


STEPS = st.lists(st.tuples(st.floats(0, 2), st.text(max_size=30)), max_size=12)
SMOOTHINGS = st.builds(
    Smoothing,
    by=st.sampled_from(['grapheme', 'word', 'line', 'sentence']),
    max_lag=st.sampled_from([0.0, 0.1, 0.25, 0.4, 1.0]),
    drain=st.sampled_from([0.0, 0.1, 0.5]),
)


@given(steps=STEPS, smoothing=SMOOTHINGS, pause=st.sampled_from([0.0, 0.01, 1.0]))
@settings(max_examples=150, deadline=None)
def test_the_pieces_joined_are_the_text(steps: list[tuple[float, str]], smoothing: Smoothing, pause: float) -> None:
    async def run() -> str:
        shown: list[str] = []
        async for piece in smooth(Source(*steps), smoothing):
            shown.append(piece)
            await asyncio.sleep(pause)
        return ''.join(shown)

    assert virtual_time.run(run()) == ''.join(text for _, text in steps)


async def test_a_source_that_is_no_async_iterable_is_an_error_and_no_hang() -> None:
    with pytest.raises(TypeError):
        async for _ in smooth(['a', 'b']):  # pyright: ignore[reportArgumentType] - the mistake that is tested
            pass


async def test_a_source_that_fails_while_it_is_closed_is_an_error_and_no_hang() -> None:
    class Unclosable:
        def __aiter__(self) -> Unclosable:
            return self

        async def __anext__(self) -> str:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            raise OSError('cannot be closed')

    with pytest.raises(OSError, match='cannot be closed'):
        async for _ in smooth(Unclosable()):
            pass


async def test_a_cancellation_that_the_source_raises_is_no_end() -> None:
    async def leaking() -> AsyncGenerator[str]:
        yield 'a '
        raise asyncio.CancelledError

    shown: list[str] = []
    with pytest.raises(asyncio.CancelledError):  # noqa: PT012 - what came before counts too
        async for piece in smooth(leaking()):
            shown += [piece]
    assert ''.join(shown) == 'a '

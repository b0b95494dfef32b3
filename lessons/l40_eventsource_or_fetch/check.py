"""A page whose EventSource connects again as the standard has it; the model writes a word every half a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from pydantic_ai import Agent

from pydantic_ai_streaming.course import EventSourceStandIn, Exercise, NotYet, WebApp, WebClient, serving
from pydantic_ai_streaming.testing import ScriptedModel, Stall

WORDS = ['one ', 'two ', 'three ', 'four ', 'five ', 'six']
LONG = 120  # seconds that a page stays open


class Page:
    """A page that shows what its EventSource tells."""

    def __init__(self, client: WebClient, question: str = 'Count!') -> None:
        self.client = client
        self.source = EventSourceStandIn(client, '/answer', {'question': question})
        self.shown = ''
        self.ended = 0

    async def watch(self, seconds: float, enough: Callable[[str], bool] = lambda shown: False) -> None:
        """Show what comes for so long, or until it is enough."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for event in self.source:
                    self._take(event.data)
                    if enough(self.shown):
                        return
        for error in self.client.errors:
            raise error

    def _take(self, data: str) -> None:
        try:
            frame = json.loads(data)
            self.shown += frame['text'] if frame['type'] == 'text' else ''
            self.ended += frame['type'] == 'end'
        except (ValueError, KeyError, TypeError):
            raise NotYet(f'The data of an event is {data!r}, and was to be a JSON object with a "type".') from None


def new(exercise: Exercise, *steps: Stall | str) -> tuple[ScriptedModel, WebApp]:
    model = ScriptedModel([*steps], gap=0.5, loop=True)
    return model, exercise.get('make_app')(Agent(model))


async def check_an_event_source_that_is_not_closed_asks_once(exercise: Exercise) -> None:
    model, app = new(exercise, *WORDS)
    async with serving(app) as client:
        page = Page(client)
        await page.watch(LONG)
    assert page.shown.startswith(''.join(WORDS)), (
        f'The answer is {"".join(WORDS)!r}, and the page shows {page.shown!r}.'
    )
    assert page.ended, 'The answer is whole, and no "end" says so to the page.'
    assert len(model.requests) == 1, (
        f'The page was open for two minutes, with one question, and the model was asked {len(model.requests)} times. '
        'An EventSource connects again whenever a response ends; with status 204 it does not.'
    )


async def check_a_lost_connection_is_picked_up(exercise: Exercise) -> None:
    model, app = new(exercise, *WORDS)
    async with serving(app) as client:
        page = Page(client)
        await page.watch(LONG, lambda shown: shown == 'one two ')
        page.source.lose()
        await page.watch(LONG, lambda shown: shown.endswith('four '))
        page.source.lose()
        await page.watch(LONG)
    assert len(model.requests) == 1, (
        f'The connection was lost twice, and the model was asked {len(model.requests)} times.'
    )
    assert page.shown == ''.join(WORDS), (
        'The connection was lost after "two " and after "four ", for a few seconds each time, and the page shows '
        f'{page.shown!r}. What was written meanwhile has to be kept for it, and each piece needs an id.'
    )


async def check_two_questions_are_two_answers(exercise: Exercise) -> None:
    model, app = new(exercise, *WORDS)
    async with serving(app) as client:
        pages = [Page(client, 'Count!'), Page(client, 'Count again!')]
        await asyncio.gather(*(page.watch(LONG, lambda shown: shown == 'one ') for page in pages))
        pages[0].source.lose()
        await asyncio.gather(*(page.watch(LONG) for page in pages))
    assert [page.shown for page in pages] == [''.join(WORDS)] * 2, (
        f'Two pages asked, one lost its connection, and they show {[page.shown for page in pages]}.'
    )
    assert len(model.requests) == 2, f'There were two questions, and the model was asked {len(model.requests)} times.'


async def check_the_end_of_the_server_stops_the_model(exercise: Exercise) -> None:
    # What is left over when the loop ends is told by this check, and not by the garbage collector.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    model, app = new(exercise, 'one ', 'two ', Stall())
    async with serving(app) as client:
        await Page(client).watch(LONG, lambda shown: shown == 'one two ')
    await asyncio.sleep(1)
    assert model.requests[0].closed, (
        'The server has ended, and the model is still asked. What outlives its connection has to be ended with the '
        'application: Starlette(..., lifespan=...).'
    )


async def check_an_answer_that_is_not_here_any_more_is_not_begun_anew(exercise: Exercise) -> None:
    _, app = new(exercise, *WORDS)
    async with serving(app) as client:
        page = Page(client)
        await page.watch(LONG, lambda shown: shown == 'one two ')
        last = {'last-event-id': page.source.last_event_id}
    model, fresh = new(exercise, *WORDS)
    async with serving(fresh) as client, client.request('GET', '/answer', query={'question': 'Count!'}, headers=last):
        await asyncio.sleep(1)
    assert not model.requests, (
        'The server was started again, and a page came back with an id of the time before. It has half an answer, and '
        'another one from the beginning does not go with it; say 404, and let the page ask again if it likes.'
    )


async def check_a_page_that_stays_away_stops_the_model(exercise: Exercise) -> None:
    model, app = new(exercise, 'one ', 'two ', Stall())
    async with serving(app) as client:
        page = Page(client)
        await page.watch(LONG, lambda shown: shown == 'one two ')
        page.source.close()
        await asyncio.sleep(70)  # a minute, and some time to notice
        assert model.requests[0].closed, 'The page has been away for a minute, and the model is still asked.'

"""A page in this process that presses stop or loses its connection; the model writes a word every tenth of a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.course import Exercise, NotYet, WebClient, serving
from pydantic_ai_streaming.testing import Script, ScriptedModel

WORDS = ['one ', 'two ', 'three ', 'four ', 'five ', 'six']


class Page:
    """A page that has asked something."""

    def __init__(self, client: WebClient) -> None:
        self.client = client
        self.stream = self.shown = self.last_id = self.told = ''

    async def ask(self, prompt: str = 'Count!', until: str = 'the end', press: bool = False) -> None:
        """Read the answer until a word is there, and then lose the connection, or press stop and read on."""
        headers = {'last-event-id': self.last_id} if self.last_id else None
        async with self.client.request('POST', '/answer', body={'prompt': prompt}, headers=headers) as response:
            if response.status != 200:
                raise (self.client.errors or [NotYet(f'POST /answer gives status {response.status}.')])[0]
            async for event in response.events():
                frame = json.loads(event.data)
                self.last_id = event.id
                self.stream = frame.get('stream', self.stream)
                self.shown += frame['text'] if frame['type'] == 'text' else ''
                self.told = frame['type']
                if until in self.shown and not press:
                    return
                if until in self.shown and self.told == 'text':
                    await self.stop()

    async def stop(self, stream: str = '') -> bool:
        """Press the button."""
        path = f'/answer/{stream or self.stream}'
        async with self.client.request('DELETE', path) as response:
            body = await response.read()
            try:
                return json.loads(body)['stopped'] is True
            except (ValueError, KeyError, TypeError):
                raise NotYet(
                    f'DELETE {path} was to give {{"stopped": true}} or false, and gives status {response.status} '
                    f'and {body[:80]!r}.'
                ) from None


@asynccontextmanager
async def visit(exercise: Exercise, *script: Script) -> AsyncGenerator[tuple[Page, ScriptedModel, Chat[object, str]]]:
    model = ScriptedModel(*script, gap=0.1)
    chat = Chat(Agent(model))
    async with serving(exercise.get('make_app')(chat)) as client:
        yield Page(client), model, chat


def known(model: ScriptedModel) -> list[str]:
    """What the model was told last of what it has said."""
    return [message.text or '' for message in model.requests[-1].messages if isinstance(message, ModelResponse)]


async def check_stop_stops_the_model(exercise: Exercise) -> None:
    async with visit(exercise, WORDS) as (page, model, _):
        await page.ask(until='two ', press=True)
        request = model.requests[0]
        assert request.closed not in (None, 'complete'), (
            f'Stop was pressed after two words, and the model wrote {request.pieces}. A page that only shows no more '
            'has stopped nothing.'
        )
        assert page.shown == 'one two ', f'Stop was pressed at "two ", and the page was sent {page.shown!r}.'
        assert page.told == 'end', f'After a stop, the last that the page gets is {page.told!r} instead of "end".'


async def check_what_was_shown_is_known_to_the_next_prompt(exercise: Exercise) -> None:
    async with visit(exercise, WORDS, ['three!']) as (page, model, _):
        await page.ask(until='two ', press=True)
        page.last_id = page.shown = ''
        await page.ask('Go on.')
        assert page.shown == 'three!', f'After the stop, the page asked again, and was told {page.shown!r}.'
        assert known(model) == ['one two '], (
            f'The page shows "one two ", and with the next prompt the model was told that it had said {known(model)}.'
        )


async def check_a_lost_connection_stops_nothing(exercise: Exercise) -> None:
    async with visit(exercise, WORDS) as (page, model, chat):
        await page.ask(until='two ')
        await asyncio.sleep(1)
        assert model.requests[0].closed == 'complete', (
            "A connection was lost after two words, and the answer with it. That was nobody's wish: let the run go on "
            'for a while, and stop it by a request of its own.'
        )
        await page.ask()
        assert page.shown == ''.join(WORDS), (
            f'The page came back after a second, with `Last-Event-ID`, and has put together {page.shown!r}.'
        )
        assert len(model.requests) == 1, f'It came back, and the model was asked {len(model.requests)} times.'
        assert [exchange.text for exchange in chat.exchanges] == [''.join(WORDS)], 'The chat does not have the answer.'


async def check_stop_needs_no_connection(exercise: Exercise) -> None:
    async with visit(exercise, WORDS) as (page, model, _):
        await page.ask(until='two ')
        assert await page.stop(), 'The connection was lost, stop was pressed on a new one, and nothing was stopped.'
        closed = model.requests[0].closed
        assert closed not in (None, 'complete'), 'Stop was pressed on a new connection, and the model writes on.'


async def check_stop_stops_what_it_names_and_says_so(exercise: Exercise) -> None:
    async with visit(exercise, WORDS) as (page, model, _):
        await page.ask(until='two ')
        assert not await page.stop('another'), 'There is no stream "another", and your answer says that it was stopped.'
        await asyncio.sleep(1)
        assert model.requests[0].closed == 'complete', 'Somebody stopped "another", and this answer ended.'
        assert not await page.stop(), 'The answer was whole when stop was pressed, and yours says that it was stopped.'

"""A page in this process, at the other end of the WebSocket; the model writes a word every tenth of a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelResponse
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from pydantic_ai_streaming.course import Exercise, NotYet, WebClient, WebSocketClient, serving
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall

WORDS = ['one ', 'two ', 'three ', 'four ', 'five']
model = partial(ScriptedModel, gap=0.1)
FAILURE = ModelHTTPError(503, 'secret-model', 'no route to db-7.internal')


class Page:
    """A page that has asked something."""

    def __init__(self, client: WebClient, socket: WebSocketClient) -> None:
        self.client, self.socket = client, socket
        self.shown = ''

    async def ask(self, prompt: str = 'Count!') -> None:
        """Send a prompt."""
        self.shown = ''
        await self.socket.send({'type': 'prompt', 'prompt': prompt})

    async def hear(self, until: str = '') -> str:
        """Read until something is shown, or to the last word; that, or what came in place of it."""
        try:
            async with asyncio.timeout(60):
                async for message in self.socket:
                    frame = frame_of(message)
                    self.shown += frame['text'] if frame['type'] == 'text' else ''
                    if frame['type'] in ('end', 'error'):
                        safe = 'secret-model' not in message and 'db-7' not in message
                        assert safe, f'The text of the exception is for the log, and the page was sent {message}.'
                        return repr(frame['type'])
                    if until and until in self.shown:
                        return until
        except TimeoutError:
            raise NotYet(
                f'For a minute the page has heard nothing, with {self.shown!r} shown. (A task that fails tells nobody, '
                'until somebody awaits it or catches what it raises.)'
            ) from None
        for error in self.client.errors:
            raise error
        return f'that the WebSocket was closed (code {self.socket.code})'


@asynccontextmanager
async def visit(exercise: Exercise, scripted: ScriptedModel) -> AsyncGenerator[Page]:
    agent = Agent(scripted)

    async def talk(websocket: WebSocket) -> None:
        await exercise.call('talk', websocket, agent)

    app = Starlette(routes=[WebSocketRoute('/talk', talk)])
    async with serving(app) as client, client.websocket('/talk') as socket:
        page = Page(client, socket)
        await page.ask()
        yield page


def frame_of(message: str) -> dict[str, Any]:
    try:
        frame = json.loads(message)
        if isinstance(frame['type'], str) and (frame['type'] != 'text' or isinstance(frame['text'], str)):
            return frame
    except (ValueError, KeyError, TypeError):
        pass
    raise NotYet(
        f'The page is sent {message!r}, and was to get a JSON object with a "type". Where bare text and objects '
        'mingle, nobody can tell an answer that looks like an object from a sign.'
    )


async def check_each_piece_is_sent_once(exercise: Exercise) -> None:
    async with visit(exercise, model(['Send ', '{"type": "end"}', ' last.'])) as page:
        last = await page.hear()
    assert page.shown == 'Send {"type": "end"} last.', (
        f'The answer is \'Send {{"type": "end"}} last.\', and the page has put together {page.shown!r}.'
    )
    assert last == "'end'", f'The answer is whole, and the last that the page gets is {last}.'


async def check_a_stop_is_heard_while_the_model_writes(exercise: Exercise) -> None:
    scripted, clock = model(WORDS, ['Why?']), asyncio.get_running_loop().time
    async with visit(exercise, scripted) as page:
        await page.hear('two')
        began = clock()
        await page.socket.send({'type': 'stop'})
        last = await page.hear()
        took, asked = clock() - began, scripted.requests[0]
    assert took < 0.05, (
        f'Stop was pressed after two words, and {last} came {took:.1f} s later, with {page.shown!r} shown. While one '
        'awaits the next piece, one does not receive: the run needs a task of its own.'
    )
    assert last == "'end'", f'After a stop, the page gets {last} instead of "end".'
    assert asked.closed not in (None, 'complete'), f'The page was told that this is all, and the model: {asked.closed}.'


async def check_the_next_question_knows_of_the_half_answer(exercise: Exercise) -> None:
    scripted = model(WORDS, ['six'], ['seven'])
    async with visit(exercise, scripted) as page:
        await page.hear('two')
        await page.socket.send({'type': 'stop'})
        await page.hear()
        for prompt, answer in (('Go on.', 'six'), ('And then?', 'seven')):
            await page.ask(prompt)
            last = await page.hear()
            assert (page.shown, last) == (answer, "'end'"), f'{prompt!r} was answered by {page.shown!r} and {last}.'
    known = [message.text for message in scripted.requests[2].messages if isinstance(message, ModelResponse)]
    assert known == ['one two ', 'six'], (
        f'The page shows "one two " and "six", and with the third question the model was told of {known}.'
    )


async def check_a_failure_is_told_without_its_reason_and_is_not_the_end_of_the_talk(exercise: Exercise) -> None:
    async with visit(exercise, model(['one ', Fail(FAILURE)], ['two'])) as page:
        last = await page.hear()
        assert last == "'error'", f'The model failed after a word, and the last that the page gets is {last}.'
        await page.ask('Again!')
        last = await page.hear()
        assert page.shown == 'two', f'After a failure, the page asked again, and got {page.shown!r} and {last}.'


async def check_a_page_that_goes_away_stops_a_silent_model(exercise: Exercise) -> None:
    scripted, clock = model(['one ', 'two ', Stall()]), asyncio.get_running_loop().time
    async with visit(exercise, scripted) as page:
        await page.hear('two')
        left = clock()
        page.socket.close()
        await asyncio.sleep(1)
        closed = scripted.requests[0].closed_at
        assert (closed or float('inf')) - left < 0.1, (
            'The page was closed while the model was silent, and a second later the model was still asked. That is '
            'noticed by who receives, not by who waits for something to send.'
        )
